"""The contract of a backbone as checks that anybody can run on a model of their own.

    from extract.contract_kit import check_backbone, broken

    def test_my_model_keeps_the_contract():
        assert broken(check_backbone(MyBackbone())) == []

Every clause is tried on shipped pictures and on noise; a clause that raises is broken. What a backbone does not offer
(a text tower, other sizes, its library's own calls) is `absent`, never taken for kept.

Knows the protocol of backbones, no library and no store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cache.zero_shot import Head, class_weights, zero_shot_logits
from manifests.canonical import canonical_json
from manifests.errors import AssayError, UsageError

from . import intake
from .backbones.geometry import Geometry
from .backbones.protocol import STORED_DTYPES, Backbone, Reference, Referenced, Resizable, TextTower, ZeroShot
from .probe import probe_images

if TYPE_CHECKING:
    import torch

Outputs = dict[str, NDArray[Any]]

SIZES: Final = ((224, 224), (512, 512), (480, 640))
"""Sizes beside the native one at which patch grids are tried, where the backbone allows it."""

NAMES: Final = ("tench", "great white shark", "T-shirt")
TEMPLATES: Final = ("a photo of a {}.", "itap of the {}")

TOLERANCES: Final = {"float32": 1e-5, "tf32": 1e-2, "float16": 1e-2, "bfloat16": 5e-2}
"""Largest gap to the library's own call, relative to its largest number, by the arithmetic of the forward pass."""

BATCH_TOLERANCE: Final = {"logits": 1e-4, "embeddings": 1e-4, "patches": 5e-3}
"""Largest gap between a row alone and in a batch, relative to the largest number: float16 patches carry 11 bits."""


@dataclass(frozen=True, slots=True)
class Check:
    """One clause, and whether it is kept.

    result
        `holds`, `fails`, or `absent` where the backbone does not offer what the clause is about.
    detail
        What was measured, and what was allowed.
    """

    name: str
    result: Literal["holds", "fails", "absent"]
    detail: str


def broken(checks: Sequence[Check]) -> list[Check]:
    """Return the clauses that fail."""
    return [check for check in checks if check.result == "fails"]


def check_backbone(
    backbone: Backbone, device: str = "cpu", sizes: Sequence[tuple[int, int]] = SIZES
) -> tuple[Check, ...]:
    """Try every clause of the contract; the backbone is loaded, run and closed.

    Parameters
    ----------
    sizes
        (height, width) at which the patch grid is tried besides the native one.

    Raises
    ------
    AssayError
        When the weights are not here or do not fit: then there is no model to be checked.
    """
    # Weights that are not here are no broken contract.
    checks = _try("identity", lambda: _identity(backbone), through=(AssayError,))
    checks += _try("input", lambda: _input(backbone))
    if broken(checks):
        return tuple(checks)
    try:
        if loads := _try("load", lambda: _load(backbone, device), through=(AssayError,)):
            return (*checks, *loads)
        checks += _try("forward pass", lambda: _numbers(backbone))
        checks += _try("library", lambda: _library(backbone))
    finally:
        backbone.close()
    for height, width in sizes if "patches" in backbone.kinds() else ():
        name = f"patch grid at {height}x{width}"
        checks += _try(name, lambda name=name, size=(height, width): _at(backbone, name, size, device))  # type: ignore[misc]
    return tuple(checks)


def _try(name: str, clauses: Callable[[], Iterator[Check]], through: tuple[type[Exception], ...] = ()) -> list[Check]:
    found: list[Check] = []
    try:
        found.extend(clauses())
    except through:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a model's own code raises breaks the clause
        found.append(Check(name, "fails", f"{type(error).__name__}: {error}"))
    return found


def _check(name: str, holds: bool, detail: str) -> Check:
    return Check(name, "holds" if holds else "fails", detail)


# What a backbone says of itself.


def _identity(backbone: Backbone) -> Iterator[Check]:
    first = backbone.identity()
    canonical = canonical_json(first)
    yield _check("identity", canonical == canonical_json(backbone.identity()), "asked twice, the same description")
    lacking = [key for key in ("library", "architecture", "preprocess", "outputs", "dtype") if key not in first]
    if "architecture" in first and not dict(first["architecture"]).get("name"):
        lacking.append("architecture.name")
    if "preprocess" in first and not dict(first["preprocess"]).get("ops"):
        lacking.append("preprocess.ops")
    yield _check("description", not lacking, f"lacks {', '.join(lacking)}" if lacking else "every part is there")
    kinds, said = set(backbone.kinds()), set(first.get("outputs", {}))
    unknown = kinds - set(STORED_DTYPES)
    yield _check("kinds", bool(kinds) and kinds == said and not unknown, f"{sorted(kinds)}, described {sorted(said)}")


def _input(backbone: Backbone) -> Iterator[Check]:
    expected = tuple(backbone.blank().shape[1:])
    tensors = [backbone.transform(picture) for picture in pictures()]
    shapes = {tuple(tensor.shape) for tensor in tensors}
    kind = {str(tensor.dtype).removeprefix("torch.") for tensor in tensors}
    holds = shapes == {expected} and kind == {"float32"}
    yield _check("input", holds, f"pictures become {sorted(kind)} {sorted(shapes)}, expected float32 {expected}")


def pictures() -> list[Image.Image]:
    """Return RGB pictures that every model is tried on: the shipped probes, and noise of another shape."""
    shipped = [intake.decode(data).image for data in probe_images().values()]
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    return [*(image for image in shipped if image is not None), Image.fromarray(noise)]


# What it computes.


def _load(backbone: Backbone, device: str) -> Iterator[Check]:
    backbone.load(device)
    yield from ()


def _numbers(backbone: Backbone) -> Iterator[Check]:
    import torch

    kinds = backbone.kinds()
    batch = torch.stack([backbone.transform(picture) for picture in pictures()])
    whole, again = backbone.forward(batch, kinds), backbone.forward(batch, kinds)
    alone = [backbone.forward(batch[at : at + 1], kinds) for at in range(len(batch))]
    # Other company for the first row, and as much of it.
    other = backbone.forward(torch.cat([batch[:1], 1 - 2 * batch[1:].flip(-1)]), kinds)
    yield from _described(backbone, whole, len(batch))
    finite = all(np.isfinite(values).all() for values in whole.values())
    yield _check("finite", finite, "shipped pictures and noise give finite numbers")
    # The first is a drawing, the last is noise. A class token that attends to other images alone sees no picture.
    # Some libraries begin with a classifier of zeros, so that logits say nothing under random weights.
    seen = [kind for kind in kinds if kind != "logits"] or kinds
    apart = float(np.min([_gap(whole[kind][0], whole[kind][-1]) for kind in seen]))
    yield _check("pictures", apart > 0, f"two unlike pictures give numbers at least {apart:.2g} apart")
    repeat = float(np.max([_gap(whole[kind], again[kind]) for kind in kinds]))
    yield _check("determinism", repeat == 0, f"two passes differ by at most {repeat:.2g}, allowed 0")
    for kind in kinds:
        single = np.concatenate([one[kind] for one in alone])
        gap = float(np.max([_gap(single, whole[kind]), _gap(other[kind][:1], whole[kind][:1])]))
        limit = BATCH_TOLERANCE.get(kind, 1e-4) * _largest(whole[kind])
        detail = f"a row alone, in this and in other company: at most {gap:.2g}, allowed {limit:.2g}"
        yield _check(f"{kind} do not depend on batch mates", gap <= limit, detail)


def _described(backbone: Backbone, made: Outputs, rows: int) -> Iterator[Check]:
    outputs = backbone.identity()["outputs"]
    dtypes = {kind: values.dtype.name for kind, values in made.items()}
    wanted = {kind: STORED_DTYPES[kind] for kind in made}
    said = {kind: outputs[kind].get("dtype") for kind in made}
    yield _check("dtype", dtypes == wanted == said, f"{dtypes}, described as {said}, stored as {wanted}")
    for kind, values in made.items():
        facts = outputs[kind]
        expected = (rows, *facts.get("grid", ()), facts.get("width"))
        name = "patch grid" if kind == "patches" else f"{kind} width"
        yield _check(name, values.shape == expected, f"{values.shape}, described as {expected}")
    if "logits" in made:
        count = backbone.class_count()
        yield _check("class count", made["logits"].shape[1] == count, f"{count} logit columns")
    sizes = {kind: values[0].nbytes for kind, values in made.items()}
    yield _check("bytes of a row", backbone.row_bytes() == sizes, f"{sizes}, told {backbone.row_bytes()}")


def _at(backbone: Backbone, name: str, size: tuple[int, int], device: str) -> Iterator[Check]:
    if not isinstance(backbone, Resizable):
        yield Check(name, "absent", "the backbone has no at(geometry)")
        return
    try:
        other = backbone.at(Geometry(size=size))
        facts = other.identity()["outputs"]["patches"]
    except UsageError as error:
        # A model of one size says so; that is what the contract asks of it.
        yield Check(name, "absent", str(error))
        return
    grid, height, width = list(facts["grid"]), *other.blank().shape[2:]
    other.load(device)
    try:
        made = list(other.forward(other.blank(), ["patches"])["patches"].shape[1:3])
    finally:
        other.close()
    stride = facts.get("stride") or round(height / grid[0])
    # Convolutions without padding lose a cell or so.
    steps = all(abs(cells - side / stride) < 2 for cells, side in zip(made, (height, width), strict=True))
    holds = made == grid and height >= size[0] and width >= size[1] and steps
    yield _check(name, holds, f"{made}, described as {grid}, of {height}x{width} pixels in steps of {stride}")


# What the library says.


def _library(backbone: Backbone) -> Iterator[Check]:
    import torch

    if not isinstance(backbone, Referenced):
        yield Check("the library's own calls", "absent", "the backbone has no reference()")
        return
    own = backbone.reference()
    yield from _own_preprocessing(backbone, own)
    batch = torch.stack([backbone.transform(picture) for picture in pictures()])
    arithmetic = str(backbone.identity()["dtype"].get("compute", "float32"))
    tolerance = TOLERANCES.get(arithmetic, 1e-5)
    kinds = backbone.kinds()
    made, theirs = backbone.forward(batch, kinds), own.outputs(batch)
    for kind in sorted(theirs):
        yield _close(f"{kind} equal the library's own", made[kind], theirs[kind], tolerance)
    if isinstance(backbone, ZeroShot):
        yield from _own_text(backbone, own, batch, made, tolerance)


def _own_preprocessing(backbone: Backbone, own: Reference) -> Iterator[Check]:
    name = "preprocessing equals the library's own"
    pairs = [(backbone.transform(picture), own.transform(picture)) for picture in pictures()]
    if any(theirs is None for _, theirs in pairs):
        yield Check(name, "absent", "the library has no transform for this geometry or pixel step")
        return
    gap = float(np.max([_gap(ours.numpy(), theirs.numpy()) for ours, theirs in pairs if theirs is not None]))
    yield _check(name, gap == 0, f"pixels differ by at most {gap:.2g}, allowed 0")


def _own_text(
    backbone: ZeroShot, own: Reference, batch: torch.Tensor, made: Outputs, tolerance: float
) -> Iterator[Check]:
    name = "head equals the library's own"
    try:
        tower: TextTower = backbone.text_tower()
        theirs = own.head(NAMES, TEMPLATES)
    except AssayError as error:
        yield Check(name, "absent", str(error))
        return
    if theirs is None:
        yield Check(name, "absent", "the reference has no text tower")
        return
    strings = [template.replace("{}", word) for word in NAMES for template in TEMPLATES]
    features = tower.encode(strings)
    rows = np.arange(len(strings)).reshape(len(NAMES), len(TEMPLATES))
    head = Head(class_weights(features, rows.tolist()), tower.logit_scale, tower.logit_bias)
    yield _check("text width", features.shape == (len(strings), backbone.text_width()), f"{features.shape[1]}")
    # Text is float32 whatever the images are.
    yield _close(name, head.weights, theirs, TOLERANCES["float32"])
    if "embeddings" in made:
        logits = zero_shot_logits(made["embeddings"], head)
        yield _close("logits equal the library's own", logits, own.zero_shot(batch, theirs), tolerance)


def _close(name: str, ours: NDArray[Any], theirs: NDArray[Any], tolerance: float) -> Check:
    if ours.shape != theirs.shape:
        return Check(name, "fails", f"{ours.shape}, the library's {theirs.shape}")
    gap, limit = _gap(ours, theirs), tolerance * _largest(theirs)
    return _check(name, gap <= limit, f"at most {gap:.2g} apart, allowed {limit:.2g}")


def _gap(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Return the largest difference; NaN, which is no smaller than anything, where a number is not finite."""
    with np.errstate(invalid="ignore"):
        return float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max(initial=0.0))


def _largest(values: NDArray[Any]) -> float:
    return max(1.0, float(np.abs(values.astype(np.float64)).max(initial=0.0)))
