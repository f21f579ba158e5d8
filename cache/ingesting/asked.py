"""What a command to ingest names: whether its options fit each other, and what its files say of which models."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from cache.store import Store
from cache.texts import ClassList
from cache.views import View
from manifests.catalogue import Catalogue
from manifests.errors import UsageError
from manifests.schema import GROUPS

from . import arrays, tables, testbed
from .class_lists import evident_classes, in_column_order, named_classes
from .formats import imagenet_x_rows, trial_rows
from .rows import Kind, Match, Rows, join
from .sources import Source, read_sources

Form: TypeAlias = Literal["imagenet-x", "model-vs-human", "testbed"]

OF_FORM: Mapping[str, tuple[Kind, tuple[Match, ...]]] = {
    "": ("logits", ("sample",)),
    "imagenet-x": ("predictions", ("sample", "file name")),
    "model-vs-human": ("predictions", ("sample", "file name", "cue")),
    "testbed": ("logits", ("sample", "file name")),
}
_TRIAL_CLASSES = "cue-16"


_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestRequest:
    """What to ingest; empty fields are those that the command left out."""

    model: str
    dataset: str
    kind: Kind
    files: tuple[Path, ...]
    form: Form | Literal[""] = ""
    group: str = ""
    classes: Path | None = None
    label_space: str = ""
    order: Path | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """One model of the files: its rows, and what their columns or predictions stand for."""

    model: str
    rows: Rows
    classes: ClassList | None


def check_options(catalogue: Catalogue, ask: IngestRequest) -> None:
    """Check what can be judged before a file is read.

    Raises
    ------
    UsageError
        When options contradict each other or name what nobody knows.
    """
    _check_model(ask.model)
    form_kind = OF_FORM[ask.form][0]
    if ask.form and ask.kind != form_kind:
        raise UsageError(f"--format {ask.form} holds {form_kind}; got --kind {ask.kind}.")
    if (ask.order is not None) != (ask.form == "testbed"):
        raise UsageError(
            "--format testbed needs --order FILE, the CSV whose column file_name says what its rows are of "
            "(filename_label.csv of the package imagenet-x); other formats take no --order."
        )
    if ask.kind in ("embeddings", "records") and (ask.classes is not None or ask.label_space):
        raise UsageError(f"{ask.kind} have no classes; --classes and --label-space are for logits and predictions.")
    known = catalogue.models.get(ask.model)
    if ask.group and ask.group not in GROUPS:
        raise UsageError(f"--group {ask.group!r} is unknown; expected one of {', '.join(GROUPS)}.")
    if ask.group and known is not None and known.group != ask.group:
        raise UsageError(f"{ask.model} is of group {known.group}, as the manifests say; leave --group out.")


def _check_model(name: str) -> str:
    if not _MODEL.fullmatch(name):
        raise UsageError(f"{name!r} is no id of a model; expected letters, digits and any of . _ - : / (at most 100).")
    return name


def models_of(
    store: Store, catalogue: Catalogue, ask: IngestRequest, view: View, sources: Sequence[Source]
) -> list[Given]:
    """Return each model of the files.

    Raises
    ------
    UsageError
        When a file is not of the form that was named, or it is not evident what its numbers stand for.
    """
    classes = named_classes(catalogue, ask.classes, ask.label_space)
    if ask.form == "model-vs-human":
        classes = classes or named_classes(catalogue, None, _TRIAL_CLASSES)
        assert classes is not None
        found = trial_rows(sources, classes)
        return [Given(_check_model(f"{ask.model}.{subject}"), rows, classes) for subject, rows in found.items()]
    if ask.form == "imagenet-x":
        rows = join([imagenet_x_rows(_of_type(source, (".csv",), ask)) for source in sources])
    elif ask.form == "testbed":
        assert ask.order is not None
        (order,) = read_sources((ask.order,))
        if len(sources) != 1:
            raise UsageError(f"--format testbed takes one file, a pickle of one model; got {len(sources)}.")
        rows = testbed.pickled_rows(_of_type(sources[0], testbed.SUFFIXES, ask), order)
    else:
        rows = join([_plain_rows(source, ask) for source in sources])
    if ask.kind == "embeddings":
        return [Given(ask.model, in_column_order(rows, None), None)]
    columns = None if rows.values is None else rows.values.shape[1]
    classes = classes or evident_classes(store, catalogue, view, columns, ask.model)
    if ask.kind == "predictions" and classes is None:
        raise UsageError(
            f"what the predicted classes of {ask.dataset} stand for is not evident; say so with --label-space S "
            "(`imagenet-1k`, say) or --classes FILE."
        )
    if columns is not None and classes is not None and columns != len(classes.keys):
        raise UsageError(
            f"{rows.where} has {columns} columns of logits; the class list has {len(classes.keys)} classes."
        )
    return [Given(ask.model, in_column_order(rows, classes), classes)]


def _of_type(source: Source, suffixes: Sequence[str], ask: IngestRequest) -> Source:
    if source.suffix not in suffixes:
        what = f"--format {ask.form}" if ask.form else "ingest"
        raise UsageError(
            f"{source.name}: {what} takes {', '.join(suffixes)}."
            + ("" if ask.form else " A pickle of the ImageNet testbed needs --format testbed.")
        )
    return source


def _plain_rows(source: Source, ask: IngestRequest) -> Rows:
    if source.suffix in tables.SUFFIXES:
        return tables.table_rows(source, ask.kind)
    return arrays.array_rows(_of_type(source, (*arrays.SUFFIXES, *tables.SUFFIXES), ask), ask.kind)
