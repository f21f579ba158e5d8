"""Where everything stands in a store: the names of format version 1, and what a legal name is.

Paths only; nothing here touches a disk. Names stay under 160 characters, are unique case-insensitively
and legal on Windows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

IMAGE_KINDS = ("logits", "embeddings", "patches")
KINDS = (*IMAGE_KINDS, "text", "heads", "matches", "records", "predictions", "scores")
TABLE_KINDS = ("records", "predictions", "scores")
"""Kinds whose segments are Parquet files instead of Zarr arrays."""

SHORT = 16
"""How many hex digits of a space or dataset id stand in a path; the whole id stands in the document."""

SLUG = 40
"""Most characters of a slug."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_VERSION = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,79})@(?P<id>[0-9a-f]{16})\.json")
_MARKER = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,79})@(?P<old>[0-9a-f]{16})\.replaced-by-(?P<new>[0-9a-f]{16})"
)
_REQUEST = re.compile(r"(?P<digest>[0-9a-f]{64})\.json")
_RETIRED = re.compile(r"(?P<digest>[0-9a-f]{64})\.retired\.json")
_FORGOTTEN = re.compile(r"(?P<digest>[0-9a-f]{64})\.forgotten\.json")
_SPACE = re.compile(r"(?P<slug>[a-z0-9-]{1,40})-(?P<short>[0-9a-f]{16})")
_RECORD = re.compile(r"(?P<pack>[0-9a-f]{64})\.json")
_RUN = re.compile(r"\d{8}t\d{6}z-[a-z0-9-]+-[0-9a-f]{32}(\.end)?\.json")
# Reserved on Windows whatever the suffix.
_RESERVED = {"con", "prn", "aux", "nul"} | {f"{word}{n}" for word in ("com", "lpt") for n in range(1, 10)}


def is_name(text: str) -> bool:
    """Tell whether a dataset or model id may stand in a file name on every system.

    Examples
    --------
    >>> is_name("imagenet-val"), is_name("a:b"), is_name("nul"), is_name("x.")
    (True, False, False, False)
    """
    return bool(_NAME.fullmatch(text)) and text.split(".")[0].lower() not in _RESERVED and not text.endswith(".")


def slug(text: str) -> str:
    """Reduce an identity to `[a-z0-9-]{1,40}`, for people who look into the folder.

    Examples
    --------
    >>> slug("timm tf_efficientnet_lite0")
    'timm-tf-efficientnet-lite0'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:SLUG].rstrip("-") or "space"


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one store."""

    root: Path

    @property
    def store_file(self) -> Path:
        """STORE.json: format, version, hash algorithm."""
        return self.root / "STORE.json"

    @property
    def requests(self) -> Path:
        """What was asked; the only binding from a model's name to a space."""
        return self.root / "requests"

    @property
    def datasets(self) -> Path:
        """Dataset versions, their sidecars and markers."""
        return self.root / "datasets"

    @property
    def packs(self) -> Path:
        """Lists of item ids."""
        return self.root / "packs"

    @property
    def spaces(self) -> Path:
        """Feature spaces."""
        return self.root / "spaces"

    @property
    def texts(self) -> Path:
        """Class lists and prompt sets, by content."""
        return self.root / "texts"

    @property
    def runs(self) -> Path:
        """Provenance; append-only."""
        return self.root / "runs"

    @property
    def local(self) -> Path:
        """This machine's own notes; never synced, never read by analyze."""
        return self.root / "local"

    @property
    def staging(self) -> Path:
        """Where unfinished work lies."""
        return self.local / "staging"

    @property
    def quarantine(self) -> Path:
        """Where `repair` puts what cannot be believed."""
        return self.local / "quarantine"

    def request(self, digest: str) -> Path:
        """One request."""
        return self.requests / f"{digest}.json"

    def retired(self, digest: str) -> Path:
        """One request that was unbound."""
        return self.requests / f"{digest}.retired.json"

    def forgotten(self, digest: str) -> Path:
        """What says that a lost request is given up."""
        return self.requests / f"{digest}.forgotten.json"

    def version(self, name: str, version: str) -> Path:
        """The sidecar of a dataset version; its table has the suffix .parquet."""
        return self.datasets / f"{name}@{version[:SHORT]}.json"

    def marker(self, name: str, old: str, new: str) -> Path:
        """What says that a newer version took over."""
        return self.datasets / f"{name}@{old[:SHORT]}.replaced-by-{new[:SHORT]}"

    def pack(self, pack: str) -> Path:
        """The sidecar of a pack; its table has the suffix .parquet."""
        return self.packs / f"{pack}.json"

    def space(self, label: str) -> Path:
        """A space by its label `<slug>-<id>`."""
        return self.spaces / f"{label}.json"

    def text(self, text: str) -> Path:
        """A class list or prompt set."""
        return self.texts / f"{text}.json"

    def records(self, kind: str, label: str) -> Path:
        """The commit records of one kind in one space."""
        return self.root / "commits" / kind / label

    def record(self, kind: str, label: str, pack: str) -> Path:
        """One commit record."""
        return self.records(kind, label) / f"{pack}.json"

    def segments(self, kind: str, label: str) -> Path:
        """The data of one kind in one space."""
        return self.root / "data" / kind / label

    def segment(self, kind: str, label: str, segment: str) -> Path:
        """The folder of one segment."""
        return self.segments(kind, label) / segment

    def relative(self, path: Path) -> str:
        """Spell a path as messages and documents do."""
        return path.relative_to(self.root).as_posix()


def parse_version(name: str) -> tuple[str, str] | None:
    """Read a sidecar's file name: dataset, short id."""
    match = _VERSION.fullmatch(name)
    return (match["name"], match["id"]) if match else None


def parse_marker(name: str) -> tuple[str, str, str] | None:
    """Read a marker's file name: dataset, short old id, short new id."""
    match = _MARKER.fullmatch(name)
    return (match["name"], match["old"], match["new"]) if match else None


def parse_request(name: str) -> tuple[str, bool] | None:
    """Read a request's file name: digest, and whether it is retired."""
    if match := _REQUEST.fullmatch(name):
        return match["digest"], False
    if match := _RETIRED.fullmatch(name):
        return match["digest"], True
    return None


def parse_forgotten(name: str) -> str | None:
    """Read the file name of what says that a lost request is given up: its digest."""
    match = _FORGOTTEN.fullmatch(name)
    return match["digest"] if match else None


def parse_space(name: str) -> tuple[str, str] | None:
    """Read a space label: slug, short id."""
    match = _SPACE.fullmatch(name)
    return (match["slug"], match["short"]) if match else None


def parse_record(name: str) -> str | None:
    """Read a commit record's file name: the pack."""
    match = _RECORD.fullmatch(name)
    return match["pack"] if match else None


def is_run(name: str) -> bool:
    """Tell whether a name in `runs/` is one of ours."""
    return _RUN.fullmatch(name) is not None
