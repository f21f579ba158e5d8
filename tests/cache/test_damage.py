"""The promise, file by file: the same answer or an error, never another answer."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from cache.bindings import check_explained
from cache.store import Store
from tests.cache.damage import ACTIONS, Damage, broken_promises, damages, files_of, judge, sort_of, table
from tests.cache.synthetic import answer, fill, fill_other_model


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("others")
    fill(folder / "other-numbers", seed=1)
    fill_other_model(folder / "other-model")
    return [folder / "other-numbers", folder / "other-model"]


def _sample(found: list[Damage]) -> list[Damage]:
    """Keep what differs in kind: edits of one document of each sort, some swaps and flips, all of the rest."""
    first: dict[str, str] = {}
    kept, seen = [], Counter[str]()
    for damage in found:
        seen[damage.action] += 1
        if damage.action == "edit":
            # A record that holds a failure and statistics has every field; runs and old versions move no number.
            one = first.setdefault(sort_of(damage.file), damage.file)
            if one != damage.file or damage.file.startswith("runs/") or seen["edit"] % 3:
                continue
        elif damage.action in ("swap", "copy", "flip", "truncate", "extra") and seen[damage.action] % 6:
            continue
        kept.append(damage)
    return kept


def test_no_damage_gives_another_answer(path: Path, others: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    reference = answer(path)
    verdicts = [judge(path, damage, reference, answer) for damage in _sample(list(damages(path, others)))]
    with capsys.disabled():
        print("\n" + table(verdicts))  # noqa: T201
    assert broken_promises(verdicts) == []
    assert {verdict.damage.action for verdict in verdicts} == set(ACTIONS)
    assert answer(path) == reference, "the damages were not undone"


@pytest.mark.soak
def test_no_damage_gives_another_answer_in_full(
    path: Path, others: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    reference = answer(path)
    found = [damage for seed in range(2) for damage in damages(path, others, seed)]
    verdicts = [judge(path, damage, reference, answer) for damage in found]
    with capsys.disabled():
        print("\n" + table(verdicts))  # noqa: T201
    assert broken_promises(verdicts) == []


def test_a_reader_that_checks_nothing_is_caught(path: Path, others: list[Path]) -> None:
    def careless(store: Path) -> list[bytes]:
        return [(store / name).read_bytes() for name in files_of(store) if name.startswith("data/")]

    some = [damage for damage in damages(path, others) if _in_data(damage)][::5]
    reference = careless(path)
    assert len(broken_promises([judge(path, damage, reference, careless) for damage in some])) == len(some) > 30


def _in_data(damage: Damage) -> bool:
    return damage.action in ("flip", "delete", "swap") and damage.file.startswith("data/")


def test_every_delete_of_what_is_read_is_an_error(path: Path, others: list[Path]) -> None:
    reference = answer(path)
    deletes = [damage for damage in damages(path, others) if damage.action == "delete"]
    spared = [d.file for d in deletes if judge(path, d, reference, answer).said == "same"]
    current = Store(path).version("shapes").reference
    old_version = [name for name in spared if name.startswith("datasets/") and current not in name]
    ends = [name for name in spared if name.endswith(".end.json")]
    # An old version that was replaced, and the ends of three runs: nothing rests on them.
    assert sorted(old_version + ends) == spared
    assert (len(old_version), len(ends)) == (2, 3)


def test_edited_logit_scale_contradicts_the_array(path: Path, others: list[Path]) -> None:
    reference = answer(path)
    edits = [d for d in damages(path, others) if d.action == "edit" and "stats.logit_scale" in d.detail]
    assert [judge(path, damage, reference, answer).said for damage in edits] == ["exit 4"] * len(edits)
    assert len(edits) >= 3


def test_hidden_failure_contradicts_the_array(path: Path, others: list[Path]) -> None:
    reference = answer(path)
    edits = [
        d for d in damages(path, others) if d.action == "edit" and d.detail.startswith(("failures:", "failures.0:"))
    ]
    said = Counter(judge(path, damage, reference, answer).said for damage in edits)
    assert set(said) <= {"exit 4", "same"}
    assert said["exit 4"] >= 4


def test_removing_a_model_is_a_smaller_store(path: Path) -> None:
    store = Store(path)
    doomed = {request.digest for request in store.requests().live if request.model == "clip-b"}
    label = next(request.label for request in store.requests().live if request.model == "clip-b")
    for name in files_of(path):
        text = (path / name).read_bytes()
        if label in name or name.split("/")[-1].split(".")[0] in doomed or any(d.encode() in text for d in doomed):
            (path / name).unlink()
    for end in path.glob("runs/*.end.json"):
        if not end.with_name(end.name.replace(".end", "")).exists():
            end.unlink()
    check_explained(Store(path))
    assert {key.split(" ")[0] for key in answer(path)} == {"net-a"}
