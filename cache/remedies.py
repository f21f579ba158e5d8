"""Which command brings back numbers that cannot be read here."""

from __future__ import annotations


def remedy(kind: str, *, lost: bool, ingested: bool) -> str:
    """Say which command mends a unit.

    Parameters
    ----------
    lost
        Whether its record is here and its data are gone; else nothing of it is here.
    ingested
        Whether its numbers came out of a file of the user's.

    Examples
    --------
    >>> remedy("logits", lost=False, ingested=True)
    '`assay-cache ingest --model M --dataset D --kind logits FILE` again brings them back.'
    """
    again = f"`assay-cache ingest --model M --dataset D --kind {kind} FILE` again"
    if lost:
        how = again if ingested else "`assay-extract run` again"
        return f"Their record is here but their data are gone: `assay-cache repair`, then {how}."
    if ingested:
        return f"{again} brings them back."
    if kind in ("text", "heads"):
        return "`assay-extract run --model M --kinds text --prompts P` encodes them (no image pass)."
    return "`assay-extract run --model M --dataset D` extracts them."
