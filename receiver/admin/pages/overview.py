"""The overview: what came and what became of it, how quick replies were, what is held, and who has gone quiet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from flask import Blueprint, render_template, request

from receiver.errors import SpoolError
from receiver.fields import Kind
from receiver.rhythm import Rhythm, Silence, silence
from receiver.spool import SpoolState
from receiver.store.figures import causes, reply_times
from receiver.store.figures import counts as figures
from receiver.store.figures.counts import Slot, Span
from receiver.store.pushes import Outcome

from ..access import Role, current_person, needs
from ..chart import Chart, stacked
from ..desk import Desk

_HOURS, _DAYS = 48, 30
_CAUSES = 5
_SHARES = (0.5, 0.95, 0.99)


@dataclass(frozen=True)
class Quiet:
    """One source and kind: when the last push came (UTC), and what that means for its rhythm.

    ``by_working_hours``: the silence that is allowed counts those alone.
    """

    source: str
    kind: Kind
    last: datetime | None
    silence: Silence
    by_working_hours: bool


@dataclass(frozen=True)
class Times:
    """How long the replies of a span took, in seconds, by share: half, 95 and 99 of a hundred; None of none."""

    name: str
    replies: int
    shares: tuple[float | None, ...]


def blueprint(desk: Desk) -> Blueprint:
    """``/``."""
    pages = Blueprint("overview", __name__)

    @pages.get("/")
    @needs(Role.VIEWER)
    def show() -> str:
        desk.figures.counts()
        span = Span.DAY if request.args.get("by") == "day" else Span.HOUR
        person, tables, now, zone = current_person(), desk.store.tables, desk.now(), desk.zone(None)
        sources = [name for name in desk.sources if person.sees(name)]
        length = timedelta(days=_DAYS) if span is Span.DAY else timedelta(hours=_HOURS)
        with desk.store.reading() as connection:
            slots = figures.overview(connection, tables, person.sources, now - length, now, span, zone)
            held = figures.held_by_source(connection, tables, person.sources)
            last = figures.last_pushes(connection, tables, sources)
            open_causes = causes.causes(connection, tables, person.sources, limit=_CAUSES, only_waiting=True)
            rows = reply_times.times(connection, tables, person.sources, now - timedelta(days=1), now)
        quiet = [
            _quiet(desk.rhythms[source], source, kind, at, now, desk.zone(source))
            for (source, kind), at in last.items()
        ]
        recent = [row for row in rows if row.hour > now - timedelta(hours=2)]
        return render_template(
            "overview.html",
            by_day=span is Span.DAY,
            slots=slots[::-1],
            chart=_chart(slots, desk, span),
            outcomes=list(Outcome),
            kinds=list(Kind),
            held=sum(held.values()),
            quiet=quiet,
            causes=open_causes,
            times=[_times("Last two hours", recent), _times("Last day", rows)],
            today=_since_midnight(slots, now, desk),
            spool=_spool(desk),
        )

    return pages


def _quiet(rhythm: Rhythm, source: str, kind: Kind, last: datetime | None, now: datetime, zone: ZoneInfo) -> Quiet:
    expected = rhythm.expected.get(kind)
    by_hours = expected is not None and not expected.all_hours
    return Quiet(source, kind, last, silence(rhythm, kind, last, now, zone), by_hours)


def _chart(slots: list[Slot], desk: Desk, span: Span) -> Chart:
    zone = desk.zone(None)
    shape = "%-d %b" if span is Span.DAY else "%H:%M"
    columns = [
        (slot.at.astimezone(zone).strftime(shape), {str(outcome): n for outcome, n in slot.outcomes.items()})
        for slot in slots
    ]
    return stacked(columns, [outcome.value for outcome in Outcome])


def _times(name: str, rows: list[reply_times.TimesRow]) -> Times:
    return Times(name, sum(r.replies for r in rows), tuple(reply_times.percentile(rows, share) for share in _SHARES))


def _since_midnight(slots: list[Slot], now: datetime, desk: Desk) -> int:
    """Pushes of today, in the zone that is shown."""
    zone = desk.zone(None)
    today = now.astimezone(zone).date()
    return sum(slot.pushes for slot in slots if slot.at.astimezone(zone).date() == today)


def _spool(desk: Desk) -> SpoolState | None:
    try:
        return desk.spool.state() if desk.spool is not None else None
    except SpoolError:
        return None
