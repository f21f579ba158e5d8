"""What open_clip knows of an architecture and tag before anything is built: configuration, preprocessing, weights.

Everything here is a lookup in open_clip's registry or in an `open_clip_config.json`; no tensor is made. What the
library only warns of, a QuickGELU where the weights were trained without or the other way round, is an error here.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import open_clip
from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict

from extract.changed_transform import with_pixel_step, with_straight_resize
from extract.transform_steps import Transform
from extract.weights import FileWeights, HubWeights, LibraryWeights, RandomWeights, WeightsSource, hub_file
from manifests.errors import UsageError

from .geometry import NATIVE, Geometry
from .open_clip_twins import check_activation

CONFIG_FILE: Final = "open_clip_config.json"
HUB_FILES: Final = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
SCHEMES: Final = ("hf-hub:", "local-dir:")
INTERPOLATIONS: Final = ("bicubic", "bilinear")

Family = Literal["vit", "resnet", "timm"]


@dataclass(frozen=True, slots=True)
class OpenClipConfig:
    """A resolved open_clip model.

    name
        Architecture; for a saved model a name made from its configuration, since a folder's name says nothing.
    source
        What `open_clip.create_model` takes to build it.
    tag
        The library's tag that was named; "" for none.
    model
        The architecture's configuration: embed_dim, vision_cfg, text_cfg, quick_gelu, ...
    preprocess
        Fields of open_clip's `PreprocessCfg`.
    forced
        (height, width) where another input size than the architecture's own was asked for.
    weights
        Where the tensors are: never `LibraryWeights`.
    paired
        Whether the library itself pairs these weights with this architecture.
    """

    name: str
    source: str
    tag: str
    model: Mapping[str, Any]
    preprocess: Mapping[str, Any]
    forced: tuple[int, int] | None
    weights: WeightsSource
    paired: bool

    @property
    def family(self) -> Family:
        """The kind of image tower."""
        vision = self.model["vision_cfg"]
        if vision.get("timm_model_name"):
            return "timm"
        return "resnet" if isinstance(vision.get("layers", 12), list | tuple) else "vit"

    @property
    def native(self) -> tuple[int, int]:
        """Height and width that the architecture was made for."""
        return _pair(self.model["vision_cfg"].get("image_size", 224))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the input in pixels."""
        return self.forced or self.native

    @property
    def embeds(self) -> bool:
        """Whether there are image embeddings at this size.

        A ModifiedResNet pools by attention with one learned position for each cell of its native grid; open_clip
        has no way to carry them over to another grid, so that at another size only patches are left.
        """
        return self.family != "resnet" or self.size == self.native

    @property
    def context_length(self) -> int:
        """Tokens of a sentence."""
        return int(self.model["text_cfg"].get("context_length", open_clip.tokenizer.DEFAULT_CONTEXT_LENGTH))

    def transform(self, pixel_step: Mapping[str, Any] | None = None, geometry: Geometry = NATIVE) -> Transform:
        """Return open_clip's own evaluation transform, or the straight resize of a geometry."""
        height, width = self.size
        size = height if height == width else (height, width)
        cfg = PreprocessCfg(**merge_preprocess_dict(dict(self.preprocess), {"size": size}))
        transform: Transform = image_transform_v2(cfg, is_train=False)
        if geometry.size is not None:
            transform = with_straight_resize(transform, geometry.size, self.size, geometry.mean_std)
        return with_pixel_step(transform, pixel_step, geometry.size or self.size)


def resolve_config(
    arch: str,
    weights: WeightsSource,
    *,
    image_size: int | tuple[int, int] | None = None,
    interpolation: str | None = None,
    offline: bool = False,
) -> OpenClipConfig:
    """Look a model up.

    Parameters
    ----------
    arch
        `ARCH`, `ARCH/TAG`, `hf-hub:ORG/NAME` or `local-dir:DIR` (a folder with `open_clip_config.json` and weights).
        With a tag, the preprocessing is the tag's, wherever the weights come from.

    Raises
    ------
    UsageError
        For a name or tag that open_clip does not know, with the closest ones; for a tag that was trained with another
        activation than the architecture has, naming the right architecture; for a size or interpolation it cannot
        make; for weights from a file when the architecture's tags do not agree on their preprocessing.
    """
    forced = _forced(image_size)
    if interpolation is not None and interpolation not in INTERPOLATIONS:
        raise UsageError(f"interpolation {interpolation!r}; open_clip knows {' and '.join(INTERPOLATIONS)}")
    if arch.startswith(SCHEMES):
        name, source, model, overlay, own = _saved_model(arch, offline)
        tag, paired = "", isinstance(weights, LibraryWeights)
        weights = own if isinstance(weights, LibraryWeights) else weights
    else:
        name, tag = _split(arch, weights)
        source, model = name, open_clip.get_model_config(name)
        overlay = _overlay(name, tag, weights)
        check_activation(name, tag, model, overlay)
        paired = isinstance(weights, LibraryWeights)
        if isinstance(weights, LibraryWeights):
            weights = _library_weights(name, tag, overlay)
    preprocess = merge_preprocess_dict(
        merge_preprocess_dict(PreprocessCfg(), overlay), {"interpolation": interpolation}
    )
    preprocess.pop("size")
    if forced == _pair(model["vision_cfg"].get("image_size", 224)):
        forced = None
    return OpenClipConfig(name, source, tag, model, preprocess, forced, weights, paired)


def _forced(image_size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if image_size is None:
        return None
    size = _pair(image_size)
    if min(size) < 1:
        raise UsageError(f"image size {size[0]} x {size[1]}: expected at least 1 pixel")
    return size


def _pair(size: Any) -> tuple[int, int]:
    height, width = (size, size) if isinstance(size, int) else size
    return int(height), int(width)


def _split(arch: str, weights: WeightsSource) -> tuple[str, str]:
    known = open_clip.list_models()
    name, _, tag = arch.partition("/")
    if name not in known and arch.replace("/", "-") in known:
        # OpenAI writes ViT-B/32.
        name, tag = arch.replace("/", "-"), ""
    if name not in known:
        near = difflib.get_close_matches(name, known, 3)
        hint = f"; close to it: {', '.join(near)}" if near else ""
        raise UsageError(f"open_clip {open_clip.__version__} has no architecture {name!r}{hint}")
    if isinstance(weights, LibraryWeights) and weights.tag not in ("", tag):
        if tag:
            raise UsageError(f"{arch} and the weights hub:{weights.tag} name two tags; keep one")
        tag = weights.tag
    return name, tag


def _overlay(name: str, tag: str, weights: WeightsSource) -> dict[str, Any]:
    """Return the pretrained configuration of a tag; without one, what all tags of the architecture agree on."""
    tags = open_clip.list_pretrained_tags_by_model(name)
    if tag:
        found = open_clip.get_pretrained_cfg(name, tag)
        if not found:
            raise UsageError(_no_tag(name, tag, tags))
        return dict(found)
    if isinstance(weights, LibraryWeights):
        raise UsageError(
            f"{name}: which weights? Name a tag, open_clip:{name}/TAG, of {', '.join(tags) or '(it has none)'}; or "
            "give --weights FILE or --weights random:SEED"
        )
    # Without a tag open_clip takes OpenAI's mean and std for everything, also for a SigLIP.
    fields = [merge_preprocess_dict({}, open_clip.get_pretrained_cfg(name, one)) for one in tags]
    if fields and all(other == fields[0] for other in fields):
        return fields[0]
    if fields and not isinstance(weights, RandomWeights):
        different = next(one for one, other in zip(tags, fields, strict=True) if other != fields[0])
        raise UsageError(
            f"{name}: its tags differ in mean, std or resizing ({tags[0]} and {different}, for one), so weights from "
            f"a file do not tell how images are to be prepared. Name the tag that they descend from, "
            f"open_clip:{name}/TAG, besides --weights"
        )
    return {}


def _no_tag(name: str, tag: str, tags: list[str]) -> str:
    plain = name.removesuffix("-quickgelu")
    if name != plain and plain in open_clip.list_pretrained_models_by_tag(tag):
        return f"{name}/{tag}: the weights were trained with GELU, and {name} has QuickGELU. Use {plain}"
    return f"open_clip has no tag {tag!r} for {name}; it has {', '.join(tags) or 'none'}"


def _library_weights(name: str, tag: str, overlay: Mapping[str, Any]) -> WeightsSource:
    repository, _, filename = str(overlay.get("hf_hub") or "").rpartition("/")
    if not repository:
        raise UsageError(
            f"open_clip names no hub repository for {name}/{tag}; download {overlay.get('url') or 'its weights'} "
            "and give --weights FILE"
        )
    if not filename:
        return HubWeights(repository, HUB_FILES)
    stem, _, suffix = filename.rpartition(".")
    # As open_clip does: the safe format first, where the repository has it.
    safe = (f"{stem}.safetensors",) if suffix in ("bin", "pth") else ()
    return HubWeights(repository, (*safe, filename))


def _saved_model(arch: str, offline: bool) -> tuple[str, str, dict[str, Any], dict[str, Any], WeightsSource]:
    scheme, _, where = arch.partition(":")
    own: WeightsSource
    if scheme == "hf-hub":
        repository, _, revision = where.partition("@")
        path = hub_file(repository, [CONFIG_FILE], revision=revision or None, offline=offline)
        own = HubWeights(repository, HUB_FILES, revision or None)
    else:
        path = Path(where) / CONFIG_FILE
        found = [path.parent / file for file in HUB_FILES if (path.parent / file).is_file()]
        if not path.is_file() or not found:
            raise UsageError(f"{arch}: expected a folder with {CONFIG_FILE} and {' or '.join(HUB_FILES)}")
        own = FileWeights(found[0])
    try:
        body = json.loads(path.read_bytes())
        model, overlay = dict(body["model_cfg"]), dict(body.get("preprocess_cfg") or {})
        name = _name(model)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path.name} of {arch} is not an open_clip configuration: {error!r}") from None
    return name, f"local-dir:{path.parent}", model, overlay, own


def _name(model: Mapping[str, Any]) -> str:
    vision = model["vision_cfg"]
    if vision.get("timm_model_name"):
        return str(vision["timm_model_name"])
    layers = vision.get("layers", 12)
    if isinstance(layers, list | tuple):
        return f"ModifiedResNet-{'-'.join(map(str, layers))}-w{vision.get('width', 64)}"
    return f"ViT-{layers}x{vision.get('width', 768)}-p{vision.get('patch_size', 16)}"
