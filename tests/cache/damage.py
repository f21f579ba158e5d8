"""Every way in which one file of a store can be wrong, and what a reader may say then.

The promise: the same answer or an error, never another answer. Damage is done in place and undone, so that thousands
of cases need one store.

What no cross-reference can catch is an edited and re-sealed field that no number rests on: the wording of a failure,
the run a record says it came from, the provenance of a space, the versions in a run record. `answer` holds none of
them.
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from cache.documents import seal
from manifests.errors import AssayError

ACTIONS = (
    "delete", "truncate", "flip", "zero", "swap", "stale", "foreign", "extra", "copy", "edit", "future",
)  # fmt: skip
ALLOWED_EXIT_CODES = (3, 4, 6)
_PAGE = 64

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing done to one file.

    contents
        Relative path -> what stands there afterwards; None: nothing.
    """

    action: str
    file: str
    detail: str
    contents: Mapping[str, bytes | None]

    def __str__(self) -> str:
        return f"{self.action} {self.file} ({self.detail})"

    @contextlib.contextmanager
    def done_to(self, store: Path) -> Iterator[None]:
        """Do it, and undo it at the end."""
        before = {name: _read(store / name) for name in self.contents}
        folders = {parent for name in self.contents for parent in (store / name).parents if not parent.exists()}
        try:
            for name, data in self.contents.items():
                _put(store / name, data)
            yield
        finally:
            for name, data in before.items():
                _put(store / name, data)
            for folder in sorted(folders, reverse=True):
                shutil.rmtree(folder, ignore_errors=True)


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _put(path: Path, data: bytes | None) -> None:
    if data is None:
        path.unlink(missing_ok=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def files_of(store: Path) -> list[str]:
    """Return every file that a reader may look at."""
    found = (path.relative_to(store).as_posix() for path in store.rglob("*") if path.is_file())
    return sorted(name for name in found if not name.startswith("local/"))


def sort_of(name: str) -> str:
    """Return which files a file can be mistaken for: its folder and ending, for data its kind and name."""
    parts = name.split("/")
    if parts[0] == "data":
        return f"data/{parts[1]}/{parts[-1]}"
    ending = ".end.json" if name.endswith(".end.json") else Path(name).suffix[:9]
    return f"{parts[0]}/{ending}"


def damages(store: Path, others: Sequence[Path], seed: int = 0) -> Iterator[Damage]:
    """Yield every (file x action).

    Parameters
    ----------
    others
        Stores of other runs, of which single files stray in: other numbers under the same names, other models.
    """
    names = files_of(store)
    held = {name: (store / name).read_bytes() for name in names}
    for name in names:
        rng = random.Random(f"{seed}/{name}")
        yield Damage("delete", name, "", {name: None})
        yield from _spoiled(name, held[name], rng)
        yield from _added(name, held[name])
        if name.endswith(".json"):
            yield from _edited(name, held[name])
    for at, first in enumerate(names):
        for second in names[at + 1 :]:
            if sort_of(first) == sort_of(second) and held[first] != held[second]:
                contents = {first: held[second], second: held[first]}
                yield Damage("swap", first, f"with {second}", contents)
                yield Damage("copy", first, f"over {second}", {second: held[first]})
    for other in others:
        for name in files_of(other):
            theirs = (other / name).read_bytes()
            if name not in held:
                yield Damage("foreign", name, f"from {other.name}", {name: theirs})
            elif theirs != held[name]:
                yield Damage("stale", name, f"from {other.name}", {name: theirs})


def _spoiled(name: str, data: bytes, rng: random.Random) -> Iterator[Damage]:
    for size in sorted({0, len(data) // 2, len(data) - 1} - {len(data)}):
        yield Damage("truncate", name, f"to {size} bytes", {name: data[:size]})
    for at in sorted({0, len(data) - 1, *(rng.randrange(len(data)) for _ in range(3))} if data else ()):
        bit = 1 << rng.randrange(8)
        yield Damage("flip", name, f"byte {at}, bit {bit}", {name: _changed(data, at, bytes([data[at] ^ bit]))})
    start = rng.randrange(max(1, len(data) - _PAGE))
    zeroed = _changed(data, start, bytes(min(_PAGE, len(data) - start)))
    if zeroed != data:
        yield Damage("zero", name, f"{_PAGE} bytes from {start}", {name: zeroed})


def _changed(data: bytes, at: int, part: bytes) -> bytes:
    return data[:at] + part + data[at + len(part) :]


def _added(name: str, data: bytes) -> Iterator[Damage]:
    path = Path(name)
    for beside in (f"{name}.tmp", f"{path.parent.as_posix()}/.{path.name}.x7Qa"):
        yield Damage("extra", name, f"as {beside}", {beside.removeprefix("./"): data})
    stem, dot, ending = path.name.partition(".")
    # The same bytes under another legal name: of a record, request, pack or text of the same sort, or retired.
    if len(stem) == 64:
        other = stem[1:] + stem[0]
        yield Damage("copy", name, "under another name", {(path.parent / f"{other}{dot}{ending}").as_posix(): data})
    if name.startswith("requests/"):
        yield Damage("copy", name, "as retired", {f"requests/{stem}.retired.json": data})
    if name.startswith("datasets/") and "@" in name:
        dataset, at, rest = path.name.partition("@")
        yield Damage("copy", name, "of another dataset", {f"datasets/other-{dataset}{at}{rest}": data})
        yield Damage("copy", name, "of another version", {f"datasets/{dataset}@{rest[1:16]}{rest[0]}{rest[16:]}": data})
    if name.startswith("commits/"):
        _, kind, label, last = name.split("/")
        other = "embeddings" if kind == "logits" else "logits"
        yield Damage("copy", name, f"as {other}", {f"commits/{other}/{label}/{last}": data})


def _edited(name: str, data: bytes) -> Iterator[Damage]:
    body = json.loads(data)
    sealed = body.pop("digest", None) is not None
    for where, value in leaves(body):
        for changed in _other_values(value):
            if changed == value and type(changed) is type(value):
                continue
            edited = replaced(body, where, changed)
            detail = f"{'.'.join(map(str, where))}: {str(value)[:20]!r} -> {str(changed)[:20]!r}"
            yield Damage("edit", name, detail, {name: _resealed(edited) if sealed else _plain(edited)})
    for version in (0, 2, 99) if sealed else ():
        yield Damage("future", name, f"format {version}", {name: _resealed({**body, "format": version})})


def _plain(body: Any) -> bytes:
    return json.dumps(body, indent=2).encode()


def _resealed(body: dict[str, Any]) -> bytes:
    # `seal` itself, but for the version, which it would set.
    rest = {key: value for key, value in body.items() if key not in ("format", "sort")}
    sealed = json.loads(seal(str(body.get("sort")), rest))
    if body.get("format") != sealed["format"]:
        sealed["format"] = body.get("format")
    return _plain(sealed)


Key = tuple[str | int, ...]


def leaves(value: Any, where: Key = ()) -> Iterator[tuple[Key, Any]]:
    """Yield every place of a JSON value, lists and objects too, and what stands there."""
    if where:
        yield where, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*where, key))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from leaves(item, (*where, at))


def replaced(value: Any, where: Key, new: Any) -> Any:
    """Return a copy with one place changed; `...` removes it."""
    copy: Any = json.loads(json.dumps(value))
    inner = copy
    for key in where[:-1]:
        inner = inner[key]
    if new is ...:
        del inner[where[-1]]
    else:
        inner[where[-1]] = new
    return copy


def _other_values(value: Any) -> list[Any]:
    if isinstance(value, bool):
        return [not value, ...]
    if isinstance(value, (int, float)):
        return [value + 1, -value, "x"] if value else [value + 1, "x"]
    if isinstance(value, str):
        flipped = value[:-1] + ("1" if value.endswith("0") else "0")
        return [flipped, {"float32": "int32", "float16": "int16"}.get(value, "")]
    if isinstance(value, list):
        return [value[:-1], value[::-1], None] if len(value) > 1 else [[], [0], None]
    return [..., None] if isinstance(value, dict) else [..., 1]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reader said of one damage: `same`, `other`, or the exit code of its error."""

    damage: Damage
    said: str


def judge(store: Path, damage: Damage, reference: T, answer: Callable[[Path], T]) -> Verdict:
    """Do one damage and ask.

    An exception that is no AssayError passes through: a reader that breaks has not answered.
    """
    with damage.done_to(store):
        try:
            got = answer(store)
        except AssayError as error:
            return Verdict(damage, f"exit {error.exit_code}")
    return Verdict(damage, "same" if got == reference else "other")


def broken_promises(verdicts: list[Verdict]) -> list[str]:
    """Return what must not be."""
    allowed = {"same", *(f"exit {code}" for code in ALLOWED_EXIT_CODES)}
    return [f"{verdict.said}: {verdict.damage}" for verdict in verdicts if verdict.said not in allowed]


def table(verdicts: list[Verdict]) -> str:
    """Return the counts, one line an action."""
    counts = Counter((verdict.damage.action, verdict.said) for verdict in verdicts)
    columns = sorted({said for _, said in counts})
    lines = [f"{'damage':<10}" + "".join(f"{said:>9}" for said in columns)]
    for action in ACTIONS:
        numbers = [counts[action, said] for said in columns]
        lines.append(f"{action:<10}" + "".join(f"{number:>9}" for number in numbers))
    return "\n".join([*lines, f"{len(verdicts)} damages"])
