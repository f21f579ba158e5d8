"""Requests, runs and bindings vouch for each other."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from cache import retire
from cache.bindings import asked_pairs, bind, bindings, check_explained, select_ids, unexplained_units
from cache.documents import seal
from cache.errors import IncompleteError, IntegrityError, UsageError
from cache.requests import Request, read_requests, retire_request, write_request
from cache.runs import check_runs, named_requests, new_run_id, read_runs, write_start
from cache.spaces import write_space
from cache.store import Store
from tests.cache.synthetic import CLASSIFIER, SMALL, ZERO_SHOT, Job, answer, fill_other_model, run, space_of


def _first(store: Store, model: str = "net-a") -> Request:
    return next(request for request in store.requests().live if request.model == model)


def _ask(store: Store, request: Request, begin: bool = True) -> str:
    with store.stage() as staged:
        write_request(staged, request)
        if begin:
            write_start(staged, new_run_id(store.disk), [request.digest], {})
    store.forget()
    return request.digest


# --- requests ----------------------------------------------------------------------------------------------------


def test_a_request_comes_back(store: Store) -> None:
    request = _first(store, "clip-b")
    assert Request.from_json(json.loads(json.dumps(request.to_json()))) == request
    assert request.group == "zero-shot-clip"
    assert request.packs_of("embeddings") == request.packs
    assert len(request.packs_of("heads")) == 1


def test_everything_in_a_request_counts(store: Store) -> None:
    request = _first(store)
    changed = [
        dataclasses.replace(request, **{name: value})  # type: ignore[arg-type]
        for name, value in {"verb": "ingest", "model": "m", "facts": {}, "dataset": "d", "version": "v", "kinds": (),
                            "space": "s", "label": "l", "packs": (), "classes": "c", "heads": (("p", "c"),),
                            "extra": {"text": ("p",)}}.items()
    ]  # fmt: skip
    assert len({request.digest, *(other.digest for other in changed)}) == 13


def test_a_run_that_begins_while_requests_are_listed_has_lost_nothing(store: Store) -> None:
    begun, listed = read_runs(store.disk, store.layout), store.requests()
    _ask(store, dataclasses.replace(_first(store), dataset="photographs-of-another-writer"))
    check_runs(begun, listed, store.disk, store.layout)
    with pytest.raises(IntegrityError, match="are gone from requests/"):
        check_runs(read_runs(store.disk, store.layout), listed, store.disk, store.layout)


def test_a_request_under_another_name_is_refused(store: Store) -> None:
    path = store.layout.request(_first(store).digest)
    path.rename(store.layout.request("0" * 64))
    store.forget()
    with pytest.raises(IntegrityError, match="is another request than its name says"):
        store.requests()


def test_retiring_and_asking_again(store: Store) -> None:
    before = answer(store.layout.root)
    gone = retire.by_name(store, ["net-a"], [])
    retire.retire(store, gone)
    assert {binding.model for binding in bindings(store)} == {"clip-b"}
    check_explained(store)
    assert len(store.requests().retired) == len(gone) == 2
    for request in gone:
        _ask(store, request, begin=False)
    assert not store.requests().retired
    assert answer(store.layout.root) == before


def test_live_and_retired_at_once_is_an_error_with_two_ways_out(store: Store) -> None:
    request = _first(store)
    live, retired = store.layout.request(request.digest), store.layout.retired(request.digest)
    retired.write_bytes(live.read_bytes())
    store.forget()
    for read in (bindings, check_explained):
        with pytest.raises(IntegrityError, match=f"live and retired at once.*\n.*\n.*retire {request.digest[:16]}"):
            read(store)
    _ask(store, request, begin=False)
    check_explained(store)
    assert not retired.exists()
    retired.write_bytes(live.read_bytes())
    store.forget()
    retire.retire(store, [retire.by_digest(store, request.digest[:12])])
    check_explained(store)
    assert not live.exists()


def test_a_damaged_retired_copy_does_not_cost_the_live_one(store: Store) -> None:
    request = _first(store)
    store.layout.retired(request.digest).write_bytes(b"torn")
    with store.stage() as staged, pytest.raises(IntegrityError):
        retire_request(staged, request)
    assert store.layout.request(request.digest).exists()


def test_choosing_what_to_retire(store: Store) -> None:
    assert {r.model for r in retire.by_name(store, ["*"], [])} == {"net-a", "clip-b"}
    with pytest.raises(UsageError, match="8 to 64 hex digits"):
        retire.by_digest(store, "abc")
    with pytest.raises(UsageError, match="0 live requests begin with 00000000"):
        retire.by_digest(store, "00000000")
    with pytest.raises(UsageError, match="net-z"):
        retire.by_name(store, ["net-z"], [])
    with pytest.raises(UsageError, match="other"):
        retire.by_name(store, ["net-a"], ["other"])


# --- runs --------------------------------------------------------------------------------------------------------


def test_runs_are_read_in_order(store: Store) -> None:
    runs = read_runs(store.disk, store.layout)
    assert [run.id for run in runs] == sorted(run.id for run in runs)
    assert all(run.ended for run in runs)
    assert named_requests(store.disk, store.layout) == store.requests().digests


def test_a_lost_request_is_missed_by_its_run(store: Store) -> None:
    request = _first(store)
    store.layout.request(request.digest).unlink()
    store.forget()
    with pytest.raises(IntegrityError, match=f"wrote are gone from requests/: {request.digest}"):
        check_explained(store)


def test_a_request_that_no_run_names_is_not_believed(path: Path, tmp_path: Path) -> None:
    other = fill_other_model(tmp_path / "other")
    request = _first(other, "net-c")
    stray = other.layout.request(request.digest)
    (path / "requests" / stray.name).write_bytes(stray.read_bytes())
    with pytest.raises(IncompleteError, match=r"no record in runs/ names them.*\n.*net-c on shapes.*\n.*copy runs/"):
        answer(path)


def test_an_interrupted_start_is_finished_by_running_again(store: Store) -> None:
    request = _first(store)
    for record in store.layout.runs.iterdir():
        record.unlink()
    with pytest.raises(IncompleteError, match="their run never began"):
        check_explained(store)
    assert run(store, SMALL, Job("net-a", CLASSIFIER, request.kinds, SMALL.first)) == {}
    assert len(read_runs(store.disk, store.layout)) == 1


@pytest.mark.parametrize("spoil", ["delete the start", "overwrite", "another name"])
def test_run_records_that_do_not_fit(store: Store, spoil: str) -> None:
    starts = sorted(path for path in store.layout.runs.iterdir() if not path.name.endswith(".end.json"))
    if spoil == "delete the start":
        starts[0].unlink()
    elif spoil == "overwrite":
        starts[0].replace(starts[1])
    else:
        starts[0].rename(starts[0].with_name(f"{starts[0].stem[:-1]}{'0' if starts[0].stem[-1] != '0' else '1'}.json"))
    with pytest.raises(IntegrityError, match="runs/"):
        check_explained(store)


# --- bindings ----------------------------------------------------------------------------------------------------


def test_bindings_of_a_store(store: Store) -> None:
    clip, net = bindings(store)
    assert (clip.model, net.model) == ("clip-b", "net-a")
    assert (clip.label, net.label) == (ZERO_SHOT.label, CLASSIFIER.label)
    assert net.kinds == ("logits", "embeddings", "patches")
    assert clip.kinds == ("embeddings", "text", "heads")
    assert len(clip.heads) == 1
    assert bindings(store, models=["net*"]) == (net,)
    with pytest.raises(UsageError, match="no models match 'resnet'"):
        bindings(store, models=["resnet"])
    with pytest.raises(UsageError, match="no datasets match"):
        bindings(store, datasets=["imagenet*"])


def test_two_bindings_are_an_error_that_names_both(store: Store) -> None:
    first = _first(store)
    other = space_of("classifier", seed=1)
    with store.stage() as staged:
        write_space(staged, other)
    second = dataclasses.replace(first, space=other.id, label=other.label)
    _ask(store, second)
    with pytest.raises(UsageError) as caught:
        bindings(store)
    message = str(caught.value)
    for part in ("net-a on shapes is bound 2 times", CLASSIFIER.label, other.label, "--space", "assay-cache retire"):
        assert part in message
    assert [binding.label for binding in bindings(store, models=["net-a"], spaces=[other.label])] == [other.label]
    assert [binding.label for binding in bindings(store, models=["net-a"], spaces=[CLASSIFIER.id])] == [
        CLASSIFIER.label
    ]
    retire.retire(store, [second])
    assert len(bindings(store)) == 2


def test_patches_in_a_space_of_their_own_do_not_clash(store: Store) -> None:
    """The same model has logits at its own size and patches of larger images: no kind is bound twice."""
    first = _first(store)
    larger = space_of("classifier-at-512", seed=0)
    with store.stage() as staged:
        write_space(staged, larger)
    patches = dataclasses.replace(first, space=larger.id, label=larger.label, kinds=("patches",))
    plain = dataclasses.replace(first, kinds=("logits", "embeddings"))
    for request in store.requests().live:
        if request.model == "net-a":
            retire.retire(store, [request])
    for request in (plain, patches):
        _ask(store, request)
    found = bindings(store, models=["net-a"])
    assert [(binding.label, binding.kinds) for binding in found] == [
        (CLASSIFIER.label, ("logits", "embeddings")),
        (larger.label, ("patches",)),
    ]
    asked = asked_pairs(store)["net-a", first.dataset]
    assert bind(store, asked, kinds={"logits"}).label == CLASSIFIER.label
    assert bind(store, asked, kinds={"patches"}).label == larger.label
    with pytest.raises(UsageError, match="bound 2 times"):
        bind(store, asked)


@pytest.mark.parametrize("change", [{"facts": {"group": "more-data"}}, {"classes": ""}])
def test_facts_and_classes_bind_too(store: Store, change: dict[str, object]) -> None:
    _ask(store, dataclasses.replace(_first(store), **change))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="bound 2 times"):
        bindings(store)


def test_data_that_nobody_asked_for_are_an_error(path: Path, tmp_path: Path) -> None:
    other = fill_other_model(tmp_path / "other")
    (record, *_) = other.layout.root.glob("commits/logits/*/*.json")
    stray = path / record.relative_to(other.layout.root)
    stray.parent.mkdir(parents=True)
    stray.write_bytes(record.read_bytes())
    with pytest.raises(IntegrityError, match="no request in requests/ asks for these data"):
        answer(path)


def test_data_of_a_writer_that_began_meanwhile_are_no_error(store: Store) -> None:
    """The reader listed requests before the writer's came, and data after."""
    before = store.requests()
    job = Job("net-c", space_of("other", seed=3), ("logits", "embeddings"), SMALL.second)
    run(Store(store.layout.root), SMALL, job)
    assert store.requests() is before
    assert list(unexplained_units(store)) == []
    check_explained(store)
    assert "net-c" in {binding.model for binding in bindings(store)}


def test_a_version_that_a_request_names_is_missed(store: Store) -> None:
    current = store.version("shapes").id
    old = next(r for r in store.requests().live if r.version != current)
    store.layout.version("shapes", old.version).unlink()
    check_explained(store)
    store.layout.version("shapes", current).unlink()
    with pytest.raises(IntegrityError, match=r"is missing, though .* was run on it"):
        check_explained(store)


def test_a_lost_request_can_be_given_up(store: Store) -> None:
    current = store.version("shapes").id
    request = next(r for r in store.requests().live if r.version != current)
    path = store.layout.request(request.digest)
    held = path.read_bytes()
    assert not retire.forget(store, request.digest), "it is not lost"
    path.unlink()
    store.forget()
    assert not retire.forget(store, "0" * 64), "nobody ever asked for it"
    assert retire.forget(store, request.digest)
    check_explained(store)
    path.write_bytes(held)
    store.forget()
    check_explained(store)
    assert request in store.requests().live, "a copy that turns up is believed again"


def test_a_sealed_document_that_is_no_request(store: Store) -> None:
    store.layout.request("0" * 64).write_bytes(seal("request", {"model": "x"}))
    store.forget()
    with pytest.raises(IntegrityError, match=r"requests/0+\.json: expected fields are missing"):
        read_requests(store.disk, store.layout)


def test_patterns() -> None:
    known = ["RN50", "a[b]", "imagenet-a", "imagenet-r"]
    assert select_ids(known, [], "models") == tuple(sorted(known))
    assert select_ids(known, ["imagenet-?", "RN50,a[b]"], "models") == ("RN50", "a[b]", "imagenet-a", "imagenet-r")
