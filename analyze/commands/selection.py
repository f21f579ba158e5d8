"""Which cells a command is about, and their scores: what `score`, `figure`, `report`, `export` and others share."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from cache.console import Options, log
from manifests.errors import UsageError

if TYPE_CHECKING:
    from analyze.cell import Cell
    from analyze.fitting import Fitting
    from analyze.measure import Measured
    from analyze.score import Scored
    from cache.store import Store
    from manifests.catalogue import Catalogue

Names = list[str] | None
Flag = Annotated[bool, Parameter(negative="")]
Policy = Literal["error", "exclude", "count-wrong"]
DEFAULT_OPTIONS = Options()


def _many(help: str) -> Parameter:
    return Parameter(negative="", consume_multiple=False, help=help)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which cells a command is about."""

    model: Annotated[Names, _many("Models by id or glob; none means all that the store was asked for.")] = None
    dataset: Annotated[Names, _many("Datasets by id or glob; none means all.")] = None
    space: Annotated[Names, _many("Which space is meant where a model is bound to several.")] = None
    prompts: Annotated[Names, _many("Prompt sets of zero-shot models: ids, globs, a file; none means all stored.")] = (
        None
    )
    study: Annotated[str, Parameter(help="What a study names, block by block.")] = ""
    id_dataset: Annotated[str, Parameter(help="The in-distribution set of detection; else imagenet-val.")] = ""
    ood_dataset: Annotated[Names, _many("Sets out of distribution; else those whose manifest says so.")] = None

    def words(self) -> tuple[str, ...]:
        """Return the options as they stand on a command line."""
        repeated = (("--model", self.model), ("--dataset", self.dataset), ("--space", self.space))
        words = [
            word
            for name, values in (*repeated, ("--prompts", self.prompts))
            for one in values or ()
            for word in (name, one)
        ]
        words += [
            word
            for name, one in (("--study", self.study), ("--id-dataset", self.id_dataset))
            if one
            for word in (name, one)
        ]
        return (*words, *(word for one in self.ood_dataset or () for word in ("--ood-dataset", one)))


DEFAULT_SELECTION = Selection()


def load_catalogue(options: Options) -> Catalogue:
    """Return the manifests, the user's own among them."""
    from manifests.catalogue import load, user_folders

    return load(user_folders(options.manifests, os.environ))


def score_selection(
    options: Options,
    selection: Selection,
    on_failure: Policy,
    *,
    allow_partial: bool = False,
    keep_scores: bool = False,
    visitor: Callable[[Store], Callable[[Cell, Measured], None]] | None = None,
    fitting: Fitting | None = None,
    option_lists: Names = None,
) -> Scored:
    """Score what was selected; what is missing and what a reader should know go to the log.

    Parameters
    ----------
    visitor
        Given the store, returns what sees the per-image numbers of each cell.

    Raises
    ------
    UsageError
        For a study that no manifest has; and as `analyze.score.score` does.
    """
    from analyze.asked import Ask
    from analyze.fitting import Fitting
    from analyze.score import score
    from cache.store import Store, store_path
    from manifests.selection import split_patterns

    options.start_logging()
    store = Store(store_path(options.store))
    catalogue = load_catalogue(options)
    if selection.study and selection.study not in catalogue.studies:
        raise UsageError(f"no study {selection.study!r}; the manifests have {', '.join(catalogue.studies) or 'none'}.")
    ask = Ask(
        models=tuple(selection.model or ()),
        datasets=tuple(selection.dataset or ()),
        spaces=split_patterns(selection.space) if selection.space else (),
        prompts=tuple(selection.prompts or ()),
        study=catalogue.studies[selection.study] if selection.study else None,
        id_dataset=selection.id_dataset,
        ood_datasets=split_patterns(selection.ood_dataset) if selection.ood_dataset else (),
        allow_partial=allow_partial,
    )
    scored = score(
        store,
        catalogue,
        ask,
        on_failure=on_failure,
        keep_scores=keep_scores,
        visit=visitor(store) if visitor else lambda cell, measured: None,
        fitting=fitting or Fitting(),
        option_lists=split_patterns(option_lists) if option_lists else (),
    )
    for note in (*scored.missing, *scored.notes):
        log.warning("%s", note)
    return scored


def exit_code(scored: Scored, allow_missing: bool) -> int:
    """Return the exit code of a command that scored.

    Raises
    ------
    FailedItemsError
        When images without numbers kept a cell out.
    """
    from analyze.score import raise_failed

    raise_failed(scored)
    return 3 if scored.missing and not allow_missing else 0


def check_suffix(out: Path | None) -> None:
    """Refuse a table's name that ends in neither .csv nor .parquet.

    Raises
    ------
    UsageError
        Naming the file.
    """
    if out is not None and out.suffix not in (".csv", ".parquet"):
        raise UsageError(f"--out {out}: expected a name that ends in .csv or .parquet.")
