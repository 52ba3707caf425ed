"""``receiver demo``: an embedded database, the real server and the simulated DRS together."""

from __future__ import annotations

import json
import signal
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from receiver.fields import field_table
from receiver.simulate import (
    AbsenceEnd,
    BookingEnd,
    Dialect,
    Encoding,
    Faults,
    Form,
    Plan,
    Progress,
    Sender,
    Simulation,
    SoapVersion,
)
from receiver.store import engine as engines
from receiver.store import reports
from receiver.store.people.roles import Role
from receiver.store.store import Store

from .demo_server import DemoFailed, DemoServer, free_port, require_free
from .logged import log_to_stderr
from .people import link_to
from .person import by_command
from .playing import play_on, play_once
from .screen import Screen, figures, line_of, shown_pushes
from .simulate import FIXED_DAY, unsettled
from .verifying import differences

_PORT = 8642
_SOURCE = "drs"
_RATE = 6.0
_TOLD = 10
_LINK_LASTS = timedelta(hours=12)
# Every form in turn; each falls back on form A where it knows no other kind.
_DIALECTS = (
    Dialect(Form.A, SoapVersion.V11, 1),
    Dialect(Form.C, SoapVersion.V11, 5),
    Dialect(Form.B, SoapVersion.V11, 3),
    Dialect(Form.PLAIN, batch=1),
    Dialect(Form.A, SoapVersion.V12, 3, Encoding.ISO_8859_1),
    Dialect(Form.PLAIN, batch=4, encoding=Encoding.UTF_16),
    Dialect(Form.B, SoapVersion.V12, 2, Encoding.WINDOWS_1252),
    Dialect(Form.C, SoapVersion.V12, 2),
)


@click.command("demo")
@click.option("--once", is_flag=True, help="Play a fixed day, check what came of it, and exit 0 or 1.")
@click.option("--port", type=click.IntRange(0, 65535), help=f"Port.  [default: {_PORT}; with --once any free one]")
@click.option("--duplicates", is_flag=True, help="Send many requests twice.")
@click.option("--reorder", is_flag=True, help="Shuffle what is sent.")
@click.option("--drop", is_flag=True, help="Drop many connections before the reply is read.")
@click.option("--json", "as_json", is_flag=True, help="Say it as JSON; with --once one object.")
def command(once: bool, port: int | None, duplicates: bool, reorder: bool, drop: bool, as_json: bool) -> None:
    """Start the receiver on an embedded database, with a simulated DRS pushing a council's repairs at it.

    Shows live progress until Ctrl-C, and where to look meanwhile; everything is removed at the end. With --once one
    fixed day is played in every wire form, and it is checked that every activity row is Actioned and that every
    story's end is in the views v1_bookings and v1_unavailabilities.
    """
    # However a demo is ended, by a signal or a closed terminal, everything is put away as after Ctrl-C.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)
    chosen = port if port is not None else 0 if once else _PORT
    if chosen:
        require_free(chosen)
    usual = 0.0 if once else 0.05
    faults = Faults(
        duplicates=0.3 if duplicates else usual,
        reorder=reorder,
        drop=0.25 if drop else usual / 2,
        damage=0.0 if once else 0.01,
    )
    with tempfile.TemporaryDirectory(prefix="receiver-demo-") as folder:
        server = DemoServer(Path(folder), chosen or free_port())
        try:
            with server:
                code = _once(server, faults, as_json) if once else _on(server, faults, as_json)
        except DemoFailed as error:
            click.echo(f"receiver: {error}", err=True)
            code = 1
        except KeyboardInterrupt:
            click.echo("Stopped; the demo's files are removed.", err=True)
            code = 130 if once else 0
        if code == 1:
            click.echo(f"The end of the server's log:\n{server.log_tail()}", err=True)
    raise SystemExit(code)


def _simulation(server: DemoServer, plan: Plan) -> Simulation:
    return Simulation(plan, field_table(), Sender(f"{server.url}/push/{_SOURCE}"))


def _once(server: DemoServer, faults: Faults, as_json: bool) -> int:
    """The fixed day, checked. Returns the exit code."""
    began = time.monotonic()
    simulation = _simulation(server, Plan(dialects=_DIALECTS, faults=faults))

    def show(progress: Progress) -> None:
        server.require_alive()
        screen.show(progress)

    with Screen(quiet=as_json) as screen:
        progress = play_once(simulation, FIXED_DAY, None, show)
    ends, rest = simulation.ends(), unsettled(simulation)
    wrong = differences(server.database_url, _SOURCE, ends)
    pushes = reports.push_outcomes(server.database_url)
    ok = not rest and not wrong and bool(ends)
    seconds = round(time.monotonic() - began, 1)
    if as_json:
        said = {**figures(progress, pushes), "ok": ok, "seconds": seconds, "ends": len(ends)}
        click.echo(json.dumps({**said, "not_actioned": rest, "differences": wrong}))
    else:
        Console().print(_summary(progress, pushes, ends))
        for line in [*(f"not Actioned: {row}" for row in rest), *wrong][:_TOLD]:
            click.echo(f"  {line}")
        verdict = "every row Actioned, every story's end as it must be" if ok else "NOT as it must be"
        click.echo(f"{line_of(progress, pushes)}\n{seconds} s: {verdict}.")
    return 0 if ok else 1


def _summary(progress: Progress, pushes: dict[str, int], ends: list[BookingEnd | AbsenceEnd]) -> Table:
    table = Table(title=f"One day of DRS, {FIXED_DAY:%d %B %Y}", title_justify="left")
    for name in ("what", "of which", "number"):
        table.add_column(name, justify="right" if name == "number" else "left")
    sent = progress.figures
    lines = [
        ("activity rows", "Actioned", progress.actioned),
        ("", "waiting", progress.waiting),
        ("", "failed", progress.failed),
        ("requests", "sent", sent.requests),
        ("", "sent twice", sent.repeated),
        ("", "dropped before the reply", sent.dropped),
        *(("pushes" if n == 0 else "", *item) for n, item in enumerate(shown_pushes(pushes).items())),
        ("stories' ends", "bookings", sum(isinstance(end, BookingEnd) for end in ends)),
        ("", "unavailabilities", sum(isinstance(end, AbsenceEnd) for end in ends)),
    ]
    for what, which, number in lines:
        table.add_row(what, which, str(number))
    return table


def _on(server: DemoServer, faults: Faults, as_json: bool) -> int:
    """Day after day, until interrupted."""
    if not as_json:
        _say_where(server)
    plan = Plan(dialects=_DIALECTS, faults=faults, interval=timedelta(minutes=15), max_attempts=5)
    simulation = _simulation(server, plan)

    def show(progress: Progress) -> None:
        server.require_alive()
        screen.show(progress, reports.push_outcomes(server.database_url))

    with Screen(lines_of_json=as_json) as screen:
        play_on(simulation, datetime.now(UTC).date(), _RATE, show)
    return 0


def _link(server: DemoServer) -> str:
    log_to_stderr("warning")
    store = Store(engines.create(server.database_url), field_table())
    try:
        return link_to(store, server.url, by_command(), "demo", Role.ADMINISTRATOR, _LINK_LASTS)
    finally:
        store.close()


def _say_where(server: DemoServer) -> None:
    question = (
        "SELECT booking_id, status, planning_window_start FROM v1_bookings ORDER BY last_received_at DESC LIMIT 5"
    )
    lines = (
        ("pages for people", f"{_link(server)}  (signs in once, as an administrator)"),
        ("pushes go to", f"{server.url}/push/{_SOURCE}"),
        ("service description", f"{server.url}/push/{_SOURCE}?wsdl"),
        ("health", f"{server.url}/healthz  {server.url}/readyz"),
        ("metrics", f"{server.url}/metrics"),
        ("server's log", server.log),
        ("database", server.database),
        ("ask it", f'sqlite3 -readonly {server.database} "{question}"'),
        ("stop", "Ctrl-C"),
    )
    for name, value in lines:
        click.echo(f"{name:>20}: {value}")
    click.echo()
