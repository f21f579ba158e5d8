"""From what the user typed after `--model` to models that can describe themselves.

Manifest ids, globs over them, and ad hoc: `timm:<arch>`, `open_clip:<arch>/<tag>`, saved models by `hf-hub:` or
`local-dir:`, a backbone of the user's own. Nothing is constructed here.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cache.class_file import class_list
from cache.runs import versions
from cache.texts import ClassList
from manifests.catalogue import Catalogue
from manifests.errors import UsageError
from manifests.schema import FACTS, Model
from manifests.selection import is_glob, matching, no_match, split_patterns

from .backbones.geometry import NATIVE, Geometry
from .backbones.protocol import Backbone
from .obtainable import obtainable
from .plan import Candidate
from .saved_models import SCHEMES, library_of
from .third_party import announced, is_file, open_backbone
from .weights import Memo, WeightsSource
from .weights_folder import weights_folder

log = logging.getLogger("assay")

_USUAL = "imagenet-1k"

AD_HOC = ("timm:", "open_clip:")
THIRD_PARTY = "third-party"

BY_HAND = "by-hand:"
"""Before the recipe of weights that no library brings."""

_REPOSITORY = "hub-file:"
_SOURCES = ("hub", "hub-file", "package", "random", "hf-hub")


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
    geometry: Geometry = NATIVE

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that are meant where none are named: another geometry is there for its patches."""
        return ("patches",) if self.geometry.variant else ()


@dataclass(frozen=True, slots=True)
class Named:
    """One model by name, before a library is asked."""

    name: str
    library: str
    arch: str
    weights: str
    facts: dict[str, Any]
    label_space: str
    asked: str = ""
    """What `--model` said of a model whose name in tables is another, without the folders of this machine."""
    folder: str = ""
    """The folder that `--weights` named for it, as its library saves a model."""


def named_models(catalogue: Catalogue, patterns: Sequence[str], choice: Choice) -> tuple[Named, ...]:
    """Return the models that the patterns mean, in the order of ids.

    Raises
    ------
    UsageError
        When a pattern matches nothing, options that fit one model were given for several, or a folder of weights
        lacks models that nothing else brings.
    """
    if not patterns:
        raise UsageError("--model is missing; `assay-extract list models` shows what there is.")
    found: dict[str, Named] = {}
    folder = weights_folder(choice.weights)
    # What is not in a folder of several keeps its own source.
    plain = choice if folder is None else dataclasses.replace(choice, weights="")
    for pattern in split_patterns(patterns):
        if pattern.startswith(SCHEMES):
            pattern = f"{library_of(pattern, offline=choice.offline)}:{pattern}"
        if pattern.startswith(AD_HOC):
            found[pattern] = _ad_hoc(pattern, choice)
            continue
        if is_file(pattern) or (pattern not in catalogue.models and pattern in announced()):
            found[pattern] = _third_party(pattern, choice)
            continue
        names = (pattern,) if pattern in catalogue.models else ()
        names = names or (matching(catalogue.models, pattern) if is_glob(pattern) else ())
        if not names:
            raise UsageError(
                f"{no_match(catalogue.models, pattern, 'models')}; timm:<arch> and open_clip:<arch>/<tag> are taken as "
                "they are, and so are hf-hub:ORG/NAME, local-dir:DIR and FILE.py:OBJECT"
            )
        if folder is not None:
            folder.check(names, catalogue.models)
        elif pattern not in catalogue.models:
            names = obtainable(names, catalogue.models, pattern)
        for name in names:
            weights = choice.weights if folder is None else folder.entry(name)
            found[name] = _from_manifest(catalogue.models[name], dataclasses.replace(choice, weights=weights))
    if len(found) > 1 and (plain.weights or choice.name or choice.classes is not None):
        raise UsageError(
            f"--weights, --classes and --as fit one model; the patterns mean {len(found)}: {', '.join(found)}. "
            "--weights DIR with an entry <model id>/ or <model id>.safetensors for each fits several"
        )
    return tuple(found[name] for name in sorted(found))


def _from_manifest(model: Model, choice: Choice) -> Named:
    row = dataclasses.asdict(model)
    arch = model.load_as_arch or model.arch
    if model.package:
        weights = f"package:{model.package}:{model.package_file}"
    elif model.hub and model.obtain in ("hub", "gated"):
        weights = f"{_REPOSITORY}{model.hub}:{model.hub_file}"
    elif model.pretrained:
        weights = f"hub:{model.pretrained}"
    else:
        weights = f"{BY_HAND}{model.recipe}"
    if tag := model.pretrained or model.preprocess_as:
        arch = f"{arch}{'.' if model.library == 'timm' else '/'}{tag}"
    folder = ""
    if choice.weights and Path(choice.weights).is_dir():
        # A folder as the library saves one brings its own configuration.
        folder, weights, choice = choice.weights, "hub:", dataclasses.replace(choice, weights="")
        arch = f"local-dir:{folder}"
    return Named(
        name=choice.name or model.id,
        library=model.library,
        arch=arch,
        weights=choice.weights or weights,
        facts={name: row[name] for name in FACTS if row[name] not in (None, "")},
        label_space=model.label_space,
        asked=model.id if choice.name else "",
        folder=folder,
    )


def _ad_hoc(pattern: str, choice: Choice) -> Named:
    library, _, rest = pattern.partition(":")
    if not rest:
        raise UsageError(f"--model {pattern!r}: expected timm:<arch> or open_clip:<arch>/<tag>")
    # A name carries its own tag: resnet50.a1_in1k, ViT-B-32/openai.
    local = rest.startswith("local-dir:")
    if choice.weights and (local or Path(choice.weights).is_dir()):
        raise UsageError(
            f"--model {pattern} --weights {choice.weights}: a folder as its library saves one is named by --model "
            "local-dir:DIR and brings its weights; --weights of timm:<arch> or open_clip:<arch>/<tag> is a file."
        )
    folder = Path(rest.removeprefix("local-dir:")).name
    tag = "" if local else rest.partition("." if library == "timm" else "/")[2]
    weights = choice.weights or f"hub:{tag}"
    group = choice.group or ("zero-shot-clip" if library == "open_clip" else "other")
    return Named(
        # A folder's path says nothing on another machine.
        name=choice.name or (f"{library}:{folder}" if local else pattern),
        library=library,
        arch=rest,
        weights=weights,
        facts={"group": group},
        label_space="",
        asked=f"{library}:local-dir:{folder}" if local else pattern,
    )


def _third_party(pattern: str, choice: Choice) -> Named:
    # A folder's path says nothing on another machine.
    asked = Path(pattern).name if is_file(pattern) else pattern
    facts = {"group": choice.group or "other"}
    return Named(choice.name or asked, THIRD_PARTY, pattern, choice.weights, facts, "", asked)


def candidate(
    catalogue: Catalogue, named: Named, choice: Choice, memo: Memo, pixel_step: Mapping[str, Any] | None = None
) -> Candidate:
    """Ask a library to describe a model.

    Parameters
    ----------
    pixel_step
        What a dataset does to its pixels first; it makes another space of the same model.

    Raises
    ------
    UsageError
        When the library, the weights or the classes do not fit.
    """
    classes = choice.classes
    if classes is None and named.label_space:
        classes = class_list(catalogue.labels[named.label_space])
    backbone = _backbone(named, choice, classes, memo, pixel_step)
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
    weights = f"file {Path(named.folder).name}" if named.folder else _shown_weights(named.weights)
    provenance: dict[str, Any] = {"weights": weights, "versions": versions()}
    # What brings the same numbers again: a name in tables is no argument of --model, and options make other spaces.
    if named.asked:
        provenance["model"] = named.asked
    if options := _space_options(choice):
        provenance["options"] = options
    return Candidate(named.name, named.facts, backbone, classes if count else None, provenance)


def _space_options(choice: Choice) -> list[str]:
    """Return the options of a command line that make another space of a model."""
    geometry = choice.geometry
    said = {
        "--image-size": str(choice.image_size or ""),
        "--interpolation": choice.interpolation,
        "--dtype": "" if choice.dtype == "float32" else choice.dtype,
        "--geometry": "" if geometry.size is None else "x".join(map(str, geometry.size)),
        "--layers": "" if geometry.layers == "last" else geometry.layers,
        "--normalise": "" if geometry.normalise == "model" else geometry.normalise,
    }
    return [word for option, value in said.items() if value for word in (option, value)]


def _backbone(
    named: Named, choice: Choice, classes: ClassList | None, memo: Memo, pixel_step: Mapping[str, Any] | None
) -> Backbone:
    source = weights_source(named)
    if named.library == "timm":
        from .backbones.timm_backbone import TimmBackbone

        return TimmBackbone(
            named.arch,
            source,
            num_classes=None if classes is None else len(classes.keys),
            image_size=choice.image_size,
            interpolation=choice.interpolation or None,
            dtype=choice.dtype,
            memo=memo,
            offline=choice.offline,
            pixel_step=pixel_step,
            geometry=choice.geometry,
        )
    if named.library == "open_clip":
        from .backbones.open_clip_backbone import OpenClipBackbone

        return OpenClipBackbone(
            named.arch,
            source,
            image_size=choice.image_size,
            interpolation=choice.interpolation or None,
            dtype=choice.dtype,
            memo=memo,
            offline=choice.offline,
            pixel_step=pixel_step,
            geometry=choice.geometry,
        )
    if named.library == THIRD_PARTY:
        asked = {
            "weights": named.weights,
            "num_classes": None if classes is None else len(classes.keys),
            "image_size": choice.image_size,
            "interpolation": choice.interpolation,
            "dtype": "" if choice.dtype == "float32" else choice.dtype,
            "pixel_step": pixel_step,
        }
        return open_backbone(named.arch, {key: value for key, value in asked.items() if value}, choice.geometry)
    raise UsageError(f"{named.name}: no backbone for library {named.library!r} yet; expected timm or open_clip")


def weights_source(named: Named) -> WeightsSource:
    """Return where the weights of a model are.

    Raises
    ------
    UsageError
        When no library brings them, with the manifest's words on how to get them.
    """
    from .weights import HubWeights, LibraryWeights, PackageWeights, parse_weights

    weights = named.weights
    if weights.startswith(BY_HAND):
        recipe = weights.removeprefix(BY_HAND)
        raise UsageError(
            f"no library brings the weights of {named.name}. {recipe} Give --weights FILE; or, for several "
            "models, --weights DIR with an entry <model id>/ or <model id>.safetensors for each."
        )
    if weights.startswith("package:"):
        _, distribution, pattern = weights.split(":")
        return PackageWeights(distribution, pattern)
    if weights.startswith(_REPOSITORY):
        _, repository, file = weights.split(":")
        return HubWeights(repository, (file,) if file else _usual_files(named.library))
    return LibraryWeights() if weights.startswith("hub:") else parse_weights(weights)


def _usual_files(library: str) -> tuple[str, ...]:
    if library == "timm":
        from .backbones.timm_config import HUB_FILES
    else:
        from .backbones.open_clip_config import HUB_FILES
    return HUB_FILES


def _shown_weights(weights: str) -> str:
    if not weights:
        return "the backbone's own"
    # A path of this machine says nothing elsewhere; the bytes are named by their sha256 in the space.
    return weights if weights.split(":")[0] in _SOURCES else f"file {Path(weights).name}"
