"""Live progress: a table on a terminal, lines of text or JSON anywhere else."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table

from receiver.simulate import Progress

_SECONDS_BETWEEN_LINES = 2.0


def figures(progress: Progress, pushes: Mapping[str, int] | None = None) -> dict[str, object]:
    """The counts of a simulation by name, and those of the receiver's pushes by outcome where they are known."""
    sent = progress.figures
    counts: dict[str, object] = {
        "simulated_time": progress.clock.isoformat(timespec="minutes") if progress.clock else None,
        "rows": {"waiting": progress.waiting, "actioned": progress.actioned, "failed": progress.failed},
        "requests": {
            "sent": sent.requests,
            "sent_twice": sent.repeated,
            "connections_dropped": sent.dropped,
            "partly_held": sent.held,
        },
    }
    return counts if pushes is None else {**counts, "pushes": dict(pushes)}


class Screen(AbstractContextManager["Screen"]):
    """Shows progress as it comes. ``lines_of_json``: an object a line, for programs. ``quiet``: nothing on the way."""

    def __init__(self, *, lines_of_json: bool = False, quiet: bool = False) -> None:
        self._json, self._quiet = lines_of_json, quiet
        self._console = Console(stderr=False)
        live = self._console.is_terminal and not (lines_of_json or quiet)
        self._live = Live(console=self._console, auto_refresh=False) if live else None
        self._last_line = 0.0

    def __enter__(self) -> Screen:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, progress: Progress, pushes: Mapping[str, int] | None = None) -> None:
        """Bring what is shown up to date."""
        if self._quiet:
            return
        if self._live is not None:
            self._live.update(table_of(progress, pushes), refresh=True)
            return
        if time.monotonic() - self._last_line < _SECONDS_BETWEEN_LINES:
            return
        self._last_line = time.monotonic()
        click.echo(json.dumps(figures(progress, pushes)) if self._json else line_of(progress, pushes))


def line_of(progress: Progress, pushes: Mapping[str, int] | None = None) -> str:
    """The counts on one line."""
    clock = f"{progress.clock:%a %d %b %H:%M}  " if progress.clock else ""
    rows = f"rows: {progress.waiting} waiting, {progress.actioned} Actioned, {progress.failed} failed"
    if pushes is None:
        return f"{clock}{rows}; {progress.figures.requests} requests"
    return f"{clock}{rows}; pushes: " + ", ".join(f"{n} {name}" for name, n in shown_pushes(pushes).items())


def shown_pushes(pushes: Mapping[str, int]) -> dict[str, int]:
    """Stored, duplicate and held (in part or whole), which are always shown; then whichever others there are."""
    held = pushes.get("held", 0) + pushes.get("partly_held", 0)
    always = {"stored": pushes.get("stored", 0), "duplicate": pushes.get("duplicate", 0), "held": held}
    return always | {name: n for name, n in sorted(pushes.items()) if name not in (*always, "partly_held")}


def table_of(progress: Progress, pushes: Mapping[str, int] | None = None) -> Table:
    """The counts as a table, with what was last heard."""
    table = Table(show_header=True, header_style="bold")
    table.add_column("simulated time" if progress.clock else "")
    table.add_column("activity rows", justify="right")
    table.add_column("requests", justify="right")
    if pushes is not None:
        table.add_column("pushes", justify="right")
    sent = progress.figures
    rows = f"{progress.waiting} waiting\n{progress.actioned} Actioned\n{progress.failed} failed"
    requests = f"{sent.requests} sent\n{sent.repeated} sent twice\n{sent.dropped} dropped"
    cells = [f"{progress.clock:%A %d %B %Y\n%H:%M}" if progress.clock else "", rows, requests]
    if pushes is not None:
        cells.append("\n".join(f"{count} {name}" for name, count in shown_pushes(pushes).items()))
    table.add_row(*cells)
    table.caption = sent.last[:100]
    table.caption_justify = "left"
    return table
