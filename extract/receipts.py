"""What workers say of what they have written, and what a run adds up to. Values only; nothing here writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cache.commits import RowFailure

from .plan import UnitPlan


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a worker says of a unit it has written."""

    unit: UnitPlan
    outcomes: dict[str, str]
    failures: tuple[RowFailure, ...]
    seconds: float
    largest_difference: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TextReceipt:
    """What a worker says of the text of a space."""

    label: str
    sentences: int
    heads: int
    failures: tuple[RowFailure, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class RunReport:
    """What became of a plan."""

    run: str
    receipts: tuple[Receipt, ...]
    models_constructed: int
    texts: tuple[TextReceipt, ...] = ()

    @property
    def failures(self) -> tuple[RowFailure, ...]:
        """Every row without numbers."""
        return tuple(failure for receipt in (*self.texts, *self.receipts) for failure in receipt.failures)

    def images_per_second(self) -> dict[str, float]:
        """Return the speed of each space, decoding and writing included."""
        images: dict[str, int] = {}
        seconds: dict[str, float] = {}
        for receipt in self.receipts:
            images[receipt.unit.label] = images.get(receipt.unit.label, 0) + receipt.unit.images
            seconds[receipt.unit.label] = seconds.get(receipt.unit.label, 0.0) + receipt.seconds
        return {label: round(count / max(seconds[label], 1e-9), 3) for label, count in images.items()}

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "run": self.run,
            "units": len(self.receipts),
            "images": sum(receipt.unit.images for receipt in self.receipts),
            "sentences": sum(receipt.sentences for receipt in self.texts),
            "heads": sum(receipt.heads for receipt in self.texts),
            "seconds": round(sum(receipt.seconds for receipt in self.receipts), 3),
            "models_constructed": self.models_constructed,
            "images_per_second": self.images_per_second(),
            "failures": [{"item": f.item, "status": f.status, "detail": f.detail} for f in self.failures],
            "nondeterminism": [
                {"space": r.unit.label, "pack": r.unit.pack, "kind": kind, "largest_difference": difference}
                for r in self.receipts
                for kind, difference in r.largest_difference.items()
            ],
        }
