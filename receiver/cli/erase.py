"""``receiver housekeeping erase`` and ``erasures``: one person, order or booking forgotten, and the proof of it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from threading import Event

import click

from receiver.app import Parts, build_erasing, build_parts
from receiver.errors import StoreUnavailable
from receiver.jobs.erasing import Order
from receiver.messages.subject import SHORTEST_PERSON, Names, Subject, SubjectKind, digest
from receiver.settings import load_settings
from receiver.store import migrations
from receiver.store.keeping import proofs
from receiver.store.keeping.cleaning import clean
from receiver.store.keeping.subjects import Found

from .counting import Counting
from .database import database
from .person import by_command


def _parts() -> Parts:
    settings = load_settings()
    with database(settings) as engine:
        migrations.require_newest(engine)
    return build_parts(settings, bounded=False)


def _subject(parts: Parts, order: str | None, booking: str | None, person: tuple[str, ...]) -> Subject:
    if (order is not None) + (booking is not None) + bool(person) != 1:
        raise click.UsageError("Say whom or what: one of --order, --booking, --person (which may be repeated).")
    kind = (
        SubjectKind.ORDER if order is not None else SubjectKind.BOOKING if booking is not None else SubjectKind.PERSON
    )
    texts = tuple(" ".join(t.split()) for t in person or (order or booking or "",))
    if not all(texts):
        raise click.UsageError("An empty text names nobody.")
    if kind is SubjectKind.PERSON and any(len(t) < SHORTEST_PERSON for t in texts):
        raise click.UsageError(
            f"A person's text has at least {SHORTEST_PERSON} characters: shorter ones stand anywhere."
        )
    return Subject(kind, texts, Names.of(parts.table))


def _check_proof(subject: Subject, reason: str, done_by: str | None) -> None:
    for option, text in (("--reason", reason), ("--by", done_by or "")):
        if subject.within(text):
            raise click.UsageError(f"{option} holds what is to be erased, and the proof must not: say it without.")


@click.command("erase")
@click.option("--order", metavar="NUMBER", help="Every booking with this order number, entirely.")
@click.option("--booking", metavar="ID", help="This booking, entirely.")
@click.option("--person", metavar="TEXT", multiple=True, help="An id, a name, a phone number; may be repeated.")
@click.option("--source", help="Of this source only.")
@click.option("--reason", required=True, help="Why, for the proof; without whom it is about.")
@click.option("--by", "done_by", help="Who does it, for the proof.")
@click.option("--dry-run", is_flag=True, help="Say what would go; erase nothing.")
@click.option("--rewrite", is_flag=True, help="Write the tables anew afterwards; pushes wait meanwhile.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Say it as JSON; asks nothing, so --yes or --dry-run is needed.")
def erase(
    order: str | None,
    booking: str | None,
    person: tuple[str, ...],
    source: str | None,
    reason: str,
    done_by: str | None,
    dry_run: bool,
    rewrite: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Erase one person, order or booking from rows, stored bytes and the spool, and leave a proof without their name.

    An order or a booking goes entirely. Of a person, their unavailabilities go entirely, and anywhere else each value
    that holds the text as whole words, in whatever case, becomes "[erased]". It can be done again at any time.

    \b
    receiver housekeeping erase --person W123 --person "Jo Smith" --reason "request 17" --dry-run
    receiver housekeeping erase --order L835574 --reason "end of contract"
    """
    if as_json and not (yes or dry_run):
        raise click.UsageError("--json asks nothing: say --yes or --dry-run as well.")
    parts = _parts()
    subject = _subject(parts, order, booking, person)
    _check_proof(subject, reason, done_by)
    task = Order(subject, source, reason, done_by, by_command())
    erasing = build_erasing(parts, Event().wait, os.urandom)
    try:
        with Counting(quiet=as_json) as counting:
            found = erasing.find(task, counting.step)
            if dry_run:
                erasing.count(task, found, counting.step)
        if not dry_run and not yes:
            _say(found, as_json=False)
            click.confirm("Erase this, and what stored bytes hold of it? It cannot be undone.", abort=True)
        done = True
        if not dry_run:
            with Counting(quiet=as_json) as counting:
                erasing.erase(task, found, counting.step)
                counting.show("cleaning the database's files", 0)
                done = clean(parts.store, Event().wait, rewrite=rewrite)
    finally:
        parts.store.close()
    _say(found, as_json=as_json, dry_run=dry_run)
    if not done:
        raise StoreUnavailable(
            "Erased, but traces are left in the database's files: others work on them (run it again), or the role does "
            "not own the tables (run VACUUM as their owner)."
        )


def _say(found: Found, *, as_json: bool, dry_run: bool = True) -> None:
    bookings = [f"{source} {booking_id}" for source, booking_id in sorted(found.bookings)]
    counts = {name: count for name, count in sorted(found.counts.items()) if count}
    left = {name: count for name, count in sorted(found.left.items()) if count}
    if as_json:
        said = {"dry_run": dry_run, "counts": counts, "left": left, "bookings": bookings}
        click.echo(json.dumps(said))
        return
    click.echo("To be erased:" if dry_run else "Erased:")
    _lines(counts or {"nothing": 0})
    if left:
        click.echo("Left, as it cannot be erased alone (bookings: use --booking; spool: remove damaged files):")
        _lines(left)
    if bookings and not dry_run:
        click.echo("Tell those who have read them; this list is not kept: " + ", ".join(bookings))


def _lines(counts: Mapping[str, int]) -> None:
    for name, count in counts.items():
        click.echo(f"  {count:>8}  {name}")


@click.command("erasures")
@click.option("--check", metavar="TEXT", help="Only those of this person, order or booking; exit 1 when there is none.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a proof, on a line of its own.")
def erasures(check: str | None, as_json: bool) -> None:
    """List the proofs of erasure: when, what kind, how much, why. Whom they were about is not kept.

    With --check the proofs are compared with TEXT: they tell whether it was erased, and cannot be read without it.
    """
    parts = _parts()
    with parts.store.reading() as connection:
        found = proofs.proofs(connection, parts.store.tables)
    parts.store.close()
    if check is not None:
        found = [p for p in found if digest(check, p.salt) == p.digest]
    for proof in found:
        at = proof.erased_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        if as_json:
            said = {"id": proof.id, "erased_at": at, "kind": proof.kind, "source": proof.source}
            said |= {"reason": proof.reason, "done_by": proof.done_by}
            click.echo(json.dumps({**said, "counts": dict(proof.counts)}))
        else:
            by = f" by {proof.done_by}" if proof.done_by else ""
            click.echo(f"{at}  {proof.kind:<8} {sum(proof.counts.values()):>8} values and rows{by}: {proof.reason}")
    if check is not None and not found:
        raise SystemExit(1)
