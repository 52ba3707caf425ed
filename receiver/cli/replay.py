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
from .rebuild import rebuild


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
@click.option("--rebuild", "rebuilds", is_flag=True, help="Current state, from the notifications as they are stored.")
@click.option("--source", help="With --held and --rebuild: only this source's.")
@click.option("--dry-run", is_flag=True, help="Say what would come of it; write nothing.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a push, on a line of its own; of a rebuild, one."
)
@click.option("--jobs", type=click.IntRange(1, 64), help="With --rebuild on PostgreSQL: how many processes.")
def command(
    held: bool,
    push_ids: tuple[str, ...],
    rebuilds: bool,
    source: str | None,
    dry_run: bool,
    as_json: bool,
    jobs: int | None,
) -> None:
    """Walk stored pushes through the corridor again, after a setting was changed; or rebuild current state.

    Of a push, what is valid now is applied, in its place in event order; what was applied before stays as it is; what
    is still invalid stays held. Nothing is applied twice. Ctrl-C stops between pushes.

    A rebuild folds all notifications again and writes each booking and unavailability that is wrong or missing. The
    feed tells of those that stood there wrong, and of missing ones that it has never told of. What has lost some of
    its history is left alone and counted. It is safe while receivers run; an erasure waits until it is done. Ctrl-C
    stops between two steps, and running it again goes on.
    """
    if [held, bool(push_ids), rebuilds].count(True) != 1:
        raise click.UsageError("Say what: --held, --push ID, or --rebuild.")
    if jobs is not None and not rebuilds:
        raise click.UsageError("--jobs goes with --rebuild.")
    settings = load_settings()
    if rebuilds and source is not None and source not in settings.sources:
        raise click.UsageError(f"There is no source {source} in the settings.")
    with database(settings) as engine:
        migrations.require_newest(engine)
    parts = build_parts(settings, bounded=not rebuilds)
    if rebuilds:
        rebuild(parts, source, dry_run=dry_run, as_json=as_json, jobs=jobs)
        return
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
