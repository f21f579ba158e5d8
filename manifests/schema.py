"""The seven schemas of manifest files, under one import.

A key that a schema does not list is an error, and so is a value of another type; a fact that nobody published is None,
never a guess. A schema knows nothing of files or folders (`toml_file`, `catalogue`) and nothing of other entries
(`references`).
"""

from __future__ import annotations

from typing import TypeAlias

from .claim import Claim
from .dataset import LAYOUTS, Dataset, Layout
from .factor_set import FactorSet, Reading
from .label_space import LabelSpace
from .model import FACTS, Model
from .prompt_set import PromptSet
from .stand_ins import StandIns
from .study import Block, Study
from .terms import GROUPS, KINDS, Group, Kind, check_id

__all__ = [
    "FACTS",
    "GROUPS",
    "KINDS",
    "LAYOUTS",
    "Block",
    "Claim",
    "Dataset",
    "Entry",
    "FactorSet",
    "Group",
    "Kind",
    "LabelSpace",
    "Layout",
    "Model",
    "PromptSet",
    "Reading",
    "StandIns",
    "Study",
    "check_id",
]

Entry: TypeAlias = Model | Dataset | LabelSpace | PromptSet | FactorSet | Study | Claim
