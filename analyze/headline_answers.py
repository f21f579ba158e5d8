"""Per-image answers that stand for a cell where a figure or a comparison wants one reading of it.

The counterpart of `headline` for images: a dataset has several protocols, and its first is the default.
"""

from __future__ import annotations

from collections.abc import Sequence

from .judged import Judged
from .measure import Measured
from .results import as_they_stand
from .row_key import Key

AS_THEY_STAND = "as they stand"
"""Name of the reading in which every column is a class, where the dataset's manifest has none for it."""


def headline_answers(measured: Measured, protocols: Sequence[str] = ()) -> Judged | None:
    """Return the answers of a cell under the first of its protocols that has labels.

    Sets whose classes are merged have no labels among a model's columns: only a protocol knows what is right there.

    Parameters
    ----------
    protocols
        The dataset's protocols, the default first; those that the manifest does not name follow.

    Returns
    -------
    Judged or None
        None where nothing is labelled.
    """
    known = {one.protocol: one for one in measured.judged if one.counted.any()}
    if (measured.labels >= 0).any():
        name = next((name for name in protocols if name.endswith("-way")), AS_THEY_STAND)
        known[name] = as_they_stand(Key("", "", "", name, "", "", 0), measured)
    return next((known[name] for name in (*protocols, *known) if name in known), None)
