"""Names of images from their bytes, each file read once: what is noted and unchanged is not read again.

Knows no layout and no label; writes this machine's notes and nothing else.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from cache.key import image_id, virtual_id
from cache.store import Store

from .containers.places import read_place
from .intake import header
from .layouts.entries import Entry, Place
from .listed import SourceImages
from .packing import Seen
from .sources import FileNote, Sources

log = logging.getLogger("assay")

_WINDOW = 1024
"""Files that wait at once, so that 100,000 small ones do not become 100,000 waiting tasks."""


@contextlib.contextmanager
def remembered(store: Store) -> Iterator[Sources]:
    """Give the notes, and write what was added even on an interrupt, which then loses nothing that was hashed."""
    sources = Sources(store)
    try:
        yield sources
    finally:
        sources.flush()


def identify(
    store: Store, sources: Sources, entries: Sequence[Entry], source: str, known: SourceImages, threads: int
) -> tuple[list[str | None], Seen, int]:
    """Return the image id of each sample, what was seen of the images, and how many were hashed.

    Parameters
    ----------
    source
        The set that virtual ids belong to.
    known
        Images of that set in this store, by what lists call them.

    Returns
    -------
    tuple
        An id is None where the file cannot be read, or the list names an image that the store lacks.
    """
    seen = Seen()
    ids: list[str | None] = []
    hashed = 0

    def listed(entry: Entry) -> str | None:
        name = entry.listed_as or entry.sample
        if not known.images:
            image = virtual_id(source, name)
            seen.rows.setdefault(image, (image, 0, 0, 0, "virtual"))
            return image
        held = known.images.get(name)
        if held is not None:
            seen.rows.setdefault(held, known.rows[held])
        return held

    notes = _notes(store, sources, [entry.place for entry in entries if entry.place is not None], threads)
    for entry in entries:
        if entry.place is None:
            ids.append(listed(entry))
            continue
        note, fresh = next(notes)
        ids.append(None if note is None else note.image_id)
        if note is not None:
            seen.add(note)
            hashed += fresh
    return ids, seen, hashed


def with_beside(store: Store, sources: Sources, entries: Sequence[Entry], threads: int) -> list[Entry]:
    """Return the entries with the sha256 of every file that belongs to one, as columns of their own."""
    places = [place for entry in entries for place in entry.beside.values() if place is not None]
    notes = _notes(store, sources, places, threads)

    def named(place: Place | None) -> str | None:
        note = None if place is None else next(notes)[0]
        return None if note is None else note.image_id

    return [
        replace(entry, extra={**entry.extra, **{column: named(place) for column, place in entry.beside.items()}})
        if entry.beside
        else entry
        for entry in entries
    ]


def _notes(
    store: Store, sources: Sources, places: Sequence[Place], threads: int
) -> Iterator[tuple[FileNote | None, bool]]:
    """Yield what is known of each place in order (None where it cannot be read), and whether it was read for that."""

    def read(place: Place) -> FileNote | None:
        path = Path(place.path)
        try:
            status = path.stat()
            data = path.read_bytes() if place.whole else read_place(store.disk, place)
        except OSError as error:
            log.warning("%s: %s", place.path, error.strerror or error)
            return None
        found = header(data)
        size = (found.width, found.height, found.format)
        return FileNote(place, len(data), status.st_mtime_ns, image_id(data), *size, status.st_size)

    with ThreadPoolExecutor(max_workers=max(1, threads)) as pool:
        for start in range(0, len(places), _WINDOW):
            window = [(place, sources.known(place)) for place in places[start : start + _WINDOW]]
            fresh = pool.map(read, [place for place, old in window if old is None])
            for _, old in window:
                if old is not None:
                    yield old, False
                    continue
                note = next(fresh)
                if note is not None:
                    sources.add(note)
                yield note, True
