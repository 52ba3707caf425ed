"""The work of ``receiver replay --rebuild``: stretches of keys, by this process or by several."""

from __future__ import annotations

import gc
import json
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict
from functools import cache
from itertools import chain, islice
from multiprocessing import get_context

import click

from receiver.app import Parts, build_parts, utc_now
from receiver.intake.rebuilding import Rebuilding, Rebuilt
from receiver.settings import load_settings
from receiver.store.stretches import Stretch

from .counting import Counting

_MOST_JOBS = 4
# Less work than this is done before another process has started.
_FEW = 4


@cache
def _own() -> Rebuilding:
    """What a helping process works with: connections of its own."""
    return build_rebuilding(build_parts(load_settings(), bounded=False))


def build_rebuilding(parts: Parts) -> Rebuilding:
    """The rebuilding of all sources of the settings."""
    return Rebuilding(parts.store, parts.table, parts.sources, utc_now)


def _help(stretch: Stretch, dry_run: bool) -> Rebuilt:
    return _own().rebuild(stretch, dry_run=dry_run)


def _begin_to_help() -> None:
    """Ctrl-C goes to every process of a terminal: the first one says when to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _seldom_collect()


def _seldom_collect() -> None:
    """What a stretch is made of has no circles, and is gone when it is done: looking for some only takes time."""
    gc.set_threshold(500_000)


def rebuild(parts: Parts, source: str | None, *, dry_run: bool, as_json: bool, jobs: int | None) -> None:
    """Rebuild current state, say how far it is, and what came of it. Raises StoreError."""
    _seldom_collect()
    rebuilding = build_rebuilding(parts)
    unknown = [] if source is not None else rebuilding.unknown()
    if not dry_run:
        rebuilding.prepare()
    overlaps = parts.store.engine.dialect.name == "postgresql"
    number = (jobs or min(os.cpu_count() or 1, _MOST_JOBS)) if overlaps else 1
    total = Rebuilt()
    with Counting(quiet=as_json) as counting:
        for done in _results(rebuilding, source, dry_run, number, counting.stopped):
            total += done
            counting.show("Notifications folded", total.notifications)
        finished = not counting.stopped()
    if as_json:
        said = {"rebuild": True, "dry_run": dry_run, "finished": finished, **asdict(total), "unknown_sources": unknown}
        click.echo(json.dumps(said))
    else:
        click.echo(_said(total, dry_run, finished, unknown))


def _results(
    rebuilding: Rebuilding, source: str | None, dry_run: bool, jobs: int, stopped: Callable[[], bool]
) -> Iterator[Rebuilt]:
    """What came of each stretch, until all are done or it is stopped; those begun are finished."""
    stretches = rebuilding.stretches(source)
    first = list(islice(stretches, _FEW)) if jobs > 1 else []
    if len(first) < _FEW:
        for stretch in chain(first, stretches):
            if stopped():
                return
            yield rebuilding.rebuild(stretch, dry_run=dry_run)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn"), _begin_to_help) as helpers:
        begun: deque[Future[Rebuilt]] = deque()
        for stretch in chain(first, stretches):
            if stopped():
                break
            begun.append(helpers.submit(_help, stretch, dry_run))
            if len(begun) > 2 * jobs:
                yield begun.popleft().result()
        for future in begun:
            if not (stopped() and future.cancel()):
                yield future.result()


def _said(total: Rebuilt, dry_run: bool, finished: bool, unknown: list[str]) -> str:
    written = (
        f"{total.bookings} bookings, {total.unavailabilities} unavailabilities ({total.changes} changes in the feed)"
    )
    found = [
        f"{total.notifications} notifications folded into {total.states} states.",
        f"{'To be rebuilt' if dry_run else 'Rebuilt'}: {written}.",
    ]
    if total.not_whole:
        found.append(f"Not rebuilt: {total.not_whole}, whose history is not whole.")
    if unknown:
        found.append(f"Left alone: sources that the settings do not know: {', '.join(unknown)}.")
    if not finished:
        found.append("Stopped before the end: what was done stays done, and running it again goes on.")
    if dry_run:
        found.append("Dry run: nothing was written.")
    return "\n".join(found)
