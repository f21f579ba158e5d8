"""What a claim has nothing to work on, with the command that gets it.

Knows commands and axes; reads nothing.
"""

from __future__ import annotations

from collections.abc import Collection

from analyze.stand_ins import NOBODY, Cast
from manifests.claim import Claim

from .judging import Answer, Lack
from .selecting import words

PAIRED_SETS = ("navi", "scannet", "spair-71k")
"""Sets of pairs of images, on which `match` makes the numbers."""

NAMED = 4
"""So many models are named in a command; more are left to the study."""


def missing(answer: Answer, datasets: Collection[str], cast: Cast = NOBODY) -> str:
    """Return what has to be got for a claim, side by side, each with its commands; "" if nothing is missing.

    Parameters
    ----------
    answer
    datasets
        Datasets of which the table has any row.
    cast
        Who plays the sets that are asked for: commands are about the players.
    """
    said = [_side(answer.claim, lack, datasets, cast) for lack in answer.lacks]
    if not said and answer.verdict == "no data":
        said = [f"{words(answer.claim.models)}: {answer.reason}: {_run(answer.claim, (), answer.claim.y[0], cast)}"]
    return "; ".join(dict.fromkeys(said))


def _side(claim: Claim, lack: Lack, datasets: Collection[str], cast: Cast) -> str:
    ids = lack.asked.ids
    who = ", ".join(ids) if 0 < len(ids) <= NAMED else words(lack.asked)
    commands = []
    for axis in lack.axes:
        name = axis.partition(":")[0]
        if name not in datasets:
            commands.append(f"`assay-extract index {cast.dataset(name)} --root DIR`")
        commands.append(_run(claim, ids, axis, cast, lack.reading.prompt_set))
    what = "more models, of other families," if lack.n_families else "numbers"
    listed = ", ".join(lack.axes[:NAMED]) + (f" and {len(lack.axes) - NAMED} more" if len(lack.axes) > NAMED else "")
    return f"{what} of {who} on {listed}: {', '.join(dict.fromkeys(commands))}"


def _run(claim: Claim, ids: tuple[str, ...], axis: str, cast: Cast, prompt_set: str = "") -> str:
    part = axis.partition(":")[0]
    name = cast.dataset(part)
    # A model that nobody plays is none that the study could run: the command asks for the study's own.
    few = 0 < len(ids) <= NAMED and not cast
    which = f"--model {','.join(ids)}" if few else f"--study {cast.study or claim.paper}"
    if part in PAIRED_SETS:
        return f"`assay-extract match --dataset {name} {which}`"
    if claim.models.group == ("vlm",) and "accuracy_paper_order" in axis:
        return f"`assay-cache ingest --kind records --dataset {name} --model M FILE`"
    prompts = f" --prompts {cast.prompt_set(prompt_set)}" if prompt_set else ""
    return f"`assay-extract run {which} --dataset {name}{prompts}`"
