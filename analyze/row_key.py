"""The columns that all rows of a cell share. Knows names only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from manifests.canonical import digest

from .table import Result


@dataclass(frozen=True, slots=True)
class Key:
    """The columns that all rows of a cell share."""

    model: str
    group: str
    dataset: str
    protocol: str
    prompt_set: str
    inputs: str
    n_total: int

    def row(
        self, metric: str, value: float, interval: tuple[float, float], n: int, n_failed: int, **more: Any
    ) -> Result:
        """Return one row."""
        return Result(
            model=self.model,
            group=self.group,
            dataset=self.dataset,
            protocol=self.protocol,
            prompt_set=self.prompt_set,
            inputs=self.inputs,
            metric=metric,
            value=float(value),
            lo=float(interval[0]),
            hi=float(interval[1]),
            n=n,
            n_total=self.n_total,
            n_failed=n_failed,
            **more,
        )

    def given(self, inside: Key) -> Key:
        """Return the columns of what also depends on another set: a temperature that was fitted there."""
        return replace(self, inputs=digest("inputs", [inside.inputs, self.inputs]))

    def against(self, inside: Key) -> Key:
        """Return the columns of a comparison with an in-distribution set: both are read, both count."""
        return replace(
            self, inputs=digest("inputs", [inside.inputs, self.inputs]), n_total=inside.n_total + self.n_total
        )
