"""How much is broken: a short run as part of all tests, or, with FAULTS=full, what figures are quoted from.

``make faults`` runs the full ones. FAULTS_REPORT names a file to which every campaign's figures are added, one JSON
object a line. FAULTS_SCALE, a number, multiplies the counts of either.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, fields
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Scale:
    """Counts for each campaign; ``patience`` in seconds bounds a campaign's waits for one thing to come true."""

    kill_pushes: int
    kills: int
    replies_lost: int
    database_stops: int
    terminated: int
    patience: float = 60.0


SHORT = Scale(
    kill_pushes=400,
    kills=4,
    replies_lost=3,
    database_stops=2,
    terminated=6,
)
FULL = Scale(
    kill_pushes=10_000,
    kills=50,
    replies_lost=100,
    database_stops=20,
    terminated=100,
)


def is_full() -> bool:
    """Whether the campaigns run at full size."""
    return os.environ.get("FAULTS") == "full"


def scale() -> Scale:
    """The sizes that the environment asks for."""
    chosen = FULL if is_full() else SHORT
    factor = float(os.environ.get("FAULTS_SCALE", "1"))
    sizes = {f.name: max(1, round(getattr(chosen, f.name) * factor)) for f in fields(Scale) if f.type == "int"}
    return Scale(**sizes, patience=chosen.patience)


# The whole of a campaign, in seconds: pytest's own limit is for tests of ordinary length.
campaign = pytest.mark.timeout(3600 if is_full() else 300)


def report(campaign: str, **figures: object) -> None:
    """One line for people (``pytest -s`` shows it as it comes, ``make faults`` always), one for the report's file."""
    told = "  ".join(f"{name}={_shown(value)}" for name, value in figures.items())
    print(f"\n{campaign:<34} {told}", flush=True)
    path = os.environ.get("FAULTS_REPORT")
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"campaign": campaign, **figures}, default=str) + "\n")


def _shown(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
