"""One push: when it came and from where, what was answered, its bytes with their problems, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, Response, abort, render_template, request

from receiver.errors import BytesGone
from receiver.intake.telling import Telling
from receiver.store import pushes
from receiver.store.finding import stories
from receiver.store.finding.stories import StoredPush, StoredRecord
from receiver.store.pushes import Outcome
from receiver.store.replays import decisions

from ..access import Role, current_person, needs
from ..desk import Desk
from ..look import moment_text
from ..marked import MOST_BYTES, Marked, marked
from ..masking import Masking
from ..noting import viewed
from ..values import shown_values

_RECORDS = 25
# Of pushes with more records the stories say what each has changed.
_MOST_TOLD = 5


def blueprint(desk: Desk) -> Blueprint:
    """``/pushes/ID`` and what hangs below it."""
    pages = Blueprint("push", __name__)
    telling = Telling(desk.store.tables, desk.table, desk.sources)
    masking = Masking(desk.table)

    @pages.get("/pushes/<push_id>")
    @needs(Role.VIEWER)
    def show(push_id: str) -> str:
        person = current_person()
        after = request.args.get("after", default=0, type=int)
        tables = desk.store.tables
        with desk.store.reading() as connection:
            push = stories.push(connection, tables, push_id)
            if push is None or not person.sees(push.source):
                abort(404)
            records = stories.records(connection, tables, push_id, after, _RECORDS + 1)
            others = stories.deliveries(connection, tables, push_id)
            changes = stories.changes(connection, tables, push_id)
            decided = decisions.of_push(connection, tables, push_id)
            corrects = decisions.of_correction(connection, tables, push_id)
            told = telling.told(connection, records if push.records <= _MOST_TOLD else ())
        body = _body(desk, push)
        viewed(desk, "push", push_id)
        is_open = person.may(Role.OPERATOR)
        lines = _lines(desk, push, body) if is_open and body is not None else None
        return render_template(
            "push.html",
            push=push,
            records=records[:_RECORDS],
            further=records[_RECORDS - 1].position if len(records) > _RECORDS else None,
            after=after,
            others=[other for other in others if person.sees(other.source)],
            changes=changes,
            decided=decided,
            corrects=corrects,
            body=body,
            lines=lines,
            as_sent=request.args.get("bytes") == "sent",
            answer=_answer(desk, push, records, is_open=is_open),
            told=told,
            shown=lambda record: shown_values(desk.table, record, None if is_open else masking),
            findings=(lambda found: found) if is_open else masking.findings,
            masked=masking.value if not is_open else (lambda _name, value: value),
            may_change=is_open,
        )

    @pages.get("/pushes/<push_id>/bytes")
    @needs(Role.OPERATOR)
    def download(push_id: str) -> Response:
        with desk.store.reading() as connection:
            push = stories.push(connection, desk.store.tables, push_id)
        if push is None or not current_person().sees(push.source):
            abort(404)
        body = _body(desk, push)
        if body is None:
            abort(404, "The bytes of this push are no longer kept.")
        viewed(desk, "push", push_id)
        response = Response(body, content_type="application/octet-stream")
        response.headers["Content-Disposition"] = f'attachment; filename="push-{push_id}.xml"'
        return response

    return pages


def _body(desk: Desk, push: StoredPush) -> bytes | None:
    try:
        with desk.store.reading() as connection:
            found = pushes.body_of(connection, desk.store.tables, push.id)
    except BytesGone:
        return None
    return found[2] if found is not None else None


def _lines(desk: Desk, push: StoredPush, body: bytes) -> Marked | None:
    source = desk.sources.get(push.source)
    if source is None or len(body) > MOST_BYTES:
        return None
    as_sent = request.args.get("bytes") == "sent"
    return marked(body, source, desk.table, desk.limits, desk.most_bytes, as_sent=as_sent)


def _answer(desk: Desk, push: StoredPush, records: Sequence[StoredRecord], *, is_open: bool) -> str:
    """What the sender was told, in short: the reply itself is not kept, all that it was made of is."""
    zone = desk.zone(push.source)
    if push.outcome is Outcome.DUPLICATE and records:
        first = min(record.received_at for record in records)
        return f"Success: received before, on {moment_text(first, zone)}"
    if push.outcome in (Outcome.REFUSED, Outcome.FAILED):
        return (
            f"Error: {(push.message or '') if is_open else push.reason or ''}"
            if push.message
            else "Error, with the problems below"
        )
    if push.held:
        return f"Success: {push.held} of {push.records} records held for review"
    return "Success"
