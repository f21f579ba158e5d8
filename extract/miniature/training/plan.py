"""Every model of the miniature, in one explicit list: its architecture, its pictures, its budget, its seed.

Budgets are samples seen. Models that are compared with each other (sources, data sizes, losses, curation, twins) have
equal ones; the list says which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

Kind = Literal["classifier", "clip", "fine-tuned", "probed", "simclr", "masked"]

BYOBNET: Final = "test_byobnet"
EFFICIENTNET: Final = "test_efficientnet"
VIT: Final = "vit_tiny_patch16_224"
MIXER: Final = "mixer_ti16"
VIT_ARGS: Final[dict[str, Any]] = {"img_size": 64, "embed_dim": 64, "depth": 4, "num_heads": 2}
MIXER_ARGS: Final[dict[str, Any]] = {"img_size": 64, "embed_dim": 56}

TOWERS: Final[dict[str, dict[str, Any]]] = {
    "byobnet": {"timm_model_name": BYOBNET, "timm_pool": "avg", "timm_proj": "linear"},
    "efficientnet": {"timm_model_name": EFFICIENTNET, "timm_pool": "avg", "timm_proj": "linear"},
    "vit": {"layers": 4, "width": 64, "head_width": 32, "patch_size": 16},
}
"""Image towers of CLIPs, as open_clip's configuration names them."""

ARCHS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "byobnet": (BYOBNET, {}),
    "efficientnet": (EFFICIENTNET, {}),
    "vit": (VIT, VIT_ARGS),
    "mixer": (MIXER, MIXER_ARGS),
}
"""Classifiers: timm's name and constructor arguments."""

HALF: Final = frozenset({"byobnet"})
"""Towers that bfloat16 makes faster on a CPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """One model.

    Attributes
    ----------
    id
        Of its manifest, and the name of its folder.
    kind
        classifier (cross-entropy from nothing), clip, fine-tuned (cross-entropy from `start`), probed (only a head on
        `start`), simclr and masked (pre-training without labels).
    tower
        Architecture, a key of `TOWERS` or `ARCHS`.
    source, unique
        Which pictures, and how many different ones.
    samples
        Pictures shown, repeats counted.
    start
        Id of the model whose weights it begins with.
    kept
        Whether it is a model of the study, or only a step towards one.
    """

    id: str
    kind: Kind
    tower: str
    source: str
    unique: int = 24_000
    samples: int
    rate: float
    seed: int = 0
    sigmoid: bool = False
    curated: bool = True
    side: int = 64
    start: str = ""
    kept: bool = True


def _clip(name: str, tower: str, source: str, thousands: int, **more: Any) -> Training:
    rate = 2e-3 if tower == "vit" else 3e-3
    return Training(
        id=f"mini-clip-{name}", kind="clip", tower=tower, source=source, samples=1000 * thousands, rate=rate, **more
    )


def _standard(tower: str, thousands: int, source: str = "in", **more: Any) -> Training:
    rate = 1.5e-3 if tower in ("vit", "mixer") else 2e-3
    name = f"mini-{tower}.{source}-{thousands}k"
    return Training(id=name, kind="classifier", tower=tower, source=source, samples=1000 * thousands, rate=rate, **more)


def _sources(source: str) -> tuple[Training, ...]:
    """CLIPs that both sources have: equal in everything but their pictures and the seed."""
    seed = {"a": 11, "b": 12}[source]
    return (
        _clip(f"efficientnet.{source}-24k", "efficientnet", source, 96, seed=seed),
        _clip(f"byobnet.{source}-24k", "byobnet", source, 96, seed=seed),
        _clip(f"vit.{source}-24k", "vit", source, 96, seed=seed),
        _clip(f"efficientnet.{source}-uncurated", "efficientnet", source, 96, curated=False, seed=seed),
        _clip(f"byobnet.{source}-24k-long", "byobnet", source, 144, seed=seed + 10),
        _clip(f"efficientnet.{source}-24k-long", "efficientnet", source, 144, seed=seed + 10),
    )


VARIED: Final = (
    _clip("vit.b-24k-long", "vit", "b", 160, seed=22),
    _clip("vit.b-24k-short", "vit", "b", 64, seed=32),
    _clip("byobnet.b-24k-short", "byobnet", "b", 48, seed=32),
    _clip("efficientnet.a-6k", "efficientnet", "a", 96, unique=6_000, seed=11),
    _clip("efficientnet.a-2k", "efficientnet", "a", 96, unique=2_000, seed=11),
    _clip("efficientnet.a-sigmoid", "efficientnet", "a", 96, sigmoid=True, seed=11),
)
"""Other budgets; and `mini-clip-efficientnet.a-24k` but for one thing: fewer pictures, or another loss."""

TWINS: Final = tuple(
    Training(
        id=f"mini-efficientnet.in-20k-twin{at}",
        kind="classifier",
        tower="efficientnet",
        source="in",
        samples=20_000,
        rate=2e-3,
        seed=100 + at,
    )
    for at in range(1, 11)
)
"""Equal in everything but the seed: what a contrast between any two halves of them finds is a false alarm."""

STANDARD: Final = (
    *(_standard("efficientnet", thousands, seed=23) for thousands in (16, 24, 40, 64)),
    *(_standard("byobnet", thousands, seed=22) for thousands in (20, 48)),
    _standard("vit", 110, seed=24),
    _standard("mixer", 64, seed=25),
)
"""Trained on the in-distribution set alone; they make the line that deviations are measured from."""

MORE: Final = (
    _standard("byobnet", 56, "more", seed=32),
    _standard("efficientnet", 48, "more", seed=31),
)

FINE_TUNED: Final = (
    *(
        Training(
            id=f"mini-{tower}.clip-{source}-ft",
            kind="fine-tuned",
            tower=tower,
            source="in",
            samples=24_000,
            rate=7e-4,
            seed=41,
            start=f"mini-clip-{tower}.{source}-24k",
        )
        for source in ("a", "b")
        for tower in ("efficientnet", "byobnet")
    ),
    *(
        Training(
            id=f"mini-efficientnet.clip-{source}-ft-96px",
            kind="fine-tuned",
            tower="efficientnet",
            source="in",
            samples=24_000,
            rate=7e-4,
            seed=41,
            side=96,
            start=f"mini-clip-efficientnet.{source}-24k",
        )
        for source in ("a", "b")
    ),
    *(
        Training(
            id=f"mini-efficientnet.clip-{source}-ft-more",
            kind="fine-tuned",
            tower="efficientnet",
            source="more",
            samples=24_000,
            rate=7e-4,
            seed=42,
            start=f"mini-clip-efficientnet.{source}-24k",
            kept=False,
        )
        for source in ("a", "b")
    ),
    *(
        Training(
            id=f"mini-efficientnet.clip-{source}-ft-more-in",
            kind="fine-tuned",
            tower="efficientnet",
            source="in",
            samples=24_000,
            rate=7e-4,
            seed=43,
            start=f"mini-efficientnet.clip-{source}-ft-more",
        )
        for source in ("a", "b")
    ),
)
"""CLIPs' image towers, fine-tuned by cross-entropy: one stage, a larger input, two stages."""

WITH_TEXT: Final = tuple(
    Training(
        id=f"mini-clip-{tower}.{source}-24k-flyp",
        kind="clip",
        tower=tower,
        source="in",
        samples=24_000,
        rate=7e-4,
        seed=44,
        start=f"mini-clip-{tower}.{source}-24k",
    )
    for source, tower in (("a", "efficientnet"), ("b", "efficientnet"))
)
"""Fine-tuned with both towers, by the loss that they were trained with."""

WITHOUT_LABELS: Final = (
    Training(
        id="mini-efficientnet.simclr-tower",
        kind="simclr",
        tower="efficientnet",
        source="in",
        samples=64_000,
        rate=2e-3,
        seed=51,
        kept=False,
    ),
    Training(
        id="mini-efficientnet.simclr",
        kind="probed",
        tower="efficientnet",
        source="in",
        samples=48_000,
        rate=1e-2,
        seed=51,
        start="mini-efficientnet.simclr-tower",
    ),
    Training(
        id="mini-vit.mae-tower",
        kind="masked",
        tower="vit",
        source="in",
        samples=100_000,
        rate=1.5e-3,
        seed=53,
        kept=False,
    ),
    Training(
        id="mini-vit.mae",
        kind="fine-tuned",
        tower="vit",
        source="in",
        samples=60_000,
        rate=1e-3,
        seed=53,
        start="mini-vit.mae-tower",
    ),
)

MODELS: Final = (
    *STANDARD,
    *_sources("b"),
    *_sources("a"),
    *VARIED,
    *MORE,
    *FINE_TUNED,
    *WITH_TEXT,
    *WITHOUT_LABELS,
    *TWINS,
)
"""All of them; a model stands after the one that it begins with."""
