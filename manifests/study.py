"""One study: which models run over which datasets, and for what.

Knows patterns, not the entries that they match.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated

from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from .stand_ins import StandIns
from .terms import CLOSED, Id, Kind, Text, Texts, not_empty


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class Block:
    """One rectangle of a study: these models over these datasets.

    Attributes
    ----------
    title
        What the block is for, in a few words; "" if that is plain.
    models
        Ids or globs of models; each matches at least one manifest.
    datasets
        Ids (with an optional ``:slice``) or globs; an id without a manifest is a folder of the user's own.
    kinds
        What is extracted.
    prompts
        Ids or globs of prompt sets, for zero-shot models.
    detectors
        Names of out-of-distribution scores.
    in_fits
        Whether lines, correlations and group means take these models in; False for models that are shown beside. A
        model that several blocks name is in the fits if any of them says so.
    """

    title: str = ""
    models: Texts
    datasets: Texts
    kinds: Annotated[tuple[Kind, ...], AfterValidator(not_empty)]
    prompts: tuple[Text, ...] = ()
    detectors: tuple[Text, ...] = ()
    in_fits: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class Study:
    """What is run and reported together: a list of blocks, not a cross product.

    Attributes
    ----------
    id, title
        Name of the study, and what it is in a few words.
    paper
        Citation without address; "" for a study of the project's own.
    blocks
        The rectangles.
    readings
        Other accepted readings of a list that the paper does not print: name -> all ids of models.
    stand_ins
        Who plays what in figures and claims that name other sets, models and prompt sets than the study's.
    notes
        What is left out and why.
    """

    id: Id
    title: Text
    paper: str = ""
    blocks: Annotated[tuple[Block, ...], AfterValidator(not_empty)]
    readings: Mapping[str, Texts] = field(default_factory=dict, hash=False)
    stand_ins: StandIns = field(default_factory=StandIns)
    notes: str = ""
