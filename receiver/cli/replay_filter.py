"""Which pushes a command is about: the options that make a filter."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from receiver.fields import Kind
from receiver.store.finding.filter import Filter
from receiver.store.notifications import NotificationStatus
from receiver.store.pushes import Outcome

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _moment(value: str) -> datetime:
    """A date, or a date and time, in ISO form; UTC unless it says otherwise."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        text = f"{value!r} is no date or time, e.g. 2026-03-01 or 2026-03-01T08:00:00+00:00."
        raise click.BadParameter(text) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _choice(of: type[Kind | Outcome | NotificationStatus]) -> click.Choice[str]:
    return click.Choice([found.value for found in of])


_OPTIONS = (
    click.option("--since", type=_moment, metavar="TIME", help="Pushes that arrived then or later (UTC)."),
    click.option("--until", type=_moment, metavar="TIME", help="Pushes that arrived before that (UTC)."),
    click.option("--kind", type=_choice(Kind), help="Pushes of that kind."),
    click.option("--outcome", type=_choice(Outcome), help="Pushes that ended so."),
    click.option("--status", type=_choice(NotificationStatus), help="Pushes with a record of that status."),
    click.option("--booking", metavar="ID", help="Pushes with a record about that booking."),
    click.option("--order", metavar="NUMBER", help="Pushes with a record about that order, by any of its numbers."),
    click.option("--resource", metavar="ID", help="Pushes with a record about that resource."),
    click.option("--cause", metavar="ID", help="Pushes held or refused for that cause."),
    click.option("--words", metavar="TEXT", help="Pushes with a record that holds all of these words."),
)


def filter_options(command: _Command) -> _Command:
    """Give the command the options of a filter."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def filter_of(source: str | None, given: dict[str, Any]) -> Filter:
    """The filter that the options make."""
    kind, outcome, status = given["kind"], given["outcome"], given["status"]
    return Filter(
        sources=(source,) if source is not None else None,
        since=given["since"],
        until=given["until"],
        kind=Kind(kind) if kind else None,
        outcome=Outcome(outcome) if outcome else None,
        status=NotificationStatus(status) if status else None,
        booking_id=given["booking"],
        order=given["order"],
        resource=given["resource"],
        cause=given["cause"],
        words=given["words"],
    )
