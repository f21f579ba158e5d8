"""`assay-analyze prompts`: what the number of prompts changes, from stored text embeddings alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from cache.console import Options, log, print_data, print_json
from manifests.errors import UsageError

from .selection import check_suffix, exit_code, load_catalogue

DEFAULT_OPTIONS = Options()
Names = Annotated[list[str] | None, Parameter(negative="", consume_multiple=False)]
Flag = Annotated[bool, Parameter(negative="")]


def prompts(
    *,
    model: Names = None,
    dataset: Names = None,
    whole: Annotated[str, Parameter(name="--from")] = "openai-80",
    counts: str = "1,2,5,10,20,40,80",
    draws: int = 10,
    seed: int = 0,
    allow_missing: Flag = False,
    out: Path | None = None,
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Score resampled subsets of a prompt set: accuracy, detection, calibration by the number of prompts.

    Parameters
    ----------
    model
        Zero-shot models by id or glob; none means all that the store was asked for.
    dataset
        Datasets by id or glob; none means all.
    whole
        The prompt set that subsets are drawn from; its sentences have to be stored.
    counts
        Numbers of prompts, separated by commas.
    draws
        Subsets of each number.
    seed
        Of the draws.
    allow_missing
        Exit 0 although cells are missing; they are still listed.
    out
        A .csv or .parquet file; else CSV on stdout.
    """
    from analyze.asked import Ask
    from analyze.prompt_curves import prompt_curves
    from analyze.table import json_rows, table_bytes, write_table
    from cache.store import Store, store_path

    options.start_logging()
    check_suffix(out)
    words = [part.strip() for part in counts.split(",") if part.strip()]
    if not words or not all(word.isdecimal() for word in words):
        raise UsageError(f"--counts {counts}: expected whole numbers separated by commas, such as 1,5,80.")
    ask = Ask(models=tuple(model or ()), datasets=tuple(dataset or ()))
    table, scored = prompt_curves(
        Store(store_path(options.store)),
        load_catalogue(options),
        ask,
        whole,
        [int(word) for word in words],
        draws,
        seed,
    )
    for note in (*scored.missing, *scored.notes):
        log.warning("%s", note)
    if out is not None:
        about = {"from": whole, "draws": draws, "seed": seed, "notes": list(scored.notes)}
        write_table(table, out, about)
        log.info("wrote %d rows to %s", table.height, out)
    elif options.json:
        print_json(json_rows(table))
    else:
        print_data(table_bytes(table, ".csv").decode())
    return exit_code(scored, allow_missing)
