"""What there is to do: for each model on each dataset, which units lack which kinds, and what that costs.

Reads commits, writes nothing. A plan is the same list that `run` works through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cache.errors import UsageError
from cache.layout import IMAGE_KINDS
from cache.reader import Reader, State
from cache.requests import Request, same_binding
from cache.spaces import Space
from cache.store import Store
from cache.texts import ClassList
from cache.views import View

from .backbones.protocol import Backbone, ZeroShot
from .text_unit import TEXT_KINDS, Pairs, TextWork, plan_text

DEFAULT_KINDS = ("logits", "embeddings")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model as the user named it, ready to describe itself.

    name
        What tables will show.
    facts
        Manifest facts: group, training source, ...
    classes
        What the logit columns stand for; None where the model has none.
    """

    name: str
    facts: Mapping[str, Any]
    backbone: Backbone
    classes: ClassList | None
    provenance: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class UnitPlan:
    """One forward pass: the images of a pack, for the kinds that are missing."""

    space: str
    label: str
    pack: str
    images: int
    kinds: tuple[str, ...]
    lost: tuple[str, ...] = ()
    """Kinds whose record is here and whose data are gone; `assay-cache repair` frees them."""

    def joined(self, other: UnitPlan) -> UnitPlan:
        """Return the one pass that yields what this unit and another plan of it ask for."""
        kinds = tuple(kind for kind in IMAGE_KINDS if kind in (*self.kinds, *other.kinds))
        return replace(self, kinds=kinds, lost=tuple(dict.fromkeys((*self.lost, *other.lost))))


@dataclass(frozen=True, slots=True)
class Work:
    """One model on one dataset."""

    candidate: Candidate
    view: View
    space: Space
    request: Request
    units: tuple[UnitPlan, ...]
    needed: int
    """Images of the dataset."""
    nbytes: int
    """Bytes that the missing units will take."""
    other_bindings: tuple[Request, ...]
    """Live requests that bind the same name to something else."""
    text: TextWork = field(default_factory=TextWork)
    """Sentences and heads of a zero-shot model."""

    @property
    def computed(self) -> int:
        """Images that will go through the model: whole packs."""
        return sum(unit.images for unit in self.units)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything to do, models one after the other."""

    works: tuple[Work, ...]

    @property
    def units(self) -> tuple[UnitPlan, ...]:
        """Distinct units; two datasets may share one, and then it yields the kinds of both."""
        found: dict[tuple[str, str], UnitPlan] = {}
        for unit in (unit for work in self.works for unit in work.units):
            known = found.get((unit.space, unit.pack))
            found[unit.space, unit.pack] = unit if known is None else known.joined(unit)
        return tuple(found.values())

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "units": len(self.units),
            "images": sum(unit.images for unit in self.units),
            "bytes": sum(work.nbytes for work in self.works),
            "works": [
                {
                    "model": work.candidate.name,
                    "dataset": work.view.reference,
                    "space": work.space.label,
                    "kinds": list(work.request.kinds),
                    "units": len(work.units),
                    "images_needed": work.needed,
                    "images_computed": work.computed,
                    "sentences": len(work.text.sentences),
                    "heads": len(work.text.heads),
                    "bytes": work.nbytes,
                    "also_bound_to": [request.label for request in work.other_bindings],
                }
                for work in self.works
            ],
        }


def kinds_for(backbone: Backbone, asked: Sequence[str]) -> tuple[str, ...]:
    """Return the image kinds to extract, in the order of the format; `text` and `heads` are no image kinds.

    Raises
    ------
    UsageError
        When the model does not have a kind.
    """
    offered = backbone.kinds()
    wanted = tuple(asked) or tuple(kind for kind in DEFAULT_KINDS if kind in offered)
    if not wanted:
        raise UsageError(
            f"this model has no {' and no '.join(DEFAULT_KINDS)} at this size; --kinds {offered[0]} it has."
        )
    if isinstance(backbone, ZeroShot):
        if "logits" in wanted:
            raise UsageError(
                "--kinds logits: a zero-shot model has none of its own. `score` computes them from embeddings and a "
                "head (scale * cosine + bias), for any prompts; ask with --kinds embeddings,heads, or without --kinds."
            )
        offered = (*offered, *TEXT_KINDS)
    lacking = [kind for kind in wanted if kind not in offered]
    if lacking:
        raise UsageError(f"--kinds {', '.join(lacking)}: expected some of {', '.join(offered)} for this model.")
    return tuple(kind for kind in IMAGE_KINDS if kind in wanted)


def plan_work(
    store: Store,
    reader: Reader,
    candidate: Candidate,
    view: View,
    asked: Sequence[str],
    texts: Pairs = (),
    captions: Sequence[str] = (),
) -> Work:
    """Compare what is asked of a model and a dataset with what is committed.

    Parameters
    ----------
    texts
        Prompt sets and class lists of the heads of a zero-shot model.
    captions
        Captions that a zero-shot model is to encode.
    """
    backbone = candidate.backbone
    image_kinds = kinds_for(backbone, asked)
    kinds = (*image_kinds, *(TEXT_KINDS if texts else ("text",) if captions else ()))
    if view.facts.get("virtual") and image_kinds:
        raise UsageError(
            f"dataset {view.name} is a list without images on this machine; "
            f"`assay-extract index {view.name} --root DIR` "
            "finds them, or `assay-cache ingest` brings numbers made elsewhere."
        )
    space = Space(dict(backbone.identity()), dict(candidate.provenance))
    packs = reader.needed_packs(view)
    text = plan_text(reader, space, texts, captions)
    request = Request(
        verb="run",
        model=candidate.name,
        facts=candidate.facts,
        dataset=view.name,
        version=view.id,
        kinds=kinds,
        space=space.id,
        label=space.label,
        packs=packs,
        classes="" if candidate.classes is None else candidate.classes.id,
        heads=tuple((job.prompts.id, job.classes.id) for job in text.asked),
        extra=text.extra,
    )
    units = []
    nbytes = text.nbytes(backbone.text_width()) if isinstance(backbone, ZeroShot) else 0
    row_bytes = backbone.row_bytes()
    for pack in packs:
        states = {kind: reader.state(reader.unit(kind, space, pack)) for kind in image_kinds}
        missing = tuple(kind for kind in image_kinds if states[kind] is State.ABSENT)
        lost = tuple(kind for kind in image_kinds if states[kind] is State.LOST)
        if missing or lost:
            images = len(reader.pack(pack).items)
            units.append(UnitPlan(space.id, space.label, pack, images, missing, lost))
            nbytes += images * sum(row_bytes[kind] for kind in missing)
    others = tuple(
        other
        for other in store.requests().live
        if other.of_images
        and (other.model, other.dataset) == (request.model, request.dataset)
        and not same_binding(other, request)
    )
    needed = view.table["image_id"].n_unique()
    return Work(candidate, view, space, request, tuple(units), needed, nbytes, others, text)


def same_but_for_pixels(store: Store, work: Work) -> Space | None:
    """Return a space of the same model that differs in nothing but the pixel probe.

    The probe is what a Pillow upgrade moves; everything else equal, it is the same model on other pixels.
    """
    ours = _without_probe(work.space.identity)
    for request in store.requests().live:
        if request.binds and request.model == work.candidate.name and request.space != work.space.id:
            other = store.space(request.label)
            if _without_probe(other.identity) == ours:
                return other
    return None


def _without_probe(identity: Mapping[str, Any]) -> dict[str, Any]:
    preprocess = {key: value for key, value in identity.get("preprocess", {}).items() if key != "probe"}
    return {**identity, "preprocess": preprocess}
