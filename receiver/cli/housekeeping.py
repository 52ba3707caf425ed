"""``receiver housekeeping``: what has been kept long enough goes; what must be forgotten is erased."""

from __future__ import annotations

import json
from dataclasses import asdict
from threading import Event

import click

from receiver.app import build_housekeeping, build_keep, build_parts, utc_now
from receiver.settings import load_settings
from receiver.store import migrations
from receiver.store.keeping.retention import Expired, Retention
from receiver.store.people.chain import Action
from receiver.store.people.trail import Trail

from .counting import Counting
from .database import database
from .erase import erase, erasures
from .person import by_command


def _said(expired: Expired) -> str:
    found = [f"{count} {name}" for name, count in asdict(expired).items() if count]
    return ", ".join(found).replace("bodies", "bodies of pushes") or "nothing"


@click.group("housekeeping", invoke_without_command=True)
@click.option("--dry-run", is_flag=True, help="Say what would go; erase nothing.")
@click.option("--json", "as_json", is_flag=True, help="Say it as JSON.")
@click.pass_context
def command(context: click.Context, dry_run: bool, as_json: bool) -> None:
    """Erase what has been kept as long as RECEIVER_KEEP_*_DAYS say: bytes of pushes first, then rows.

    A server does this by itself every RECEIVER_HOUSEKEEPING_HOURS. It is safe while receivers run: it works in short
    steps that no push waits for. Ctrl-C stops between two of them.
    """
    if context.invoked_subcommand is not None:
        if dry_run or as_json:
            raise click.UsageError("Options of the subcommand stand behind its name.")
        return
    settings = load_settings()
    with database(settings) as engine:
        migrations.require_newest(engine)
    parts = build_parts(settings, bounded=False)
    if dry_run:
        found = Retention(parts.store, build_keep(settings), utc_now()).preview()
        said = {"dry_run": True, **asdict(found)}
        click.echo(json.dumps(said) if as_json else f"To be erased: {_said(found)} (pushes: at most).")
        return
    with Counting(quiet=as_json) as counting:
        kept = build_housekeeping(parts, Event().wait).run(
            counting.stopped, lambda done: counting.show("Erased", sum(asdict(done).values()))
        )
    figures = {name: count for name, count in asdict(kept.expired).items() if count}
    Trail(parts.store, utc_now).note(by_command().person, Action.KEPT_HOUSE, details=figures)
    if as_json:
        click.echo(json.dumps({"finished": kept.finished, **asdict(kept.expired)}))
    else:
        stopped = "" if kept.finished else " Stopped before the end; the next run goes on."
        click.echo(f"Erased: {_said(kept.expired)}.{stopped}")


command.add_command(erase)
command.add_command(erasures)
