"""``receiver simulate``: the simulated DRS alone, against any receiver."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

import click

from receiver.fields import field_table
from receiver.simulate import (
    Credentials,
    Dialect,
    Encoding,
    Faults,
    Form,
    Plan,
    Progress,
    RowState,
    Sender,
    Simulation,
    SoapVersion,
)

from .playing import play_on, play_once
from .screen import Screen, figures, line_of

FIXED_DAY = date(2021, 5, 27)
_SHARE = click.FloatRange(0, 1)
_RATE = 5.0
_TOLD = 5


class _Form(click.Choice[str]):
    """Wire forms by letter."""

    def __init__(self) -> None:
        super().__init__([form.value for form in Form], case_sensitive=False)


def _plain(value: object) -> str:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)


def unsettled(simulation: Simulation) -> list[dict[str, object]]:
    """The rows that are not Actioned, with what was last logged of each."""
    return [
        {"row": row.id, "kind": row.kind, "state": row.state, "attempts": row.attempts, "outcome": row.outcome}
        for row in simulation.table
        if row.state is not RowState.ACTIONED
    ]


def _say(simulation: Simulation, *, as_json: bool, once: bool) -> None:
    progress, rest = simulation.progress, unsettled(simulation)
    if as_json:
        said: dict[str, object] = {**figures(progress), "not_actioned": rest}
        if once:
            said["ends"] = [asdict(end) for end in simulation.ends()]
        click.echo(json.dumps(said, default=_plain))
        return
    sent = progress.figures
    click.echo(line_of(progress))
    click.echo(
        f"{sent.repeated} requests sent twice, {sent.dropped} connections dropped, {sent.held} requests partly held."
    )
    for row in rest[:_TOLD]:
        click.echo(f"  row {row['row']} ({row['kind']}) is {row['state']}, tried {row['attempts']}x: {row['outcome']}")
    if len(rest) > _TOLD:
        click.echo(f"  and {len(rest) - _TOLD} more rows are not Actioned")


@click.command("simulate")
@click.option("--url", required=True, help="Where to push, e.g. http://127.0.0.1:8000/push/drs")
@click.option("--form", type=_Form(), default="a", show_default=True, help="Wire form.")
@click.option(
    "--soap", type=click.Choice([v.value for v in SoapVersion]), default="1.1", show_default=True, help="SOAP version."
)
@click.option("--batch", type=click.IntRange(1, 5000), default=1, show_default=True, help="Most rows in a request.")
@click.option(
    "--encoding",
    type=click.Choice([e.value for e in Encoding], case_sensitive=False),
    default="utf-8",
    show_default=True,
    help="Encoding of the documents.",
)
@click.option("--username", help="HTTP Basic user name.")
@click.option("--password", help="HTTP Basic password.", envvar="DRS_PASSWORD", show_envvar=True)
@click.option("--stories", type=click.IntRange(1, 2000), default=48, show_default=True, help="Stories a day.")
@click.option("--seed", type=int, default=1, show_default=True, help="Same seed and day: same pushes.")
@click.option(
    "--day",
    type=click.DateTime(["%Y-%m-%d"]),
    help=f"First day to play, from 2020 on.  [default: today; with --once {FIXED_DAY}]",
)
@click.option(
    "--rate",
    type=click.FloatRange(0, min_open=True),
    help=f"Rows a second, on average.  [default: {_RATE:g}; with --once as fast as answers come]",
)
@click.option("--attempts", type=click.IntRange(1), default=20, show_default=True, help="Tries before a row fails.")
@click.option("--once", is_flag=True, help="Play one day, then stop: exit 0 when every row is Actioned, else 1.")
@click.option("--duplicates", type=_SHARE, default=0.0, metavar="SHARE", help="Share of requests sent twice.")
@click.option("--reorder", is_flag=True, help="Shuffle the rows of a run, and leave some for a later run.")
@click.option("--drop", type=_SHARE, default=0.0, metavar="SHARE", help="Share of connections dropped unread.")
@click.option("--damage", type=_SHARE, default=0.0, metavar="SHARE", help="Share of records broken.")
@click.option("--suppress", multiple=True, metavar="FIELD", help="Leave this field out everywhere; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Say it as JSON, an object a line; with --once one object.")
def command(**given: Any) -> None:
    """Push days of a council's repairs at a receiver, as DRS would.

    Rows of an activity table are sent in order, and marked Actioned only when the reply is yes by every reading:
    HTTP 200, no SOAP fault, and a status of success. Other rows are sent again at a later run.

    \b
    Form a      Hackney's background service: a namespaced operation, fields by alphabet
    Form b      completedBooking with orders and bookings; what is no completion goes in form a
    Form c      NEC's ConfirmBookings; what is no confirmation goes in form a
    Form plain  no envelope

    \b
    Try one day of everything, then the same with trouble on the way:
      receiver simulate --url http://127.0.0.1:8000/push/drs --once
      receiver simulate --url http://127.0.0.1:8000/push/drs --once --form c --batch 20 \\
          --duplicates 0.2 --reorder --drop 0.1
    Then what a receiver does with records it cannot take, and with a field missing:
      receiver simulate --url http://127.0.0.1:8000/push/drs --damage 0.05 --suppress contract

    With changedDate suppressed the order of arrival is all a receiver can go by, so with --reorder or --drop the ends
    of stories cannot be known, and --json leaves them out. Ctrl-C stops with a summary.
    """
    if (given["username"] is None) != (given["password"] is None):
        raise click.UsageError("--username and --password go together.")
    credentials = Credentials(given["username"], given["password"]) if given["username"] is not None else None
    once, as_json = bool(given["once"]), bool(given["as_json"])
    simulation = Simulation(_plan(given), field_table(), Sender(given["url"], credentials))
    day = _day(given["day"], once=once)
    try:
        with Screen(lines_of_json=as_json, quiet=once and as_json) as screen:
            _play(simulation, day, given["rate"], screen, once=once)
    except KeyboardInterrupt:
        click.echo("Stopped.", err=True)
    _say(simulation, as_json=as_json, once=once)
    raise SystemExit(1 if once and unsettled(simulation) else 0)


def _day(chosen: datetime | None, *, once: bool) -> date:
    if chosen is None:
        return FIXED_DAY if once else datetime.now(UTC).date()
    if chosen.year < 2020:
        raise click.BadParameter("days are played from 2020 on.", param_hint="--day")
    return chosen.date()


def _plan(given: dict[str, Any]) -> Plan:
    dialect = Dialect(
        Form(given["form"].lower()), SoapVersion(given["soap"]), given["batch"], Encoding(given["encoding"].lower())
    )
    return Plan(
        seed=given["seed"],
        stories=given["stories"],
        dialects=(dialect,),
        faults=Faults(given["duplicates"], given["reorder"], given["drop"], given["damage"]),
        suppressed=given["suppress"],
        interval=timedelta(hours=4) if given["once"] else timedelta(minutes=15),
        max_attempts=given["attempts"],
    )


def _play(simulation: Simulation, day: date, rate: float | None, screen: Screen, *, once: bool) -> None:
    def show(progress: Progress) -> None:
        screen.show(progress)

    if once:
        play_once(simulation, day, rate, show)
    else:
        play_on(simulation, day, rate or _RATE, show)
