from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from analyze.asked import Ask
from analyze.score import Scored, score
from analyze.table import SCHEMA
from cache.check import check
from cache.commits import Unit, read_commit
from cache.errors import IntegrityError
from cache.files import Disk
from cache.reader import Reader
from cache.store import Store
from tests.analyze.made import CATALOGUE, Made, ZeroShot, log_probabilities, tiny

ROWS = log_probabilities([0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.1, 0.3, 0.6], [0.2, 0.2, 0.6])


def ask(made: Made, keep: bool = False, what: Ask | None = None) -> Scored:
    return score(made.store, CATALOGUE, what or Ask(), on_failure="exclude", keep_scores=keep)


def files(path: Path) -> dict[str, bytes]:
    return {str(one.relative_to(path)): one.read_bytes() for one in path.rglob("*") if one.is_file()}


def records(made: Made) -> list[Path]:
    return sorted((made.path / "commits" / "scores").rglob("*.json"))


@pytest.fixture
def made(tmp_path: Path) -> Made:
    made = tiny(tmp_path / "s").dataset("odd", [None] * 4)
    made.model("net-a", "odd", np.eye(4, 3), failed={1: "decode_error"})
    heads = [ZeroShot("one", np.eye(3)), ZeroShot("two", np.eye(3)[::-1])]
    for name in ("toys", "odd"):
        made.model("clip", name, np.eye(4, 3) + 0.2, kind="embeddings", classes=None, heads=heads)
    return made


WHAT = Ask(id_dataset="toys", ood_datasets=("odd",))
NEED_LOGITS = ("nll", "brier", "ece_classwise")


def answers(table: pl.DataFrame, model: str, dataset: str = "toys") -> pl.DataFrame:
    """Return the rows that stored scores of a model's in-distribution set leave."""
    of_model = pl.col("model") == model
    losses = of_model & (pl.col("dataset") == dataset) & pl.col("metric").is_in(NEED_LOGITS)
    learned = (
        (pl.col("calibration") != "raw") | (pl.col("slice") == "test-half") | (pl.col("variant") == "held-out-half")
    )
    return table.filter(~losses & ~(of_model & learned))


def test_scores_are_written_once_and_the_store_stays_sound(made: Made) -> None:
    plain = ask(made, what=WHAT)
    assert records(made) == []
    first = ask(made, keep=True, what=WHAT)
    # Two datasets of two packs, under one classifier and two heads.
    assert len(records(made)) == 12
    assert check(made.store, read_data=True) == []
    before = files(made.path)
    second = ask(made, keep=True, what=WHAT)
    assert files(made.path) == before
    assert plain.table.equals(first.table)
    assert plain.table.equals(second.table)


def test_the_request_stands_there_and_binds_nothing(made: Made) -> None:
    ask(made, keep=True)
    requests = [request for request in made.store.requests().live if request.verb == "score"]
    assert {(r.model, r.dataset, r.kinds) for r in requests} == {
        (model, dataset, ("scores",)) for model in ("net-a", "clip") for dataset in ("toys", "odd")
    }
    assert made.store.resolve_space("net-a").identity["library"] == "made"
    assert len(made.store.rows("logits", "net-a", made.packs["toys"][0])) == 2


@pytest.mark.parametrize("packs", [(0,), (0, 1)])
@pytest.mark.parametrize(("kind", "model"), [("logits", "net-a"), ("embeddings", "clip")])
def test_without_the_data_scores_answer_with_the_same_bits(
    made: Made, packs: tuple[int, ...], kind: str, model: str
) -> None:
    whole = ask(made, keep=True, what=WHAT)
    for pack in packs:
        made.remove_data(kind, "toys", model, pack)
    part = ask(made, what=WHAT)
    assert part.table.equals(answers(whole.table, model))
    assert {"entropy", "gen"} <= set(part.table.filter(pl.col("model") == model)["detector"])
    assert part.table.height < whole.table.height
    assert {cell.model for cell in part.missing} == {model}
    assert f"{kind}" in str(part.missing[0])
    assert f"lost for {len(packs)} of 2 packs, so nll, brier, ece_classwise and" in str(part.missing[0])


def test_without_a_head_too(made: Made) -> None:
    whole = ask(made, keep=True, what=WHAT)
    shutil.rmtree(made.path / "data" / "heads")
    part = ask(made, what=WHAT)
    assert part.table.equals(answers(whole.table, "clip"))
    assert {cell.kind for cell in part.missing} == {"heads"}


def test_exit_code_and_figures_from_scores(made: Made, tmp_path: Path) -> None:
    assert made.cli("score", "--on-failure", "exclude", "--out", str(tmp_path / "a.csv")) == 0
    made.remove_data("logits", "toys", "net-a")
    assert made.cli("score", "--on-failure", "exclude", "--out", str(tmp_path / "b.csv")) == 3
    whole, part = (pl.read_csv(tmp_path / name, schema_overrides=SCHEMA) for name in ("a.csv", "b.csv"))
    assert part.equals(whole.filter(~_losses_of("net-a", "toys")))
    assert made.cli("report", "--out", str(tmp_path / "report")) == 0
    assert "come from stored scores" in (tmp_path / "report" / "report.html").read_text("utf-8")


def test_without_the_record_of_the_data_scores_are_not_believed(made: Made) -> None:
    ask(made, keep=True)
    made.remove_data("logits", "toys", "net-a")
    made.record("logits", "toys", "net-a").unlink()
    found = ask(made)
    assert ("net-a", "toys") not in set(found.table.select("model", "dataset").rows())
    assert "absent for 1 of 2 packs." in str(found.missing[0])


def test_scores_of_other_data_are_never_used_and_give_way(made: Made) -> None:
    ask(made, keep=True)
    record = made.record("logits", "toys", "net-a")
    request = next(r for r in made.store.requests().live if (r.model, r.dataset, r.verb) == ("net-a", "toys", "run"))
    unit = Unit("logits", request.space, request.label, record.stem)
    # The pack was repaired and extracted again, with other numbers.
    record.unlink()
    made.model("net-a", "toys", ROWS[::-1])
    made.remove_data("logits", "toys", "net-a")
    stale = ask(made)
    assert ("net-a", "toys") not in set(stale.table.select("model", "dataset").rows())
    assert read_commit(made.store.disk, made.store.layout, unit) is not None
    record.unlink()
    made.model("net-a", "toys", ROWS[::-1])
    fresh = ask(made, keep=True)
    made.remove_data("logits", "toys", "net-a")
    again = ask(made)
    assert again.table.equals(fresh.table.filter(~_losses_of("net-a", "toys")))


def _losses_of(model: str, dataset: str) -> pl.Expr:
    return (pl.col("model") == model) & (pl.col("dataset") == dataset) & pl.col("metric").is_in(NEED_LOGITS)


def test_an_edited_record_cannot_make_stale_scores_pass(made: Made) -> None:
    from cache.documents import seal

    ask(made, keep=True)
    scores = next(path for path in records(made) if "net-a" in path.parent.name and path.stem == _pack(made))
    made.record("logits", "toys", "net-a").unlink()
    made.model("net-a", "toys", ROWS[::-1])
    unit = Reader(made.store)
    request = next(r for r in made.store.requests().live if (r.model, r.dataset, r.verb) == ("net-a", "toys", "run"))
    commit = unit.commit(Unit("logits", request.space, request.label, _pack(made)))
    assert commit is not None
    made.remove_data("logits", "toys", "net-a")
    body = json.loads(scores.read_text())
    rest = {key: value for key, value in body.items() if key not in ("format", "sort", "digest")}
    scores.write_bytes(seal("commit", {**rest, "parents": [segment.id for segment in commit.segments]}))
    with pytest.raises(IntegrityError, match="computed from other data than its record says"):
        ask(made)


def _pack(made: Made) -> str:
    return made.record("logits", "toys", "net-a").stem


@pytest.mark.parametrize("spoil", ["delete", "truncate", "garbage", "no-data"])
def test_damaged_scores_change_nothing_while_the_data_are_here(
    made: Made, spoil: str, caplog: pytest.LogCaptureFixture
) -> None:
    whole = ask(made, keep=True, what=WHAT)
    victim = records(made)[0]
    if spoil == "delete":
        victim.unlink()
    elif spoil == "no-data":
        shutil.rmtree(made.path / "data" / "scores")
    else:
        victim.write_bytes(victim.read_bytes()[:40] if spoil == "truncate" else b'{"format": 2}')
    with caplog.at_level(logging.WARNING):
        for keep in (True, False):
            assert ask(made, keep=keep, what=WHAT).table.equals(whole.table)
    assert ("stored scores are not used" in caplog.text) == (spoil in ("truncate", "garbage"))


def test_a_damaged_score_table_is_an_integrity_error_where_it_is_needed(made: Made) -> None:
    ask(made, keep=True)
    made.remove_data("logits", "toys", "net-a")
    for path in (made.path / "data" / "scores").rglob("rows.parquet"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data))
    with pytest.raises(IntegrityError, match="sha256"):
        ask(made)


class Sealed(Disk):
    """A file system that cannot be written to."""

    def make_folder(self, path: Path) -> None:
        raise PermissionError(13, "Permission denied")


def test_a_store_that_cannot_be_written_to_gives_the_same_answer(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    plain = ask(made)
    with caplog.at_level(logging.INFO):
        scored = score(Store(made.path, Sealed()), CATALOGUE, Ask(), on_failure="exclude", keep_scores=True)
    assert scored.table.equals(plain.table)
    assert "cannot be written to" in caplog.text
    assert records(made) == []


def test_the_option_leaves_the_store_alone(made: Made) -> None:
    before = files(made.path)
    assert made.cli("score", "--on-failure", "exclude", "--no-write-scores") == 0
    assert files(made.path) == before
    assert made.cli("score", "--on-failure", "exclude") == 0
    assert records(made)


def test_a_crash_after_the_request_leaves_no_open_question(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("analyze.scores.write_start", crash)
        with pytest.raises(KeyboardInterrupt):
            ask(made, keep=True)
    assert any(request.verb == "score" for request in made.store.requests().live)
    assert ask(made).missing == ()
    ask(made, keep=True)
    assert len(records(made)) == 12


def test_failed_images_keep_their_row_in_scores(made: Made) -> None:
    ask(made, keep=True)
    tables = [pl.read_parquet(path) for path in (made.path / "data" / "scores").rglob("rows.parquet")]
    failed = [table.filter(pl.col("status") != "ok") for table in tables]
    rows = pl.concat(failed)
    assert rows["status"].to_list() == ["decode_error"]
    assert set(rows.drop("item_id", "parents", "status").row(0)) == {None}


def test_two_that_score_at_once_leave_one_record_each(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    from analyze.scores import Keeper, Source

    real, inner = Keeper.keep, []

    def keep(self: Keeper, source: Source, pack: str, *rest: object) -> None:
        # Between the look and the write, another process scores the same store.
        if not inner:
            inner.append(True)
            ask(made, keep=True)
        real(self, source, pack, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Keeper, "keep", keep)
    first = ask(made, keep=True)
    assert len(records(made)) == 12
    assert not (made.path / "local" / "quarantine").exists()
    assert check(made.store, read_data=True) == []
    assert first.table.equals(ask(made).table)


def test_a_disk_that_fills_up_half_way_gives_the_same_answer(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    class Filling(Disk):
        written = 0

        def write_new(self, path: Path, data: bytes) -> None:
            self.written += 1
            if self.written > 20:
                raise OSError(28, "No space left on device")
            super().write_new(path, data)

    plain = ask(made)
    with caplog.at_level(logging.INFO):
        scored = score(Store(made.path, Filling()), CATALOGUE, Ask(), on_failure="exclude", keep_scores=True)
    assert scored.table.equals(plain.table)
    assert "No space left" in caplog.text
    assert 0 < len(records(made)) < 12
    ask(made, keep=True)
    assert len(records(made)) == 12
    assert check(made.store, read_data=True) == []
