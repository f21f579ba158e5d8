"""Models that are made of others' embeddings, without a run of their own."""

from __future__ import annotations

from .schema import Model


def is_converted(model: Model) -> bool:
    """Return whether `convert` makes a model of its base's cached embeddings: no weights of its own are ever run.

    open_clip's models have no logit columns of their own; one that has them is its base under another head.

    Examples
    --------
    >>> from manifests.catalogue import load
    >>> models = load().models
    >>> is_converted(models["RN50.openai_coop"]), is_converted(models["RN50.openai_flyp"])
    (True, False)
    """
    return model.library == "open_clip" and bool(model.label_space) and bool(model.derived_from)
