from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from analyze.asked import Ask
from analyze.cell import Found
from analyze.cells import find_cells
from cache.errors import IntegrityError, UsageError
from cache.reader import Reader
from cache.spaces import Space
from cache.texts import ClassList
from tests.analyze.made import CATALOGUE, SHAPES, Made, ZeroShot, log_probabilities, space_of, tiny

THIRDS = log_probabilities(*[[0.5, 0.3, 0.2]] * 4)


def find(made: Made, ask: Ask | None = None) -> Found:
    store = made.store
    return find_cells(store, Reader(store), CATALOGUE, ask or Ask())


def zero_shot(made: Made, heads: Sequence[ZeroShot] = ()) -> Made:
    some = heads or [ZeroShot("one", np.eye(3)), ZeroShot("two", np.eye(3)[::-1])]
    features, group = np.eye(4, 3) + 0.1, "zero-shot-clip"
    return made.model("clip", "toys", features, kind="embeddings", classes=None, heads=some, group=group)


def test_one_cell_for_each_way_to_get_logits(tmp_path: Path) -> None:
    found = find(zero_shot(tiny(tmp_path / "s")))
    assert [(cell.binding.model, cell.kind, cell.prompt_set) for cell in found.cells] == [
        ("clip", "embeddings", "one"),
        ("clip", "embeddings", "two"),
        ("net-a", "logits", ""),
    ]
    assert found.missing == ()
    assert len({cell.inputs for cell in found.cells}) == 3


def test_inputs_are_those_that_were_read(tmp_path: Path) -> None:
    made = tiny(tmp_path / "s")
    before = find(made).cells[0].inputs
    other = Made(tmp_path / "o").dataset("toys", [0, 1, 2, None]).model("net-a", "toys", THIRDS)
    assert find(made).cells[0].inputs == before != find(other).cells[0].inputs


def test_a_lost_pack_names_repair_and_run(tmp_path: Path) -> None:
    made = tiny(tmp_path / "s")
    made.remove_data("logits", "toys", "net-a", pack=1)
    found = find(made)
    assert found.cells == ()
    assert [str(cell) for cell in found.missing] == [
        "net-a on toys: logits lost for 1 of 2 packs. `assay-cache repair`, then "
        "`assay-extract run --model net-a --dataset toys --kinds logits`"
    ]


def test_an_absent_pack_names_run(tmp_path: Path) -> None:
    made = tiny(tmp_path / "s")
    made.record("logits", "toys", "net-a").unlink()
    (missing,) = find(made).missing
    assert missing.state == "absent for 1 of 2 packs"
    assert missing.remedy == "`assay-extract run --model net-a --dataset toys --kinds logits`"


def test_a_partial_answer_keeps_the_whole_number(tmp_path: Path) -> None:
    made = tiny(tmp_path / "s")
    made.remove_data("logits", "toys", "net-a", pack=0)
    found = find(made, Ask(allow_partial=True))
    (cell,) = found.cells
    assert cell.view.table["sample"].to_list() == ["00002.jpg", "00003.jpg"]
    assert cell.n_total == 4
    assert len(found.missing) == 1


def test_a_lost_head_leaves_nothing_to_compute(tmp_path: Path) -> None:
    made = zero_shot(tiny(tmp_path / "s"), heads=[ZeroShot("one", np.eye(3))])
    for path in (made.path / "data" / "heads").rglob("0"):
        if path.is_file():
            path.unlink()
    found = find(made, Ask(models=("clip",), allow_partial=True))
    assert found.cells == ()
    (missing,) = found.missing
    assert (missing.kind, missing.prompt_set, missing.state) == ("heads", "one", "lost")
    assert missing.remedy.endswith("`assay-extract run --model clip --dataset toys --prompts one`")


def test_known_to_the_manifests_and_not_here(tmp_path: Path) -> None:
    found = find(tiny(tmp_path / "s"), Ask(models=("resnet50.tv_in1k",), datasets=("toys", "imagenet-val")))
    assert [cell.remedy for cell in found.missing] == [
        "`assay-extract index imagenet-val --root DIR`, then "
        "`assay-extract run --model resnet50.tv_in1k --dataset imagenet-val`",
        "`assay-extract run --model resnet50.tv_in1k --dataset toys`",
    ]


def test_a_checkpoint_of_ones_own_is_asked_for_as_it_was_brought(tmp_path: Path) -> None:
    """Its name in tables is no argument of --model: the whole of what names it is repeated."""
    brought = Space(space_of("mine").identity, {"model": "timm:resnet18", "weights": "file mine.pt"})
    made = tiny(tmp_path / "s").dataset("more", [0, 1]).model("mine", "toys", THIRDS, space=brought)
    (missing,) = find(made, Ask(models=("mine",), datasets=("more",))).missing
    words = "assay-extract run --model timm:resnet18 --weights mine.pt --as mine"
    assert missing.remedy == f"`{words} --dataset more --classes FILE`"
    made.remove_data("logits", "toys", "mine", pack=1)
    (missing,) = find(made, Ask(models=("mine",), datasets=("toys",))).missing
    assert missing.remedy == f"`assay-cache repair`, then `{words} --dataset toys --kinds logits --classes FILE`"


def test_patches_of_another_geometry_say_nothing_of_how_logits_come(tmp_path: Path) -> None:
    larger = Space(space_of("large").identity, {"weights": "hub:", "options": ["--geometry", "480x640"]})
    made = tiny(tmp_path / "s").dataset("more", [0, 1])
    made.model("net-a", "toys", np.ones((4, 2, 2, 3)), kind="patches", classes=None, space=larger)
    (missing,) = find(made, Ask(models=("net-a",), datasets=("more",))).missing
    assert missing.remedy == "`assay-extract run --model net-a --dataset more`"


def test_a_derived_model_is_asked_for_by_what_made_it(tmp_path: Path) -> None:
    adapter = Space({"library": "derived", "adapter": "coop"}, {})
    made = tiny(tmp_path / "s").dataset("more", [0, 1]).model("context", "toys", THIRDS, space=adapter)
    (missing,) = find(made, Ask(models=("context",), datasets=("more",))).missing
    assert missing.remedy == "`assay-extract convert coop ... --base B --model context --dataset more`"


def test_prompts_limit_and_are_demanded(tmp_path: Path) -> None:
    made = zero_shot(tiny(tmp_path / "s"))
    assert [cell.prompt_set for cell in find(made, Ask(prompts=("two",), models=("clip",))).cells] == ["two"]
    found = find(made, Ask(prompts=("openai-80",)))
    assert [cell.binding.model for cell in found.cells] == ["net-a"]
    (missing,) = found.missing
    assert missing.remedy == "`assay-extract run --model clip --dataset toys --kinds text --prompts openai-80`"


def test_without_logits_there_is_a_note_or_when_named_a_demand(tmp_path: Path) -> None:
    made = tiny(tmp_path / "s").model("feat", "toys", np.eye(4, 3), kind="embeddings")
    found = find(made)
    assert [cell.binding.model for cell in found.cells] == ["net-a"]
    assert found.missing == ()
    assert "feat on toys was extracted without logits" in found.notes[0]
    (missing,) = find(made, Ask(models=("feat",), datasets=("toys",))).missing
    assert missing.remedy == "`assay-extract run --model feat --dataset toys --kinds logits`"


def test_a_pair_bound_twice_matters_only_where_it_is_asked_for(tmp_path: Path) -> None:
    made = tiny(tmp_path / "s").dataset("more", [0, 1, 2, 0]).model("net-a", "more", THIRDS)
    made.model("net-a", "toys", THIRDS, space=space_of("another"))
    with pytest.raises(UsageError, match="is bound 2 times"):
        find(made)
    assert len(find(made, Ask(datasets=("more",))).cells) == 1
    chosen = find(made, Ask(datasets=("toys",), spaces=(space_of("another").id,))).cells
    assert [cell.binding.space for cell in chosen] == [space_of("another").id]


def test_the_head_of_the_datasets_own_classes_is_taken(tmp_path: Path) -> None:
    made = tiny(tmp_path / "s")
    old = ClassList(("n01", "n02", "n09"), ("circle", "square", "moon"))
    zero_shot(made, heads=[ZeroShot("one", np.eye(3), old), ZeroShot("one", np.eye(3), SHAPES)])
    assert [cell.classes for cell in find(made, Ask(models=("clip",))).cells] == [SHAPES.id]


def test_two_heads_of_one_name_are_never_chosen_between(tmp_path: Path) -> None:
    made = tiny(tmp_path / "s")
    names = [ClassList((f"k{n}", "b", "c"), ("x", "y", "z")) for n in range(2)]
    zero_shot(made, heads=[ZeroShot("one", np.eye(3), classes) for classes in names])
    with pytest.raises(UsageError, match="has 2 heads for prompts 'one', expected one"):
        find(made)


def test_out_of_distribution_images_meet_the_head_of_the_set_inside(tmp_path: Path) -> None:
    made = tiny(tmp_path / "s").dataset("odd", [0, 0, 1, 1], classes=ClassList(("p", "q"), ("p", "q")))
    space = space_of("clip")
    zero_shot(made, heads=[ZeroShot("one", np.eye(3))])
    own = ZeroShot("one", np.eye(3)[:, :2], ClassList(("p", "q"), ("p", "q")))
    made.model("clip", "odd", np.eye(4, 3) + 0.1, kind="embeddings", classes=None, heads=[own], space=space)
    ask = Ask(models=("clip",), id_dataset="toys", ood_datasets=("odd",))
    assert {cell.binding.dataset: cell.classes for cell in find(made, ask).cells} == {
        "toys": SHAPES.id,
        "odd": SHAPES.id,
    }
    alone = find(made, Ask(models=("clip",))).cells
    assert {cell.binding.dataset: cell.classes for cell in alone}["odd"] == own.classes.id


def test_a_request_without_its_version_is_an_integrity_error(tmp_path: Path) -> None:
    made = tiny(tmp_path / "s")
    for path in (made.path / "datasets").iterdir():
        path.unlink()
    with pytest.raises(IntegrityError):
        find(made)


def test_an_empty_store_has_no_cells(tmp_path: Path) -> None:
    made = Made(tmp_path / "s")
    assert made.store
    assert find(made).cells == find(made).missing == ()
    (missing,) = find(made, Ask(models=("resnet50.tv_in1k",))).missing
    assert str(missing) == (
        "resnet50.tv_in1k on any dataset: logits were never asked for. `assay-extract index DATASET --root DIR`, then "
        "`assay-extract run --model resnet50.tv_in1k --dataset DATASET`"
    )
