"""A study whose sets stand in for those of the papers: its figures and answers are those of the sets themselves."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analyze.claims.answers_table import claim_rows
from analyze.named import BY_NAME, showing
from analyze.named.material import Material, material_of
from analyze.named.recipes.readings import tuned
from analyze.stand_ins import NOBODY, Cast, cast_of
from manifests.schema import StandIns
from tests.analyze import named_world, toy_study

SENTENCE = (
    "Stand-ins: the test sets, prompt sets, training sources and fine-tunings named here are played by those of study "
    "toys. Drawn shapes."
)
FIGURES = (
    *("closer-look/fig-2", "closer-look/fig-5", "closer-look/fig-a3", "closer-look/fig-a6", "closer-look/table-a1"),
    *("holistic/fig-7", "holistic/table-1", "holistic/table-2", "holistic/table-3", "holistic/table-4"),
    *("deviations", "before-after", "reliability", "coverage", "leakage", "published"),
)


@pytest.fixture(scope="module")
def toys() -> Material:
    return toy_study.toys()


@pytest.fixture(scope="module")
def twin() -> Material:
    return toy_study.twin()


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_of_stand_ins_is_that_of_their_parts(name: str, toys: Material, twin: Material) -> None:
    played, own = showing.draw(BY_NAME[name], toys), showing.draw(BY_NAME[name], twin)
    assert_frame_equal(played.table, own.table)
    assert played.html == own.html
    assert played.label == f"{own.label} {SENTENCE}"
    assert showing.caption(BY_NAME[name], toys.cast) == f"{BY_NAME[name].CAPTION} {SENTENCE}"
    assert showing.caption(BY_NAME[name], twin.cast) == BY_NAME[name].CAPTION


def without(*datasets: str) -> Material:
    rows = toy_study.results().filter(~pl.col("dataset").is_in(datasets))
    return material_of(rows, toy_study.catalogue(), named_world.bins().head(0), study=toy_study.TOYS)


@pytest.mark.parametrize(
    ("name", "dataset", "verb"),
    [
        ("holistic/fig-4", "ninco", "run"),
        ("holistic/fig-7", "navi", "match"),
        ("closer-look/table-a1", "imagenet-x", "run"),
        ("holistic/table-2", "cue-conflict", "run"),
        ("holistic/table-3", "imagenet-d", "run"),
        ("holistic/table-4", "flickr30k", "run"),
        ("before-after", "imagenet-val", "run"),
        ("closer-look/fig-2", "cue-conflict", "run"),
    ],
)
def test_what_is_missing_names_the_player_and_its_study(name: str, dataset: str, verb: str) -> None:
    made = showing.draw(BY_NAME[name], without(f"toy-{dataset}"))
    assert any(f"`assay-extract {verb} --study toys --dataset toy-{dataset}`" in why for _, why in made.missing)
    assert not any(f"--dataset {dataset}`" in why or "--study holistic" in why for _, why in made.missing)


def test_coverage_names_players_in_its_commands() -> None:
    missing = showing.draw(BY_NAME["coverage"], without("toy-navi")).missing
    assert any(what.startswith("navi,") and "match --study toys --dataset toy-navi`" in why for what, why in missing)


def test_rows_under_a_parts_own_name_give_way_to_its_player() -> None:
    both = pl.concat([toy_study.results(), named_world.results()], how="diagonal")
    material = material_of(both, toy_study.catalogue(), named_world.bins().head(0), study=toy_study.TOYS)
    keys = ["model", "dataset", "slice", "protocol", "prompt_set", "variant", "detector", "calibration", "metric"]
    assert not material.results.select(keys).is_duplicated().any()
    assert material.results.height == toy_study.results().height


def test_a_set_that_plays_nothing_keeps_its_name() -> None:
    cast = Cast(study="s", stand_ins=StandIns(note="n", datasets={"sun": "sky"}, prompts={"single": "one"}))
    table = pl.DataFrame({"dataset": ["sky", "own"], "prompt_set": ["one", "two"], "value": [1.0, 2.0]})
    assert cast.recast(table).rows() == [("sun", "single", 1.0), ("own", "two", 2.0)]
    assert NOBODY.recast(table).rows() == table.rows()
    assert cast_of(toy_study.TWIN) is cast_of(None) is NOBODY


def with_models(**players: str) -> Material:
    """The toys, with stand-ins for some models too: the first of a pair of ids plays the second."""
    parts = {part: player for player, part in players.items()}
    cast = replace(toy_study.TOYS.stand_ins, models=parts)
    study = replace(toy_study.TOYS, stand_ins=cast)
    known = toy_study.catalogue()
    models = dict(known.models)
    rows = toy_study.results()
    for part, player in parts.items():
        models[player] = replace(
            models[part],
            id=player,
            dataset=f"{player} captions",
            training_source="toy-a",
            resolution=48,
            curation="toy-rule",
            derived_from="net-parent" if models[part].group in ("clip-ft", "vlm") else "",
            arch="toy-net",
        )
        rows = rows.with_columns(pl.col("model").replace({part: player}))
        rows = rows.with_columns(pl.col("variant").replace({f"list:{part}": f"list:{player}"}))
    # Real models that are not the toys' own are none of the study's.
    rows = rows.filter(~pl.col("model").is_in(list(named_world.MODELS)))
    return material_of(rows, replace(known, models=models), named_world.bins().head(0), study=study)


def text(material: Material, name: str) -> list[list[str]]:
    made = showing.draw(BY_NAME[name], material)
    assert made.html is not None
    return [[cell.text for cell in row] for row in made.html.rows]


def test_pairs_of_inputs_say_who_plays() -> None:
    pair = {
        "toy-large": "vit_base_patch16_clip_384.openai_ft_in12k_in1k",
        "toy-small": "vit_base_patch16_clip_224.openai_ft_in12k_in1k",
    }
    (row,) = text(with_models(**pair), "holistic/table-2")
    assert row[:2] == ["toy-large / toy-small (48 / 48)", "toy-a"]
    assert all(cell != "–" for cell in row)


def test_a_pair_of_which_one_is_played_drops_out() -> None:
    made = showing.draw(BY_NAME["holistic/table-2"], with_models(only="vit_base_patch16_clip_384.openai_ft_in12k_in1k"))
    assert made.html is None
    assert made.missing[0][1].startswith("study toys has no stand-in for any of its models")


def test_curation_says_the_players_own_data() -> None:
    rows = text(with_models(raw="ViT-B-16.laion400m_e32", sieved="ViT-B-16.commonpool_l_s1b_b8k"), "holistic/table-4")
    assert [row[:3] for row in rows] == [["raw", "raw captions", "toy-rule"], ["sieved", "sieved captions", "toy-rule"]]
    assert not any("LAION" in cell or "B/16" in cell for row in rows for cell in row)


def test_algorithms_go_by_the_backbone_that_was_tuned() -> None:
    material = with_models(
        clip="ViT-B-32-quickgelu.openai", flyp="ViT-B-32.openai_flyp", tip="ViT-B-16.openai_tip-adapter"
    )
    rows = text(material, "holistic/table-1")
    assert [row[:2] for row in rows] == [["clip", "zero-shot"], ["net-parent", "FLYP"], ["net-parent", "Tip-Adapter"]]


def test_an_algorithm_that_a_player_does_not_state_is_not_told_of_it() -> None:
    material = with_models(flyp="ViT-B-32.openai_flyp")
    models = {"flyp": replace(material.models["flyp"], fine_tuning="toys, both towers")}
    assert [one.algorithm for one in tuned(replace(material, models=models))] == ["toys, both towers"]
    assert [one.algorithm for one in tuned(material)] == ["FLYP"]


def test_lists_and_choosers_go_by_their_ids() -> None:
    players = {"net": "resnet50.tv_in1k", "clip": "ViT-L-14-336.openai", "teller": "prismatic-clip-336.vicuna-v1.5-7b"}
    rows = text(with_models(**players), "holistic/table-3")
    assert {row[0] for row in rows} == {"net", "clip", "ViT-SO400M-14-SigLIP-384.webli"}
    assert [row[1:4] for row in rows[:2]] == [["clip", "zero-shot CLIP", "–"], ["net-parent", "VLM", "teller"]]
    assert not any("LLaVA" in cell or "ResNet-50" in cell for row in rows for cell in row)


def test_prompts_are_read_by_players() -> None:
    table = showing.draw(BY_NAME["holistic/fig-9"], with_models(clip="ViT-B-16.openai")).table
    models = table.filter(pl.col("mark") == "model")
    assert set(models["model"]) == {"clip"}
    assert "clip" in set(models["label"])
    assert "B/16" not in set(models["label"])


def test_answers_of_stand_ins_are_those_of_their_parts() -> None:
    claims = list(named_world.CATALOGUE.claims.values())[::4]
    played = claim_rows(toy_study.results(), toy_study.catalogue(), claims, study=toy_study.TOYS)
    own = claim_rows(named_world.results(), named_world.CATALOGUE, claims, study=toy_study.TWIN)
    assert_frame_equal(played.drop("missing"), own.drop("missing"))
    assert played.filter(pl.col("answer") == "supported").height > 3
    said = " ".join(played["missing"])
    assert "--study toys --dataset toy-" in said
    assert "--study holistic" not in said
    assert "--study closer-look" not in said
    assert "--model" not in said.replace("--model M FILE", "")


def test_a_claim_about_the_players_is_one_about_their_parts() -> None:
    part = named_world.CATALOGUE.claims["ood-wit-above-laion"]
    sides = {"models": replace(part.models, training_source=("toy-a",))}
    if part.reference is not None:
        sides["reference"] = replace(part.reference, training_source=("toy-b",))
    if part.against is not None:
        sides["against"] = replace(part.against, training_source=("toy-b",))
    own = replace(part, x=f"toy-{part.x}" if part.x else "", y=tuple(f"toy-{axis}" for axis in part.y), **sides)
    found = claim_rows(toy_study.results(), toy_study.catalogue(), [part, own], study=toy_study.TOYS)
    assert found["effect"].is_not_null().all()
    assert_frame_equal(found[:1].drop("p_holm"), found[1:].drop("p_holm"))


def test_named_models_of_a_claim_are_their_players() -> None:
    claim = named_world.CATALOGUE.claims["retrieval-convnext-outliers"]
    part = claim.models.ids[0]
    rows = toy_study.results().with_columns(pl.col("model").replace({part: "toy-net"}))
    cast = replace(toy_study.TOYS.stand_ins, models={part: "toy-net"})
    known = toy_study.catalogue()
    known = replace(known, models={**known.models, "toy-net": replace(known.models[part], id="toy-net")})
    blocks = (replace(toy_study.TOYS.blocks[0], models=(*toy_study.TOYS.blocks[0].models, "toy-net")),)
    study = replace(toy_study.TOYS, stand_ins=cast, blocks=blocks)
    played = claim_rows(rows, known, [claim], study=study).row(0, named=True)
    own = claim_rows(named_world.results(), named_world.CATALOGUE, [claim], study=toy_study.TWIN).row(0, named=True)
    assert "toy-net" in played["models"]
    assert played["effect"] == pytest.approx(own["effect"])
