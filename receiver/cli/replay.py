"""``receiver replay``: stored pushes through the corridor again."""

from __future__ import annotations

import json
from typing import Any

import click

from receiver.app import Parts, build_parts
from receiver.errors import NotFound, Unreadable
from receiver.intake.receipt import Tally
from receiver.settings import load_settings
from receiver.store import migrations, pushes
from receiver.store.finding.filter import Filter
from receiver.store.replays.jobs import ReplayKind

from . import replay_jobs
from .database import database
from .rebuild import rebuild
from .replay_filter import filter_of, filter_options


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


_WAYS = "--held, --push ID, --rebuild, --discard, --tell, or a filter such as --since (--all: every push)"
_OF_JOBS = ("list_", "job", "pause", "resume", "cancel")


@click.command("replay")
@click.option("--held", is_flag=True, help="Every push with held records, and every one refused or failed.")
@click.option("--push", "push_ids", metavar="ID", multiple=True, help="This push (v1_pushes.id); may be repeated.")
@click.option("--rebuild", "rebuilds", is_flag=True, help="Current state, from the notifications as they are stored.")
@click.option("--discard", "discards", is_flag=True, help="Discard the held records found, and what cannot be read.")
@click.option("--tell", "tells", is_flag=True, help="Tell downstream again of what the records found are about.")
@click.option("--all", "everything", is_flag=True, help="Every push there is.")
@click.option("--source", help="Only this source's; not with --push.")
@filter_options
@click.option("--reason", default="", help="Why; must be said to discard. Name no persons.")
@click.option("--dry-run", is_flag=True, help="Say what would come of it; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a push, on a line of its own; of a replay, one.")
@click.option("--jobs", type=click.IntRange(1, 64), help="With --rebuild on PostgreSQL: how many processes.")
@click.option("--list", "list_", is_flag=True, help="The last replays, and how far they are.")
@click.option("--job", metavar="ID", help="Run this replay, from where it is.")
@click.option("--pause", metavar="ID", help="Have this replay pause, wherever it runs.")
@click.option("--resume", metavar="ID", help="Have a server go on with this replay.")
@click.option("--cancel", metavar="ID", help="End this replay; what was done stays done.")
@click.option("--owner", hidden=True)
@click.option("--parent", type=int, hidden=True)
def command(
    held: bool,
    push_ids: tuple[str, ...],
    rebuilds: bool,
    discards: bool,
    tells: bool,
    everything: bool,
    source: str | None,
    reason: str,
    dry_run: bool,
    as_json: bool,
    jobs: int | None,
    **given: Any,
) -> None:
    """Walk stored pushes through the corridor again, after a setting was changed; or rebuild current state.

    Of a push, what is valid now is applied, in its place in event order; what was applied before stays as it is; what
    is still invalid stays held. Nothing is applied twice. Ctrl-C stops between pushes.

    A rebuild folds all notifications again and writes each booking and unavailability that is wrong or missing. The
    feed tells of those that stood there wrong, and of missing ones that it has never told of. What has lost some of
    its history is left alone and counted. It is safe while receivers run; an erasure waits until it is done. Ctrl-C
    stops between two steps, and running it again goes on.

    With a filter it is a replay that is kept: how far it is and what came of each record can be seen in the admin
    pages too, --pause, --resume and --cancel reach it wherever it runs, and after any stop it goes on where it was.
    Ctrl-C pauses it.
    """
    criteria = filter_of(None, given)
    is_filtered = everything or criteria != Filter()
    asked = [name for name in _OF_JOBS if given[name]]
    ways = [held, bool(push_ids), rebuilds, discards, tells, *map(bool, asked)].count(True)
    if ways > 1 or (not ways and not is_filtered) or (is_filtered and (held or push_ids or asked)):
        raise click.UsageError(f"Say what, one of: {_WAYS}.")
    if jobs is not None and (not rebuilds or is_filtered):
        raise click.UsageError("--jobs goes with --rebuild, of all there is.")
    if (discards or tells) and not is_filtered:
        raise click.UsageError("Say which pushes: a filter, or --all.")
    if discards and not dry_run and not reason.strip():
        raise click.UsageError("--discard needs a --reason.")
    settings = load_settings()
    if (rebuilds or is_filtered) and source is not None and source not in settings.sources:
        raise click.UsageError(f"There is no source {source} in the settings.")
    with database(settings) as engine:
        migrations.require_newest(engine)
    parts = build_parts(settings, bounded=not (rebuilds or is_filtered or asked))
    if asked:
        _of_job(parts, asked[0], given, as_json=as_json)
    elif is_filtered:
        kind = ReplayKind.REBUILD if rebuilds else ReplayKind.WALK
        kind = ReplayKind.DISCARD if discards else ReplayKind.TELL if tells else kind
        found = filter_of(source, given)
        if dry_run:
            replay_jobs.plan(parts, kind, found, as_json=as_json)
        else:
            replay_jobs.start(parts, kind, found, reason, as_json=as_json)
    elif rebuilds:
        rebuild(parts, source, dry_run=dry_run, as_json=as_json, jobs=jobs)
    else:
        _each(parts, push_ids, source, dry_run=dry_run, as_json=as_json)


def _of_job(parts: Parts, asked: str, given: dict[str, Any], *, as_json: bool) -> None:
    if asked == "list_":
        replay_jobs.show_all(parts, as_json=as_json)
    elif asked != "job":
        replay_jobs.ask(parts, given[asked], asked, as_json=as_json)
    elif given["owner"]:
        replay_jobs.serve(parts, given["job"], given["owner"], given["parent"])
    else:
        replay_jobs.go_on(parts, given["job"], as_json=as_json)


def _each(parts: Parts, push_ids: tuple[str, ...], source: str | None, *, dry_run: bool, as_json: bool) -> None:
    """Those pushes, or none named: all that wait; one by one."""
    if not push_ids:
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
