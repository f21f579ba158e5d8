"""Make `manifests/published/` from the public tables: ``python -m manifests.importing.published TABLES OUT``.

TABLES holds published_accuracy.csv.gz, zero_shot_clip.csv, imagenet_models.csv and finetuned_clip.csv. Every row is
kept; what must not be fitted is marked with its reason. Left out whole: scaling-laws-openclip, which has no licence.
"""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from manifests.architecture_family import architecture_family
from manifests.published_numbers import MODEL_COLUMNS, SCHEMA, SIDECAR, SOURCES

from .published_names import group_of_testbed, group_of_timm, metric_of, place_of

LIBRARIES: Mapping[str, str] = {
    "open_clip": "open_clip",
    "timm": "timm",
    "imagenet_testbed": "imagenet-testbed",
}
"""Library as the public table spells it -> source here; the licence of each allows copies."""

WHOLE_MODEL: Mapping[tuple[str, str], str] = {
    ("open_clip", "coca_ViT-B-32|mscoco_finetuned_laion2b_s13b_b90k"): "broken row: 0.8 % on ImageNet",
    (
        "open_clip",
        "ViT-B-32|commonpool_s_image_s13m_b4k",
    ): "equals datacomp_s_s13m_b4k in every column, where the documentation has 4.3 % and 3.9 %: a copy",
}
"""Models none of whose numbers can be used, and why."""

ONE_ROW: Mapping[tuple[str, str, str], str] = {
    ("imagenet_testbed", "resnet50", "imagenet-a"): "ImageNet-A holds what this model gets wrong: 0 by construction",
}
# The testbed's names of the two CLIP models that open_clip's table has, too.
TESTBED_CLIP = {
    "resnet50_clip_zeroshot": "RN50-quickgelu.openai",
    "vit_b_32_clip_zeroshot": "ViT-B-32-quickgelu.openai",
}


def import_published(tables: Path) -> dict[str, pl.DataFrame]:
    """Return one frame a source, with the columns of `published_numbers.SCHEMA`, sorted.

    Parameters
    ----------
    tables
        Folder of the four public tables.
    """
    raw = _csv(tables / "published_accuracy.csv.gz")
    frames = {}
    for library, source in LIBRARIES.items():
        rows = raw.filter(pl.col("library") == library)
        models = _models(library, source, rows, tables)
        places = {name: place_of(name) for name in rows["dataset"].unique()}
        frame = rows.rename({"dataset": "source_dataset", "metric": "source_metric", "n_images": "n"}).with_columns(
            *(
                pl.col("source_dataset")
                .replace_strict({name: getattr(place, part) for name, place in places.items()}, return_dtype=pl.String)
                .alias(part)
                for part in ("dataset", "slice", "protocol")
            ),
            pl.col("source_metric").map_elements(metric_of, return_dtype=pl.String).alias("metric"),
        )
        frame = frame.drop("params_m").join(
            models, left_on=["model_id", "img_size"], right_on=["source_model", "size"], nulls_equal=True
        )
        frame = frame.rename({"model_id": "source_model"}).with_columns(_row_problems(library))
        frames[source] = frame.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items()).sort(
            "model", "resolution", "dataset", "slice", "protocol", "metric", nulls_last=True
        )
    return {source: frames[source] for source in SOURCES}


def _csv(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, infer_schema_length=None)


def _row_problems(library: str) -> pl.Expr:
    problem = pl.col("problem")
    for (where, model, dataset), reason in ONE_ROW.items():
        if where == library:
            hit = (pl.col("source_model") == model) & (pl.col("source_dataset") == dataset)
            problem = pl.when(hit).then(pl.lit(reason)).otherwise(problem)
    return problem.alias("problem")


def _models(library: str, source: str, rows: pl.DataFrame, tables: Path) -> pl.DataFrame:
    """One row a (model, input size) with its facts; `size` is the input size as the table has it."""
    published = rows.group_by("model_id", "img_size").agg(pl.col("params_m").max()).sort("model_id", "img_size")
    facts = _FACTS[library](tables, set(published["model_id"]))
    # timm tests its models at the size of their training and at larger ones: the smallest is the default.
    smallest = dict(published.group_by("model_id").agg(pl.col("img_size").min()).iter_rows())
    schema = {**MODEL_COLUMNS, "size": pl.Int64()}
    empty = {name: "" if dtype == pl.String() else None for name, dtype in schema.items()}
    made = []
    for name, size, params in published.iter_rows():
        known = facts[name]
        made.append(
            {
                **empty,
                **{key: value for key, value in known.items() if value is not None},
                "source": source,
                "source_model": name,
                "toy": name.startswith("test_"),
                "default_size": size == smallest[name],
                "problem": WHOLE_MODEL.get((library, name), ""),
                "resolution": size or known.get("resolution"),
                "params_m": params or known.get("params_m"),
                "size": size,
            }
        )
    return pl.DataFrame(made, schema=schema)


def _open_clip(tables: Path, names: set[str]) -> dict[str, dict[str, Any]]:
    listed = {row["id"]: row for row in _csv(tables / "zero_shot_clip.csv").to_dicts()}
    facts = {}
    for name in sorted(names):
        row = listed[name]
        right = f"{row['load_as_arch']}|{row['pretrained']}"
        facts[name] = {
            "model": name.replace("|", "."),
            "group": "zero-shot-clip",
            "group_basis": "list",
            # One architecture whatever its activation: the pairing is the library's business, not the model's.
            "architecture": row["arch"].replace("-quickgelu", ""),
            "encoder_family": row["encoder_family"],
            "training_source": row["training_source"],
            "training_dataset": row["dataset"],
            "dataset_size": row["dataset_size"],
            "samples_seen": row["samples_seen"],
            "loss": row["loss"],
            "curation": row["curation"],
            "fine_tuning": "none",
            "resolution": row["resolution"],
            "params_m": row["params_m"],
            # Equal weights under an architecture with the wrong activation: the right one stands for both.
            "duplicate_of": right.replace("|", ".") if right != name and right in names else "",
        }
    return facts


def _timm(tables: Path, names: set[str]) -> dict[str, dict[str, Any]]:
    tuned = {row["id"]: row for row in _csv(tables / "finetuned_clip.csv").to_dicts()}
    plain = {row["model_id"]: row for row in _csv(tables / "imagenet_models.csv").to_dicts()}
    facts: dict[str, dict[str, Any]] = {}
    for name in sorted(names):
        architecture = name.partition(".")[0]
        fact: dict[str, Any] = {
            "model": name,
            "architecture": architecture,
            "encoder_family": architecture_family(architecture),
            "group": group_of_timm(name),
            "group_basis": "name",
        }
        if row := tuned.get(name):
            fact |= {
                "group": "clip-ft",
                "group_basis": "list",
                "training_source": row["training_source"],
                "training_dataset": row["base_source"],
                "fine_tuning": row["finetune_path"],
            }
        elif row := plain.get(name):
            fact |= {
                "group": row["group"].replace("_", "-"),
                "group_basis": "list",
                "training_dataset": row["train_data"],
            }
        facts[name] = fact
    return facts


def _testbed(tables: Path, names: set[str]) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "model": f"testbed.{name.replace('/', '-')}",
            "architecture": name,
            "encoder_family": architecture_family(name),
            "group": group_of_testbed(name),
            "group_basis": "name",
            "duplicate_of": TESTBED_CLIP.get(name, ""),
        }
        for name in sorted(names)
    }


_FACTS = {"open_clip": _open_clip, "timm": _timm, "imagenet_testbed": _testbed}


def parquet_bytes(table: pl.DataFrame) -> bytes:
    """Return a table as Parquet: equal tables give equal bytes under one version of polars."""
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd", compression_level=19, statistics=False)
    return buffer.getvalue()


def write_published(frames: Mapping[str, pl.DataFrame], out: Path) -> None:
    """Write the tables and their sidecar."""
    out.mkdir(parents=True, exist_ok=True)
    lines = [
        "# Written by `python -m manifests.importing.published`; a table that differs from its sha256 is refused.",
        f'polars = "{pl.__version__}"',
    ]
    for source, frame in frames.items():
        data = parquet_bytes(frame)
        (out / f"{source}.parquet").write_bytes(data)
        lines += [
            "",
            f"[files.{source}]",
            f'sha256 = "{hashlib.sha256(data).hexdigest()}"',
            f"rows = {frame.height}",
            f"models = {frame['model'].n_unique()}",
        ]
    (out / SIDECAR).write_text("\n".join(lines) + "\n", "utf-8", newline="\n")


def main(arguments: Sequence[str]) -> int:
    """Run the import; two arguments: the folder of the public tables, the folder to write to."""
    if len(arguments) != 2:
        sys.stderr.write("usage: python -m manifests.importing.published TABLES OUT\n")
        return 2
    write_published(import_published(Path(arguments[0])), Path(arguments[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
