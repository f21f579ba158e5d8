"""One finding of a paper, as a statement that a table of results can answer.

Says which numbers of which models it is about, how they are compared, and what would bear it out. Knows no table and
computes nothing; that axes and models exist is `references`' business.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator
from pydantic.dataclasses import dataclass

from .terms import CLOSED, Id, Text, not_empty

Estimator: TypeAlias = Literal[
    "group-deviation",
    "group-contrast",
    "paired-difference",
    "improved-share",
    "rank-correlation",
    "correlation-contrast",
    "slope-contrast",
    "amount-slope",
    "outliers",
]
ESTIMATORS: tuple[Estimator, ...] = get_args(Estimator)

Direction: TypeAlias = Literal["positive", "negative", "zero"]
Cluster: TypeAlias = Literal["encoder_family", "architecture", "training_source", "training_dataset", "model"]
Amount: TypeAlias = Literal["dataset_size", "parameters_m", "resolution"]

NEEDS: dict[Estimator, tuple[str, ...]] = {
    "group-deviation": ("x", "reference"),
    "group-contrast": ("against",),
    "paired-difference": (),
    "improved-share": (),
    "rank-correlation": ("x",),
    "correlation-contrast": ("x", "against"),
    "slope-contrast": ("x", "against"),
    "amount-slope": ("amount",),
    "outliers": ("x", "reference"),
}
"""Keys without which an estimator has nothing to work on."""


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class Models:
    """Which models are meant: those that fit every list that is given; each list holds values or globs.

    Attributes
    ----------
    ids, group, training_source, training_dataset, encoder_family, architecture, loss, curation, fine_tuning
        Facts of a model, as its manifest or the table says.
    encoder_kind
        CNN or ViT, read off the encoder's family.
    without
        Ids that are left out.
    """

    ids: tuple[Text, ...] = ()
    group: tuple[Text, ...] = ()
    training_source: tuple[Text, ...] = ()
    training_dataset: tuple[Text, ...] = ()
    encoder_family: tuple[Text, ...] = ()
    encoder_kind: tuple[Literal["CNN", "ViT", "other"], ...] = ()
    architecture: tuple[Text, ...] = ()
    loss: tuple[Text, ...] = ()
    curation: tuple[Text, ...] = ()
    fine_tuning: tuple[Text, ...] = ()
    without: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class Reading:
    """Which of a model's rows are meant where it has several; "" takes the default, a name admits no other.

    Attributes
    ----------
    prompt_set
        Prompts of zero-shot models; also of the x axis.
    detector
        Score of out-of-distribution detection.
    calibration
        raw, or ts: after temperature scaling.
    variant
        Selector or geometry, e.g. the list of options of a four-way question.
    """

    prompt_set: str = ""
    detector: str = ""
    calibration: str = ""
    variant: str = ""


def _axis(text: str) -> str:
    parts = text.split(":")
    if not parts[0] or len(parts) > 4:
        raise ValueError(f"expected dataset[:slice[:metric[:protocol]]], got {text!r}")
    return text


AxisText: TypeAlias = Annotated[str, AfterValidator(_axis)]


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class Claim:
    """A finding.

    What is measured of a model is the mean of its places on the axes of `y`, minus that of `minus` where given. With
    `x` and `reference` it is the distance from the reference models' line on these axes; with `minus_reading` the
    change between two readings of one model; with `pairs` or `paired_with` the difference between two models.

    Attributes
    ----------
    id
        Name of the finding.
    paper, section
        Where it stands; the paper is also the id of the study that collects what the claim needs. A finding of nobody's
        paper has the id of its study here.
    also
        Where it stands again.
    sentence
        What it says, in our words.
    estimator
        How the numbers are compared; see `analyze.claims`.
    direction
        Sign of the effect that the sentence states; ``zero``: no effect beyond `threshold`.
    threshold
        Smallest effect of interest, in the unit of the effect; for ``zero`` the margin within which it has to lie.
    x
        Axis ``dataset[:slice[:metric[:protocol]]]`` against which models are compared; "" for none.
    y, minus
        Axes of the outcome.
    against_y
        Axes of the second of each pair, where it answers under another metric; else `y`.
    transform
        Scale of y and minus; x is a rate and always on probits.
    models, against, reference
        The two sides, and whose line is the measure.
    reading, minus_reading
        Rows that count.
    pairs
        (first, second) ids of models: first minus second.
    paired_with
        ``derived_from``: every model is paired with the one that it was made of.
    amount
        Fact on whose logarithm the outcome is regressed.
    cluster
        What counts as one family in the interval.
    notes
        What the paper leaves open, and how it is read here.
    """

    id: Id
    paper: Id
    section: Text
    also: str = ""
    sentence: Text
    estimator: Estimator
    direction: Direction
    threshold: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    x: str = ""
    y: Annotated[tuple[AxisText, ...], AfterValidator(not_empty)]
    minus: tuple[AxisText, ...] = ()
    against_y: tuple[AxisText, ...] = ()
    transform: Literal["probit", "linear"] = "probit"
    models: Models = Models()
    against: Models | None = None
    reference: Models | None = None
    reading: Reading = Reading()
    minus_reading: Reading | None = None
    pairs: tuple[tuple[Text, Text], ...] = ()
    paired_with: Literal["", "derived_from"] = ""
    amount: Amount | None = None
    cluster: Cluster = "architecture"
    notes: str = ""

    @field_validator("threshold")
    @classmethod
    def _is_a_margin(cls, threshold: float, info: ValidationInfo) -> float:
        if info.data.get("direction") == "zero":
            if threshold == 0:
                raise ValueError("direction zero needs a margin: the largest effect that counts as none")
            if info.data.get("estimator") in ("improved-share", "outliers"):
                raise ValueError(f"{info.data['estimator']} has a direction; expected positive or negative")
        return threshold

    @field_validator("x")
    @classmethod
    def _is_an_axis(cls, x: str) -> str:
        return _axis(x) if x else x

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Claim:
        if missing := [key for key in NEEDS[self.estimator] if not getattr(self, key)]:
            raise ValueError(f"{self.estimator} needs {' and '.join(missing)}")
        ways = [key for key in ("minus_reading", "pairs", "paired_with") if getattr(self, key)]
        if self.estimator in ("paired-difference", "improved-share"):
            if len(ways) > 1 or not (ways or self.minus):
                raise ValueError(
                    f"{self.estimator} needs one of minus_reading, pairs, paired_with, or minus; got {ways}"
                )
        elif ways not in ([], ["minus_reading"]):
            raise ValueError(f"{self.estimator} compares no pairs; leave out {' and '.join(ways)}")
        return self
