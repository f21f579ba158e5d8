"""From what the user typed after `--model` to models that can describe themselves.

Manifest ids, globs over them, and ad hoc `timm:<arch>` or `open_clip:<arch>/<tag>`. Nothing is constructed here.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cache.runs import versions
from cache.texts import ClassList
from manifests.catalogue import Catalogue
from manifests.errors import UsageError
from manifests.schema import Model
from manifests.selection import is_glob, matching, no_match, split_patterns

from .backbones.protocol import Backbone
from .classes import class_list
from .plan import Candidate
from .weights import Memo

log = logging.getLogger("assay")

_USUAL = "imagenet-1k"

AD_HOC = ("timm:", "open_clip:")

# Facts that describe a model in tables; how to load it is the space's business.
_FACTS = (
    "group",
    "training_source",
    "dataset",
    "dataset_size",
    "samples_seen",
    "encoder_family",
    "loss",
    "curation",
    "fine_tuning",
    "resolution",
    "parameters_m",
    "duplicate_of",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """How the named models are to be built; what is left empty is the library's own."""

    weights: str = ""
    classes: ClassList | None = None
    name: str = ""
    group: str = ""
    image_size: int | None = None
    interpolation: str = ""
    dtype: str = "float32"
    offline: bool = False


@dataclass(frozen=True, slots=True)
class Named:
    """One model by name, before a library is asked."""

    name: str
    library: str
    arch: str
    weights: str
    facts: dict[str, Any]
    label_space: str


def named_models(catalogue: Catalogue, patterns: Sequence[str], choice: Choice) -> tuple[Named, ...]:
    """Return the models that the patterns mean, in the order of ids.

    Raises
    ------
    UsageError
        When a pattern matches nothing, or options that fit one model were given for several.
    """
    if not patterns:
        raise UsageError("--model is missing; `assay-extract list models` shows what there is.")
    found: dict[str, Named] = {}
    for pattern in split_patterns(patterns):
        if pattern.startswith(AD_HOC):
            found[pattern] = _ad_hoc(pattern, choice)
            continue
        names = (pattern,) if pattern in catalogue.models else ()
        names = names or (matching(catalogue.models, pattern) if is_glob(pattern) else ())
        if not names:
            raise UsageError(f"{no_match(catalogue.models, pattern, 'models')}; timm:<arch> and open_clip:<arch>/<tag> "
                             "are taken as they are")  # fmt: skip
        found.update({name: _from_manifest(catalogue.models[name], choice) for name in names})
    if len(found) > 1 and (choice.weights or choice.name or choice.classes is not None):
        raise UsageError(
            f"--weights, --classes and --as fit one model; the patterns mean {len(found)}: {', '.join(found)}"
        )
    return tuple(found[name] for name in sorted(found))


def _from_manifest(model: Model, choice: Choice) -> Named:
    row = dataclasses.asdict(model)
    arch = model.load_as_arch or model.arch
    if model.package:
        weights = f"package:{model.package}:{model.package_file}"
    else:
        weights = f"hub:{model.pretrained}"
    if model.pretrained:
        arch = f"{arch}{'.' if model.library == 'timm' else '/'}{model.pretrained}"
    return Named(
        name=choice.name or model.id,
        library=model.library,
        arch=arch,
        weights=choice.weights or weights,
        facts={name: row[name] for name in _FACTS if row[name] not in (None, "")},
        label_space=model.label_space,
    )


def _ad_hoc(pattern: str, choice: Choice) -> Named:
    library, _, rest = pattern.partition(":")
    if not rest:
        raise UsageError(f"--model {pattern!r}: expected timm:<arch> or open_clip:<arch>/<tag>")
    # A name carries its own tag: resnet50.a1_in1k, ViT-B-32/openai.
    local = rest.startswith("local-dir:")
    tag = "" if local else rest.partition("." if library == "timm" else "/")[2]
    weights = choice.weights or f"hub:{tag}"
    group = choice.group or ("zero-shot-clip" if library == "open_clip" else "other")
    return Named(
        # A folder's path says nothing on another machine.
        name=choice.name or (f"{library}:{Path(rest.removeprefix('local-dir:')).name}" if local else pattern),
        library=library,
        arch=rest,
        weights=weights,
        facts={"group": group},
        label_space="",
    )


def candidate(catalogue: Catalogue, named: Named, choice: Choice, memo: Memo) -> Candidate:
    """Ask a library to describe a model.

    Raises
    ------
    UsageError
        When the library, the weights or the classes do not fit.
    """
    classes = choice.classes
    if classes is None and named.label_space:
        classes = class_list(catalogue.labels[named.label_space])
    backbone = _backbone(named, choice, classes, memo)
    count = backbone.class_count()
    if classes is None and count == len(catalogue.labels[_USUAL].keys):
        # An ad hoc classifier of this width is taken for what such checkpoints are; --classes says otherwise.
        log.info("%s has %d logit columns: taken for %s", named.name, count, _USUAL)
        classes = class_list(catalogue.labels[_USUAL])
    if count and classes is not None and count != len(classes.keys):
        raise UsageError(
            f"{named.name} has {count} logit columns, but {len(classes.keys)} classes were expected "
            f"({'--classes' if choice.classes is not None else named.label_space}). "
            f"Pass --classes FILE with {count} lines, one class a line, in the order of the columns."
        )
    provenance = {"weights": _shown_weights(named.weights), "versions": versions()}
    return Candidate(named.name, named.facts, backbone, classes if count else None, provenance)


def _backbone(named: Named, choice: Choice, classes: ClassList | None, memo: Memo) -> Backbone:
    if named.library == "timm":
        from .backbones.timm_backbone import TimmBackbone

        return TimmBackbone(
            named.arch,
            _source(named.weights),
            num_classes=None if classes is None else len(classes.keys),
            image_size=choice.image_size,
            interpolation=choice.interpolation or None,
            dtype=choice.dtype,
            memo=memo,
            offline=choice.offline,
        )
    if named.library == "open_clip":
        from .backbones.open_clip_backbone import OpenClipBackbone

        return OpenClipBackbone(
            named.arch,
            _source(named.weights),
            image_size=choice.image_size,
            interpolation=choice.interpolation or None,
            dtype=choice.dtype,
            memo=memo,
            offline=choice.offline,
        )
    raise UsageError(f"{named.name}: no backbone for library {named.library!r} yet; expected timm or open_clip")


def _source(weights: str) -> Any:
    from .weights import LibraryWeights, PackageWeights, parse_weights

    if weights.startswith("package:"):
        _, distribution, pattern = weights.split(":")
        return PackageWeights(distribution, pattern)
    return LibraryWeights() if weights.startswith("hub:") else parse_weights(weights)


def _shown_weights(weights: str) -> str:
    # A path of this machine says nothing elsewhere; the bytes are named by their sha256 in the space.
    return weights if weights.split(":")[0] in ("hub", "package", "random", "hf-hub") else f"file {Path(weights).name}"
