"""Replays run: by whoever has taken one, slice by slice, until it has ended or is asked to stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Event, Lock, Thread

import structlog

from receiver.errors import LeaseLost, NotAllowed, ReceiverError, StoreUnavailable, WrongState
from receiver.store.finding import pushes as finding
from receiver.store.finding.filter import Filter
from receiver.store.replays import affected
from receiver.store.replays import jobs as replays
from receiver.store.replays.jobs import Advance, Replay, ReplayKind, ReplayState, Wish
from receiver.store.store import Store

from .replay_plan import Plan, Planning
from .replay_slices import Slices, Work, is_everything

LEASE = timedelta(seconds=10)
_RENEWED_AFTER = timedelta(seconds=3)
_LOOK = 1.0
_MOST_FAILURES, _SECONDS_BETWEEN = 30, 2.0
_COUNTED = 1_000_000
_MOST_SETTLED = 1_000_000_000
_log = structlog.get_logger()


@dataclass(frozen=True)
class Asked:
    """A replay as a person asks for it; to discard, a reason must be given."""

    kind: ReplayKind
    filter: Filter
    made_by: str
    reason: str = ""


class Lease:
    """Keeps a replay one's own while a slice takes long: renewed by a thread, and by each slice that ends."""

    def __init__(self, store: Store, replay_id: str, owner: str, now: Callable[[], datetime]) -> None:
        self._store, self._id, self._owner, self._now = store, replay_id, owner, now
        self._renewed, self._over = now(), Event()
        self._lock = Lock()
        self._thread = Thread(target=self._work, name="lease", daemon=True)

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def until(self) -> datetime:
        """How long it is one's own (UTC), for a slice that says so itself."""
        with self._lock:
            self._renewed = self._now()
            return self._renewed + LEASE

    def _work(self) -> None:
        while not self._over.wait(_LOOK):
            with self._lock:
                is_fresh = self._now() - self._renewed < _RENEWED_AFTER
            if is_fresh:
                continue
            try:
                with self._store.transaction() as connection:
                    replays.renew(connection, self._store.tables, self._id, self._owner, self.until())
            except ReceiverError:
                # The slice will find out: what it was about to write is not written when the lease is lost.
                continue


class Replaying:
    """Plans, starts, runs and stops replays. ``owner`` names this process, if it is to run one; ``pause`` waits for as
    many seconds as it is given.

    What a slice did and that it was done are one transaction: whoever goes on after a crash goes on exactly there.
    """

    def __init__(self, work: Work, pause: Callable[[float], object], owner: str = "") -> None:
        self._work, self._store, self._now = work, work.store, work.now
        self._owner, self._pause = owner, pause

    def plan(self, kind: ReplayKind, filter_: Filter) -> Plan:
        """What it would do; nothing is written. Raises StoreError."""
        return Planning(self._work).plan(kind, filter_)

    def start(self, asked: Asked) -> Replay:
        """Store it, for a server to run or for ``run``.

        Raises NotAllowed when no reason is given to discard, StoreError.
        """
        kind, filter_, reason = asked.kind, asked.filter, asked.reason.strip()
        if kind is ReplayKind.DISCARD and not reason:
            raise NotAllowed("A reason is needed to discard.")
        now, tables = self._now(), self._store.tables
        is_whole = kind is ReplayKind.REBUILD and is_everything(filter_)
        if not is_whole and filter_.until is None:
            # What comes from now on is settled as settings are now.
            filter_ = replace(filter_, until=now)
        with self._store.reading() as connection:
            if is_whole:
                total = affected.count_settled(connection, tables, filter_.sources, _MOST_SETTLED)
            else:
                total = finding.count(connection, tables, filter_, _COUNTED).number
        made = Replay(str(self._work.new_id()), kind, filter_, ReplayState.WAITING, now, asked.made_by, reason, total)
        with self._store.transaction() as connection:
            replays.add(connection, tables, made)
        return made

    def ask(self, replay_id: str, wish: Wish) -> Replay:
        """Have it paused or cancelled. Raises NotFound, WrongState, StoreError."""
        with self._store.transaction() as connection:
            return replays.ask(connection, self._store.tables, replay_id, wish, self._now())

    def resume(self, replay_id: str) -> Replay:
        """Have it go on. Raises NotFound, WrongState, StoreError."""
        with self._store.transaction() as connection:
            return replays.resume(connection, self._store.tables, replay_id)

    def get(self, replay_id: str) -> Replay:
        """How far it is. Raises NotFound, StoreError."""
        with self._store.reading() as connection:
            return replays.get(connection, self._store.tables, replay_id)

    def take(self, replay_id: str) -> Replay | None:
        """Make it this process's own, for ten seconds at first; None when another has it. Raises StoreError."""
        now = self._now()
        with self._store.transaction() as connection:
            return replays.take(connection, self._store.tables, replay_id, self._owner, now, now + LEASE)

    def run(
        self, replay_id: str, stop: Callable[[], bool], show: Callable[[Replay], object] = lambda _: None
    ) -> Replay:
        """Work on it until it has ended, a person stops it, or ``stop`` says so: then it is left to another.

        Raises WrongState when another works on it, or it has ended; NotFound, StoreError.
        """
        if self.take(replay_id) is None:
            found = self.get(replay_id)
            raise WrongState(f"The replay is {found.state}, and another process may be working on it.")
        try:
            with Lease(self._store, replay_id, self._owner, self._now) as lease:
                self._slices(replay_id, lease, stop, show)
        except LeaseLost:
            _log.warning("replay_lost", replay_id=replay_id)
        return self.get(replay_id)

    def _slices(self, replay_id: str, lease: Lease, stop: Callable[[], bool], show: Callable[[Replay], object]) -> None:
        slices, failures = Slices(self._work), 0
        begun = False

        def note(connection: object, done: Advance) -> None:
            replays.advance(connection, self._store.tables, replay_id, self._owner, done, lease.until())  # type: ignore[arg-type]

        while True:
            try:
                found = self.get(replay_id)
                show(found)
                if (state := _asked_for(found, stop)) is not None:
                    self._end(replay_id, state)
                    return
                if not begun:
                    slices.begin(found)
                    begun = True
                if not slices.next(found, note):
                    self._end(replay_id, ReplayState.FINISHED)
                    return
                failures = 0
            except LeaseLost:
                raise
            except StoreUnavailable:
                failures += 1
                if failures > _MOST_FAILURES:
                    raise
                self._pause(_SECONDS_BETWEEN)
            except Exception as error:  # noqa: BLE001 - whatever it is, it would come again and again
                _log.error("replay_failed", replay_id=replay_id, error=type(error).__name__)
                self._end(replay_id, ReplayState.FAILED, getattr(error, "reason", None) or type(error).__name__)
                return
            if self._store.engine.dialect.name == "sqlite":
                # There is one writer at a time, and pushes come first.
                self._pause(0.02)

    def _end(self, replay_id: str, state: ReplayState, said: str | None = None) -> None:
        with self._store.transaction() as connection:
            replays.end(connection, self._store.tables, replay_id, self._owner, state, self._now(), said)


def _asked_for(found: Replay, stop: Callable[[], bool]) -> ReplayState | None:
    """What it is to be left as now, if it is to be left."""
    if found.wish is Wish.CANCEL:
        return ReplayState.CANCELLED
    if found.wish is Wish.PAUSE:
        return ReplayState.PAUSED
    return ReplayState.RUNNING if stop() else None


class Dispatch:
    """A server's part: sees that somebody works on what waits. ``begin`` starts a process of its own for a replay,
    which works on it as ``owner``: what answers pushes is not slowed by it."""

    def __init__(
        self,
        store: Store,
        now: Callable[[], datetime],
        owner: Callable[[], str],
        begin: Callable[[str, str], Callable[[], bool]],
    ) -> None:
        self._store, self._now, self._owner, self._begin = store, now, owner, begin
        self._is_running: Callable[[], bool] | None = None

    def look(self, stop: Callable[[], bool]) -> bool:
        """Take one that waits, unless one is worked on here already; whether one was taken. Raises StoreError."""
        if self._is_running is not None and self._is_running():
            return False
        self._is_running = None
        tables, now = self._store.tables, self._now()
        with self._store.reading() as connection:
            found = replays.due(connection, tables, now)
        if found is None or stop():
            return False
        owner = self._owner()
        with self._store.transaction() as connection:
            # Of all servers one starts a process.
            taken = replays.take(connection, tables, found, owner, now, now + LEASE)
        if taken is None:
            return False
        self._is_running = self._begin(found, owner)
        return True
