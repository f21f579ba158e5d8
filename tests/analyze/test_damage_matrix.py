"""The promise at the level of `score`: the identical table, or exit 3, 4 or 6; never another number, never fewer rows
with exit 0."""

from __future__ import annotations

import itertools
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from analyze.cli import app
from cache.console import run_app
from cache.errors import FormatVersionError, IncompleteError, IntegrityError
from cache.layout import parse_version
from cache.store import Store
from manifests.catalogue import load
from manifests.errors import AssayError
from tests.cache.damage import ACTIONS, Damage, broken_promises, damages, files_of, judge, sort_of, table
from tests.cache.synthetic import DATASET, fill, fill_other_model

THINNED = ("swap", "copy", "flip", "truncate", "extra", "zero", "future")
"""What is done to every file in the same way: an eighth of it is tried."""

ERRORS = {3: IncompleteError, 4: IntegrityError, 6: FormatVersionError}


@dataclass(frozen=True, slots=True)
class Stores:
    """A store with two models, two versions of a dataset, a head, packs of 16 and scores; others; its table."""

    path: Path
    others: list[Path]
    table: str


def score(path: Path, out: Path, *words: str) -> tuple[int, str]:
    """Run `assay-analyze score` and return its exit code and what it wrote."""
    out.unlink(missing_ok=True)
    # The dataset is its own in-distribution set: what is fitted on one half and told of the other is under damage too.
    fitted = ("--id-dataset", DATASET, "--on-failure", "exclude")
    command = ["score", "--store", str(path), "-q", *fitted, "--out", str(out), *words]
    code = run_app(app, command)
    return code, out.read_text("utf-8") if out.exists() else ""


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Stores:
    folder = tmp_path_factory.mktemp("matrix")
    fill(folder / "store")
    fill(folder / "other-numbers", seed=1)
    fill_other_model(folder / "other-model")
    for name in ("store", "other-numbers", "other-model"):
        code, reference = score(folder / name, folder / "r.csv")
        assert code == 0
        assert list((folder / name / "commits" / "scores").rglob("*.json"))
    code, reference = score(folder / "store", folder / "r.csv", "--no-write-scores")
    assert (code, reference.count("\n")) == (0, 121)
    assert reference.count(",temperature,") == 2, "what is fitted is not under damage"
    return Stores(folder / "store", [folder / "other-numbers", folder / "other-model"], reference)


@pytest.fixture(scope="module", autouse=True)
def one_catalogue() -> Iterator[None]:
    """Read the manifests once: they are no part of a store."""
    catalogue = load()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("manifests.catalogue.load", lambda folders: catalogue)
        yield


@pytest.fixture
def ask(stores: Stores, tmp_path: Path) -> Callable[[Path], str]:
    """Return a reader of a store that answers with the table, and raises what the exit code means."""
    reference = stores.table.splitlines()

    def answer(path: Path) -> str:
        code, found = score(path, tmp_path / "r.csv", "--no-write-scores")
        strange = set(found.splitlines()) - set(reference)
        assert not strange, f"exit {code} with rows that the sound store does not give: {sorted(strange)[:2]}"
        if code == 0:
            return found
        if code not in ERRORS:
            raise AssayError(f"exit {code}")
        raise ERRORS[code]("")

    return answer


def _sample(found: list[Damage]) -> list[Damage]:
    """Keep every edit for one document of each sort, a part of what repeats itself, all the rest."""
    first: dict[str, str] = {}
    kept, seen = [], Counter[str]()
    for damage in found:
        sort = sort_of(damage.file)
        if "patches" in damage.file:
            continue
        seen[damage.action] += 1
        if damage.action == "edit":
            if first.setdefault(sort, damage.file) != damage.file or seen[damage.action] % 6:
                continue
        elif (
            damage.action in ("swap", "copy", "flip", "truncate", "extra", "zero", "future") and seen[damage.action] % 8
        ):
            continue
        kept.append(damage)
    return kept


def test_no_damage_gives_another_table(
    stores: Stores, ask: Callable[[Path], str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(stores.path) == stores.table
    chosen = _sample(list(damages(stores.path, stores.others)))
    verdicts = [judge(stores.path, damage, stores.table, ask) for damage in chosen]
    with capsys.disabled():
        print("\n" + table(verdicts))  # noqa: T201
    assert broken_promises(verdicts) == []
    assert {verdict.damage.action for verdict in verdicts} == set(ACTIONS)
    assert ask(stores.path) == stores.table, "the damages were not undone"


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_no_damage_gives_another_table_in_full(
    stores: Stores, ask: Callable[[Path], str], capsys: pytest.CaptureFixture[str]
) -> None:
    verdicts = [judge(stores.path, damage, stores.table, ask) for damage in damages(stores.path, stores.others)]
    with capsys.disabled():
        print("\n" + table(verdicts))  # noqa: T201
    assert broken_promises(verdicts) == []


def test_a_score_that_swallowed_what_is_missing_would_be_caught(stores: Stores, tmp_path: Path) -> None:
    # What the matrix looks for: rows that are gone and an exit code of 0.
    def careless(path: Path) -> str:
        code, found = score(path, tmp_path / "r.csv", "--no-write-scores", "--allow-missing")
        if code != 0:
            raise IntegrityError("")
        return found

    chosen = [
        damage
        for damage in damages(stores.path, stores.others)
        if damage.action == "delete" and damage.file.startswith(("data/logits", "commits/logits"))
    ]
    verdicts = [judge(stores.path, damage, stores.table, careless) for damage in chosen]
    assert len(broken_promises(verdicts)) == len(chosen) > 6


def test_damaged_scores_heal_or_are_told_of(stores: Stores, tmp_path: Path) -> None:
    # Now `score` may write: what it writes back must not move the table, nor make the store unsound.
    chosen = [
        damage
        for damage in damages(stores.path, stores.others)
        if damage.action in ("delete", "truncate", "flip", "stale", "zero")
        and damage.file.startswith(("commits/scores", "data/scores", "spaces/scores"))
    ]
    said = Counter[int]()
    for at, damage in enumerate(chosen[::7]):
        path = tmp_path / str(at)
        shutil.copytree(stores.path, path)
        with damage.done_to(path):
            for _ in range(2):
                code, found = score(path, tmp_path / "r.csv")
                said[code] += 1
                assert (code, found) == (0, stores.table) or code in ERRORS, damage
        shutil.rmtree(path)
    assert said[0] > 10


@pytest.fixture
def copy(stores: Stores, tmp_path: Path) -> Path:
    shutil.copytree(stores.path, tmp_path / "copy")
    return tmp_path / "copy"


def _label(path: Path, model: str) -> str:
    return next(request.label for request in Store(path).requests().live if request.model == model and request.binds)


def test_one_models_logits_record_deleted(copy: Path, stores: Stores, tmp_path: Path) -> None:
    record = sorted((copy / "commits" / "logits" / _label(copy, "net-a")).iterdir())[0]
    record.unlink()
    code, found = score(copy, tmp_path / "r.csv")
    assert code == 3
    assert {line.split(",")[0] for line in found.splitlines()} == {"model", "clip-b"}
    assert set(found.splitlines()) <= set(stores.table.splitlines())


def test_every_logits_record_of_a_model_deleted(copy: Path, tmp_path: Path) -> None:
    shutil.rmtree(copy / "commits" / "logits" / _label(copy, "net-a"))
    code, found = score(copy, tmp_path / "r.csv")
    assert code == 3
    assert "net-a" not in found


def test_newest_dataset_version_deleted(copy: Path, tmp_path: Path) -> None:
    new = next(p for p in (copy / "datasets").iterdir() if "replaced-by" in p.name).name.split("replaced-by-")[1]
    doomed = [path for path in (copy / "datasets").iterdir() if (v := parse_version(path.name)) and v[1] == new]
    assert len(doomed) == 1
    doomed[0].unlink()
    assert score(copy, tmp_path / "r.csv") == (4, "")


def test_two_chunk_files_of_equal_shape_swapped(copy: Path, tmp_path: Path) -> None:
    chunks = sorted((copy / "data" / "logits" / _label(copy, "net-a")).glob("*/c/0/0"), key=lambda p: p.stat().st_size)
    first, second = next((a, b) for a, b in itertools.pairwise(chunks) if a.stat().st_size == b.stat().st_size)
    one, two = first.read_bytes(), second.read_bytes()
    assert one != two
    first.write_bytes(two)
    second.write_bytes(one)
    assert score(copy, tmp_path / "r.csv") == (4, "")


def test_a_bit_inside_a_parquet_data_page(copy: Path, tmp_path: Path) -> None:
    new = next(p for p in (copy / "datasets").iterdir() if "replaced-by" in p.name).name.split("replaced-by-")[1]
    path = next((copy / "datasets").glob(f"*@{new}.parquet"))
    data = bytearray(path.read_bytes())
    # Right behind the magic word: the first data page, far from the footer.
    data[40] ^= 1
    path.write_bytes(bytes(data))
    assert score(copy, tmp_path / "r.csv") == (4, "")


def test_removing_every_trace_of_a_model_is_a_smaller_store(copy: Path, stores: Stores, tmp_path: Path) -> None:
    requests = Store(copy).requests().live
    doomed = {request.digest for request in requests if request.model == "clip-b"}
    labels = {request.label for request in requests if request.model == "clip-b"}
    for name in files_of(copy):
        text = (copy / name).read_bytes()
        if any(label in name for label in labels) or any(d in name or d.encode() in text for d in doomed):
            (copy / name).unlink()
    for end in (copy / "runs").glob("*.end.json"):
        if not end.with_name(end.name.replace(".end", "")).exists():
            end.unlink()
    code, found = score(copy, tmp_path / "r.csv")
    assert (code, found) == (
        0,
        "".join(f"{line}\n" for line in stores.table.splitlines() if not line.startswith("clip-b")),
    )
