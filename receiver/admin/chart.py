"""Stacked bars as coordinates for an SVG; the page says the same in a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 960.0, 220.0
_LEFT, _BOTTOM, _TOP = 56.0, 24.0, 8.0
_MOST_LABELS = 12


@dataclass(frozen=True)
class Bar:
    """A part of a bar: ``name`` is what it counts, the rest is its place."""

    name: str
    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True)
class Label:
    """A text below a bar or beside a line."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Chart:
    """All that is drawn. ``lines`` are the heights of lines across, with the ``scale`` beside them."""

    bars: tuple[Bar, ...]
    labels: tuple[Label, ...]
    scale: tuple[Label, ...]
    lines: tuple[float, ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = _LEFT


def stacked(columns: Sequence[tuple[str, Mapping[str, int]]], names: Sequence[str]) -> Chart:
    """A chart of ``columns``: each a label and counts by name, stacked in the order of ``names`` from below."""
    highest = _rounded(max((sum(counts.values()) for _, counts in columns), default=0))
    room = HEIGHT - _BOTTOM - _TOP
    step = (WIDTH - _LEFT) / max(1, len(columns))
    every = -(-len(columns) // _MOST_LABELS) or 1
    bars, labels = [], []
    for place, (text, counts) in enumerate(columns):
        x, y = _LEFT + place * step, HEIGHT - _BOTTOM
        for name in names:
            count = counts.get(name, 0)
            if count:
                height = room * count / highest
                y -= height
                bars.append(
                    Bar(
                        name,
                        round(x + step * 0.1, 1),
                        round(y, 1),
                        round(step * 0.8, 1),
                        round(height, 1),
                        f"{text}: {count:,}",
                    )
                )
        if place % every == 0:
            labels.append(Label(round(x + step / 2, 1), HEIGHT - 6, text))
    ticks = sorted({0, highest // 2, highest})
    lines = [round(HEIGHT - _BOTTOM - room * tick / highest, 1) for tick in ticks]
    scale = [Label(_LEFT - 6, y + 4, f"{tick:,}") for tick, y in zip(ticks, lines, strict=True)]
    return Chart(tuple(bars), tuple(labels), tuple(scale), tuple(lines))


def _rounded(highest: int) -> int:
    """The next of 2, 4, 10, 20, 40, 100 ... that is enough."""
    size = 1
    while True:
        for step in (2, 4, 10):
            if highest <= step * size:
                return step * size
        size *= 10
