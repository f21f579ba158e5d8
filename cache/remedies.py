"""Which command brings back numbers that cannot be read here: it depends on where those of a space came from."""

from __future__ import annotations

from shlex import quote
from typing import Final

from .ingested import is_ingested
from .spaces import Space

DERIVED: Final = "derived"
"""The library of spaces whose numbers were made of cached embeddings, by `convert`."""


def is_derived(space: Space) -> bool:
    """Tell whether the numbers of a space were made of those of another."""
    return space.identity.get("library") == DERIVED


def remedy(kind: str, space: Space, *, lost: bool) -> str:
    """Say which command mends a unit.

    Parameters
    ----------
    lost
        Whether its record is here and its data are gone; else nothing of it is here.

    Examples
    --------
    >>> remedy("logits", Space({"library": "ingested"}, {}), lost=False)
    '`assay-cache ingest --model M --dataset D --kind logits FILE` again brings them.'
    >>> remedy("logits", Space({"library": "derived", "adapter": "tip-adapter"}, {}), lost=False)
    '`assay-extract convert tip-adapter ... --base B --model M --dataset D` and the options of that time make them.'
    """
    if is_ingested(space):
        again, brings = f"`{command(kind, space, 'M', 'D')}` again", " brings them."
    elif is_derived(space):
        again, brings = f"`{command(kind, space, 'M', 'D')}` and the options of that time", " make them."
    elif lost:
        again, brings = "`assay-extract run` again", ""
    elif kind in ("text", "heads"):
        again, brings = "`assay-extract run --model M --kinds text --prompts P`", " encodes them (no image pass)."
    else:
        again, brings = "`assay-extract run --model M --dataset D`", " extracts them."
    if lost:
        return f"Their record is here but their data are gone: `assay-cache repair`, then {again}."
    return f"{again}{brings}"


def command(kind: str, space: Space, model: str, dataset: str, base: str = "B") -> str:
    """Return the command that brought, and brings again, numbers of a kind in a space; dots stand for files of it.

    Parameters
    ----------
    base
        The model whose embeddings a derived one is made of; requests name it as the fact `derived_from`.

    Examples
    --------
    >>> command("logits", Space({"library": "derived", "adapter": "coop"}, {}), "mine", "toys", "clip")
    'assay-extract convert coop ... --base clip --model mine --dataset toys'
    >>> command("logits", Space({"library": "timm"}, {}), "net", "toys")
    'assay-extract run --model net --dataset toys --kinds logits'
    """
    if is_ingested(space):
        return f"assay-cache ingest --model {model} --dataset {dataset} --kind {kind} FILE"
    if is_derived(space):
        return convert_command(str(space.identity.get("adapter", "ADAPTER")), model, dataset, base)
    run = f"assay-extract run {model_options(space, model)} --dataset {dataset}"
    return run if kind == "embeddings" else f"{run} --kinds {kind}"


def convert_command(adapter: str, model: str, dataset: str, base: str) -> str:
    """Return the command that derives a model of another's embeddings; dots stand for the files of its adapter."""
    return f"assay-extract convert {adapter} ... --base {quote(base)} --model {quote(model)} --dataset {quote(dataset)}"


def model_options(space: Space, model: str) -> str:
    """Return the options of `run` that mean a model: not its name alone, where that is in no manifest.

    Parameters
    ----------
    space
        One of the model's; its provenance says what was asked for, and what brought the weights.

    Examples
    --------
    >>> model_options(Space({}, {"weights": "hub:a1_in1k"}), "resnet50.a1_in1k")
    '--model resnet50.a1_in1k'
    >>> model_options(Space({}, {"model": "timm:resnet18", "weights": "file mine.pt"}), "my-resnet")
    '--model timm:resnet18 --weights mine.pt --as my-resnet'
    >>> model_options(Space({}, {"weights": "hub:a1_in1k", "options": ["--dtype", "bfloat16"]}), "resnet50.a1_in1k")
    '--model resnet50.a1_in1k --dtype bfloat16'
    """
    asked, weights = str(space.provenance.get("model", "")), str(space.provenance.get("weights", ""))
    words = f"--model {quote(asked or model)}"
    # Other weights follow from the model's name.
    if weights.startswith(("random:", "hf-hub:", "file ")):
        words += f" --weights {quote(weights.removeprefix('file '))}"
    words += f" --as {quote(model)}" if asked not in ("", model) else ""
    return " ".join((words, *(quote(str(word)) for word in space.provenance.get("options", ()))))
