"""A push's text as numbered lines, each problem beside the line that it is about."""

from __future__ import annotations

from dataclasses import dataclass

from receiver.fields import FieldTable
from receiver.intake.explaining import Explanation, explain
from receiver.intake.source import Source
from receiver.wire import Limits, as_text, laid_out

# Larger pushes are offered for download: to lay them out and judge them again would keep people waiting.
MOST_BYTES = 256 * 1024
_MOST_LINES = 3_000


@dataclass(frozen=True)
class Line:
    """One line, numbered from 1, and what is wrong (``problems``) or odd (``warnings``) about it."""

    number: int
    text: str
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Marked:
    """``lines`` of a push, at most so many as are shown; ``more`` are left out. ``general``: problems with no line.

    ``explanation``: what the receiver would make of it now, as settings are.
    """

    lines: tuple[Line, ...]
    more: int
    general: tuple[str, ...]
    explanation: Explanation


def marked(body: bytes, source: Source, table: FieldTable, limits: Limits, most_bytes: int, *, as_sent: bool) -> Marked:
    """The push with its problems, judged as settings are now: ``as_sent``, or laid out where it can be."""
    shown = None if as_sent else laid_out(body, limits)
    judged = body if shown is None else shown.encode()
    explanation = explain(judged, source, table, limits, most_bytes)
    texts = (as_text(body) if shown is None else shown).splitlines() or [""]
    problems, warnings, general = _by_line(explanation)
    lines = [
        Line(number, text, tuple(problems.get(number, ())), tuple(warnings.get(number, ())))
        for number, text in enumerate(texts[:_MOST_LINES], start=1)
    ]
    return Marked(tuple(lines), max(0, len(texts) - _MOST_LINES), tuple(general), explanation)


def _by_line(explanation: Explanation) -> tuple[dict[int, list[str]], dict[int, list[str]], list[str]]:
    problems: dict[int, list[str]] = {}
    warnings: dict[int, list[str]] = {}
    general: list[str] = []
    if explanation.unreadable is not None:
        if explanation.line:
            problems[explanation.line] = [explanation.unreadable]
        else:
            general.append(explanation.unreadable)
    for record in explanation.records:
        for into, findings in ((problems, record.problems), (warnings, record.warnings)):
            for finding in findings:
                into.setdefault(finding.line or record.line, []).append(finding.text)
    return problems, warnings, general
