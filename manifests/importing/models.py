"""Write the manifests of all models that the public tables list.

    python -m manifests.importing.models TABLES OUT

TABLES holds ``zero_shot_clip.csv``, ``finetuned_clip.csv`` and ``imagenet_models.csv``; OUT receives one TOML file a
model, the same bytes on every run. The files of the built-in manifests were written so; those of models that no table
lists (weights from packages, models for correspondence, VLMs) were written by hand beside them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from manifests.errors import AssayError, UsageError
from manifests.model import Model

from .baselines import baseline_models
from .fine_tuned import fine_tuned_models
from .rows import read_rows
from .toml_text import toml_text
from .zero_shot import originals, zero_shot_models


def listed_models(tables: Path) -> list[Model]:
    """Return every model of the three tables, in their order.

    Raises
    ------
    UsageError
        When a table is not there.
    """
    zero_shot = read_rows(tables / "zero_shot_clip.csv")
    return [
        *zero_shot_models(zero_shot),
        *fine_tuned_models(read_rows(tables / "finetuned_clip.csv"), originals(zero_shot)),
        *baseline_models(read_rows(tables / "imagenet_models.csv")),
    ]


def write_manifests(tables: Path, out: Path) -> int:
    """Write one file a model and return how many there are; files of other models in the folder stay as they are.

    Raises
    ------
    UsageError
        When a table is not there.
    """
    models = listed_models(tables)
    out.mkdir(parents=True, exist_ok=True)
    for model in models:
        (out / f"{model.id}.toml").write_bytes(toml_text(model).encode())
    return len(models)


def main(arguments: Sequence[str]) -> int:
    """Run the script; returns the exit code."""
    try:
        if len(arguments) != 2:
            raise UsageError("expected two folders: python -m manifests.importing.models TABLES OUT")
        written = write_manifests(Path(arguments[0]), Path(arguments[1]))
    except AssayError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_code
    print(f"{written} manifests in {arguments[1]}")  # noqa: T201
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
