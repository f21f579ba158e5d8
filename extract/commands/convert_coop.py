"""`assay-extract convert coop`: learned prompts, as another head on the base's embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from cache.console import Options, log

from .derivation import Derivation, Target

DEFAULT_OPTIONS = Options()


def coop(
    file: Path,
    *,
    target: Target,
    class_names: Path | None = None,
    classes: Path | None = None,
    position: Literal["end", "middle", "front"] = "end",
    weights: str = "",
    device: str = "auto",
    offline: Annotated[bool, Parameter(negative="")] = False,
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Make a model of a learned context of CoOp: the base's embeddings under a head of its own.

    Parameters
    ----------
    file
        prompt_learner/model.pth.tar-50 as CoOp writes it.
    class_names
        `key name` lines, such as CoOp's classnames.txt; else the names of the classes.
    classes
        The classes to tell apart: a file as in `run`, or the id of a label space; none means imagenet-1k.
    position
        Where the class name stands among the learned vectors.
    weights
        Of the base, as in `run`, where its name alone does not say them.
    device
        As in `run`.
    offline
        As in `run`.
    """
    from extract.converting.adapter_files import read_context
    from extract.converting.artefact import Source
    from extract.derived import learned_prompts, recipes
    from extract.preflight import choose_device
    from extract.resolve import Choice, candidate, named_models
    from extract.sources import Memo

    opened = Derivation.open(target, options)
    source, context = Source.of("context", file), read_context(file)
    listed = opened.classes(classes)
    if class_names is None:
        names = listed.names
        log.info("class names are those of the class list; CoOp has names of its own (--class-names classnames.txt)")
    else:
        names = learned_prompts.read_class_names(class_names, listed)
    choice = Choice(weights=weights, offline=offline)
    (named,) = named_models(opened.catalogue, [target.base], choice)
    backbone: Any = candidate(opened.catalogue, named, choice, Memo(opened.store)).backbone
    for parent in opened.parents:
        learned_prompts.check_text_half(backbone, parent.space, target.base)
    backbone.load(choose_device(device))
    try:
        head = learned_prompts.learned_head(backbone, names, context, position)
    finally:
        backbone.close()
    prompts = learned_prompts.prompts_of(source.sha256, listed, names, context, position)
    parameters = {"position": position, "vectors": int(context.shape[-2])}
    identity = {"file": source.sha256, "prompts": prompts.id, "parameters": parameters}
    return opened.finish(recipes.coop(opened.reader, listed, prompts, head, identity), "coop", (source,), parameters)
