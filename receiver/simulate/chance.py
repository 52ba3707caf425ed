"""Chance that can be repeated: every choice of the simulation comes from a seed and a name."""

from __future__ import annotations

from random import Random


def chance(*names: object) -> Random:
    """A source of choices that depends on ``names`` alone, so that the same names always choose the same."""
    return Random("/".join(str(name) for name in names))  # noqa: S311 - a simulated day is to be repeatable, not secret
