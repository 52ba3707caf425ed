"""The long ways of ``receiver replay``: pieces of work with a row of their own, run here or by a server."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import asdict
from socket import gethostname
from threading import Event
from types import FrameType
from typing import Any

import click
import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from receiver import log
from receiver.app import Parts, build_replaying, utc_now
from receiver.errors import ReceiverError
from receiver.jobs import replay_process
from receiver.jobs.replay_plan import Plan
from receiver.jobs.replaying import Asked, Replaying
from receiver.store.finding.filter import Filter
from receiver.store.people.chain import Action
from receiver.store.people.trail import Trail
from receiver.store.replays import jobs as replays
from receiver.store.replays.jobs import Replay, ReplayKind, ReplayState, Wish

from .person import by_command

_DOING = {
    ReplayKind.WALK: "Walking pushes",
    ReplayKind.REBUILD: "Rebuilding",
    ReplayKind.DISCARD: "Discarding",
    ReplayKind.TELL: "Telling",
}


class _Showing:
    """A bar on standard error, where that is a terminal; and Ctrl-C, which stops between two slices."""

    def __init__(self, *, quiet: bool) -> None:
        console = Console(stderr=True)
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        self._bar = Progress(*columns, console=console) if console.is_terminal and not quiet else None
        self._task = self._bar.add_task("") if self._bar is not None else None
        self.stopped = Event()

    def __enter__(self) -> _Showing:
        self._before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        for number, before in self._before.items():
            signal.signal(number, before)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopped.set()

    def show(self, found: Replay) -> None:
        """Say how far it is."""
        if self._bar is not None and self._task is not None:
            total = max(found.total, found.done)
            self._bar.update(self._task, description=_DOING[found.kind], total=total, completed=found.done)


def _name() -> str:
    return f"{gethostname()}:{os.getpid()}"


def plan(parts: Parts, kind: ReplayKind, filter_: Filter, *, as_json: bool) -> None:
    """Say what would come of it."""
    found = build_replaying(parts, Event().wait).plan(kind, filter_)
    click.echo(json.dumps({"dry_run": True, **asdict(found)}) if as_json else _planned(found))


def start(parts: Parts, kind: ReplayKind, filter_: Filter, reason: str, *, as_json: bool) -> None:
    """Start it and run it to its end; Ctrl-C pauses it."""
    replaying = build_replaying(parts, Event().wait, _name())
    who = by_command().person
    replay_id = replaying.start(Asked(kind, filter_, who, reason)).id
    details = {"kind": kind.value, "criteria": sorted(filter_.to_json())}
    Trail(parts.store, utc_now).note(
        who, Action.REPLAY_STARTED, about_kind="replay", about=replay_id, reason=reason or None, details=details
    )
    _run(replaying, replay_id, as_json=as_json)


def go_on(parts: Parts, replay_id: str, *, as_json: bool) -> None:
    """Run one that is there, from where it is; Ctrl-C pauses it."""
    replaying = build_replaying(parts, Event().wait, _name())
    if replaying.get(replay_id).state in (ReplayState.PAUSED, ReplayState.FAILED):
        replaying.resume(replay_id)
        _note(parts, Action.REPLAY_RESUMED, replay_id)
    _run(replaying, replay_id, as_json=as_json)


def _run(replaying: Replaying, replay_id: str, *, as_json: bool) -> None:
    with _Showing(quiet=as_json) as showing:
        found = replaying.run(replay_id, showing.stopped.is_set, showing.show)
        if found.state is ReplayState.RUNNING and showing.stopped.is_set():
            found = replaying.ask(replay_id, Wish.PAUSE)
    click.echo(json.dumps(_as_json(found)) if as_json else _said(found))


def serve(parts: Parts, replay_id: str, owner: str, parent: int) -> None:
    """Run one for the server that has taken it as ``owner``; when the server ends it is left to another."""
    log.configure(parts.settings.env.log_level)
    with _Showing(quiet=True) as showing:
        replay_process.give_way(parent)
        _log = structlog.get_logger().bind(replay_id=replay_id)
        _log.info("replay_taken")
        try:
            found = build_replaying(parts, showing.stopped.wait, owner).run(replay_id, showing.stopped.is_set)
        except ReceiverError as error:  # a server looks again
            _log.warning("replay_left", reason=error.reason)
            return
    _log.info("replay_left", state=found.state, done=found.done)


def ask(parts: Parts, replay_id: str, wish: str, *, as_json: bool) -> None:
    """Have it paused, cancelled or resumed, wherever it runs."""
    replaying = build_replaying(parts, Event().wait)
    if wish == "resume":
        found, action = replaying.resume(replay_id), Action.REPLAY_RESUMED
    else:
        found = replaying.ask(replay_id, Wish(wish))
        action = Action.REPLAY_PAUSED if wish == Wish.PAUSE else Action.REPLAY_CANCELLED
    _note(parts, action, replay_id)
    click.echo(json.dumps(_as_json(found)) if as_json else _said(found))


def show_all(parts: Parts, *, as_json: bool) -> None:
    """List the last fifty."""
    with parts.store.reading() as connection:
        found = replays.find(connection, parts.store.tables)
    for replay in found:
        click.echo(json.dumps(_as_json(replay)) if as_json else _line(replay))
    if not found and not as_json:
        click.echo("There are no replays.")


def _note(parts: Parts, action: Action, replay_id: str) -> None:
    Trail(parts.store, utc_now).note(by_command().person, action, about_kind="replay", about=replay_id)


def _as_json(found: Replay) -> dict[str, Any]:
    row = {**asdict(found), "filter": found.filter.to_json()}
    moments = ("made_at", "began_at", "ended_at", "owner_until")
    row |= {name: row[name].isoformat() for name in moments if row[name] is not None}
    return {name: value for name, value in row.items() if name not in ("owner", "owner_until", "place")}


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in counts.items()) or "nothing"


def _line(found: Replay) -> str:
    counts = _counts(dict(found.counts))
    made_at = found.made_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{found.id}  {made_at}  {found.kind}  {found.state}  {found.done} of {found.total}: {counts}"


def _said(found: Replay) -> str:
    said = [_line(found)]
    if found.said:
        said.append(f"It failed: {found.said}. `receiver replay --job {found.id}` tries again from where it is.")
    if found.state is ReplayState.PAUSED:
        said.append(f"Paused: what was done stays done. `receiver replay --job {found.id}` goes on;")
        said.append(f"`receiver replay --resume {found.id}` has a server go on, `--cancel {found.id}` ends it.")
    if found.wish is not None:
        said.append(f"It is asked to {found.wish}, and does so after the step under way.")
    return "\n".join(said)


def _planned(found: Plan) -> str:
    total = f"{found.total.number}" if found.total.is_exact else f"more than {found.total.number}"
    said = [f"{found.kind}: {total} found, {found.looked_at} looked at. Would be: {_counts(found.counts)}."]
    said += [f"  {o.push_id} record {o.position}: {o.outcome}" for o in found.examples]
    if not found.is_complete:
        said.append("Only a part was looked at.")
    said.append("Dry run: nothing was written.")
    return "\n".join(said)
