"""``receiver replay``: stored pushes through the corridor again."""

from __future__ import annotations

import json

import click

from receiver.app import Parts, build_parts
from receiver.errors import NotFound, Unreadable
from receiver.intake.receipt import Tally
from receiver.settings import load_settings
from receiver.store import migrations, pushes

from .database import database


def _walk(parts: Parts, push_id: str, dry_run: bool) -> dict[str, object]:
    try:
        tally = parts.intake.retry(push_id, parts.sources, dry_run=dry_run)
    except Unreadable as error:
        return {"push_id": push_id, "unreadable": str(error)}
    if tally is None:
        raise NotFound(f"There is no push {push_id} of a source in the settings.")
    return {"push_id": push_id, **_figures(tally)}


def _figures(tally: Tally) -> dict[str, object]:
    return {
        "records": tally.records,
        "applied": tally.applied,
        "superseded": tally.superseded,
        "settled_before": tally.repeats,
        "held": tally.all_held,
    }


@click.command("replay")
@click.option("--held", is_flag=True, help="Every push with held records, and every one refused or failed.")
@click.option("--push", "push_ids", metavar="ID", multiple=True, help="This push (v1_pushes.id); may be repeated.")
@click.option("--source", help="With --held: only this source's.")
@click.option("--dry-run", is_flag=True, help="Say what would come of it; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a push, on a line of its own.")
def command(held: bool, push_ids: tuple[str, ...], source: str | None, dry_run: bool, as_json: bool) -> None:
    """Walk stored pushes through the corridor again, after a setting was changed.

    What is valid now is applied, in its place in event order; what was applied before stays as it is; what is still
    invalid stays held. Nothing is applied twice. Ctrl-C stops between pushes.
    """
    if held == bool(push_ids):
        raise click.UsageError("Say which pushes: --held, or --push ID.")
    settings = load_settings()
    with database(settings) as engine:
        migrations.require_newest(engine)
    parts = build_parts(settings)
    if held:
        with parts.store.reading() as connection:
            push_ids = tuple(pushes.retryable(connection, parts.store.tables, source))
    for push_id in push_ids:
        found = _walk(parts, push_id, dry_run)
        if as_json:
            click.echo(json.dumps(found))
        else:
            click.echo(f"{push_id}: " + ", ".join(f"{v} {k}" for k, v in found.items() if k != "push_id"))
    if not as_json:
        click.echo(f"{len(push_ids)} pushes walked{' (dry run: nothing was written)' if dry_run else ''}.")
