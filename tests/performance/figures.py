"""Figures: ratios, with what is required of each and what is aimed at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True)
class Figure:
    """One row of the table: the median of a ratio measured in each round.

    ``at_most``: less is better. ``required`` and ``aim`` are None where a ratio is only told. ``details`` goes into the
    JSON and says what the ratio was made of.
    """

    name: str
    ratios: Sequence[float]
    required: float | None = None
    aim: float | None = None
    at_most: bool = False
    details: Mapping[str, object] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """The median."""
        return median(self.ratios)

    def reaches(self, bound: float | None) -> bool | None:
        """Whether the median keeps to ``bound``; None for no bound."""
        if bound is None:
            return None
        return self.ratio <= bound if self.at_most else self.ratio >= bound

    def as_json(self) -> dict[str, object]:
        """All of it, for machines."""
        return {
            "name": self.name,
            "ratio": round(self.ratio, 4),
            "ratios": [round(r, 4) for r in self.ratios],
            "required": self.required,
            "aim": self.aim,
            "at_most": self.at_most,
            **self.details,
        }
