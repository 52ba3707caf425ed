"""``receiver audit``: the trail of what people did, and whether it is as it was written."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from itertools import islice

import click

from receiver.app import Parts, build_parts
from receiver.settings import load_settings
from receiver.store import migrations
from receiver.store.people import trail
from receiver.store.people.chain import Action
from receiver.store.people.trail import Noted
from receiver.store.people.verification import Walk, verify

from .database import database
from .visible import visible

_TOLD = 100
_NOTED = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")


def _parts() -> Parts:
    settings = load_settings()
    with database(settings) as engine:
        migrations.require_newest(engine)
    return build_parts(settings, bounded=False)


class _Moment(click.ParamType[datetime]):
    name = "TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no time, e.g. 2026-11-21 or 2026-11-21T19:20:00Z.", param, ctx)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


class _Expected(click.ParamType[tuple[int, str]]):
    name = "NUMBER:HASH"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, str]:
        found = _NOTED.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is no NUMBER:HASH, as `receiver audit verify` prints it.", param, ctx)
        return int(found[1]), found[2]


@click.group("audit")
def command() -> None:
    """The trail: what people did on the pages and with commands.

    Each entry is bound to the one before by its hash. What is changed, removed, added or swapped in the database is
    found by `verify`; a trail that somebody has written anew as a whole is found with --expect, and an end that was
    noted elsewhere: the receiver logs the number and hash of each entry (`trail_entry`).
    """


@command.command("verify")
@click.option(
    "--expect", "expected", type=_Expected(), multiple=True, help="An entry as it was noted elsewhere; may be repeated."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def check(expected: tuple[tuple[int, str], ...], as_json: bool) -> None:
    """Say whether the trail is as it was written, and print its end; exit 1 if it is not.

    Keep what it prints of the end elsewhere, and give it with --expect the next time.
    """
    parts, walk = _parts(), Walk()
    try:
        problems = verify(parts.store, dict(expected), walk)
        told = list(islice(problems, _TOLD))
        count = len(told) + sum(1 for _ in problems)
    finally:
        parts.store.close()
    if as_json:
        said: dict[str, object] = {
            "entries": walk.entries,
            "first_number": walk.first_number or None,
            "problems": count,
        }
        said |= {"last_number": walk.last_number or None, "last_hash": walk.last_hash if walk.entries else None}
        click.echo(json.dumps({**said, "broken": [vars(broken) for broken in told]}))
    else:
        for broken in told:
            click.echo(broken.text)
        if count > len(told):
            click.echo(f"... and {count - len(told)} more.")
        verdict = "NOT as it was written" if count else "as it was written"
        end = f", ending with {walk.last_number}:{walk.last_hash}" if walk.entries else ""
        click.echo(f"{walk.entries} entries, {verdict}{end}.")
    raise SystemExit(1 if count else 0)


@command.command("show")
@click.option("--person", help="What this person did.")
@click.option("--action", type=click.Choice([str(action) for action in Action]), help="Only this.")
@click.option("--about", metavar="ID", help="What was done to this push, record, cause, replay or account.")
@click.option("--since", type=_Moment(), help="From this time on (UTC, where it names no zone).")
@click.option("--until", type=_Moment(), help="Before this time.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many, the newest.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object an entry, on a line of its own.")
def show(
    person: str | None,
    action: str | None,
    about: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """List entries, the newest first."""
    parts = _parts()
    wanted = None if action is None else Action(action)
    try:
        with parts.store.reading() as connection:
            criteria = {"person": person, "about": about, "since": since, "until": until}
            found = trail.find(connection, parts.store.tables, action=wanted, limit=limit, **criteria)  # type: ignore[arg-type]
    finally:
        parts.store.close()
    for noted in found:
        click.echo(json.dumps(_as_json(noted)) if as_json else _line(noted))


def _as_json(noted: Noted) -> dict[str, object]:
    entry = noted.entry
    said = {**vars(entry), "at": entry.at.isoformat().replace("+00:00", "Z"), "details": dict(entry.details)}
    return {"number": noted.number, **said, "hash": noted.hash}


def _line(noted: Noted) -> str:
    entry = noted.entry
    parts = [f"{noted.number:>6}", f"{entry.at:%Y-%m-%dT%H:%M:%SZ}", entry.person, entry.action]
    if entry.about is not None:
        parts.append(f"{entry.about_kind} {entry.about}")
    if entry.details:
        parts.append(json.dumps(dict(entry.details)))
    if entry.reason:
        parts.append(f"({entry.reason})")
    return visible("  ".join(parts))
