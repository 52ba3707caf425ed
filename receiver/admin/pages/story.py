"""The story of a booking, and of an order: the state now, and all that was heard, in event order."""

from __future__ import annotations

from flask import Blueprint, abort, render_template

from receiver.intake.telling import BookingStory, Telling
from receiver.store.finding import records as finding_records
from receiver.store.finding import stories
from receiver.store.finding.filter import Filter
from receiver.store.notifications import NotificationStatus

from ..access import Role, current_person, needs
from ..desk import Desk
from ..masking import Masking
from ..noting import viewed
from ..values import shown_values

_MOST_BOOKINGS = 20


def blueprint(desk: Desk) -> Blueprint:
    """``/bookings/SOURCE/ID`` and ``/orders/NUMBER``."""
    pages = Blueprint("story", __name__)
    telling = Telling(desk.store.tables, desk.table, desk.sources)
    masking = Masking(desk.table)

    def context() -> dict[str, object]:
        is_open = current_person().may(Role.OPERATOR)
        return {
            "shown": lambda record: shown_values(desk.table, record, None if is_open else masking),
            "findings": (lambda found: found) if is_open else masking.findings,
            "masked": (lambda _name, value: value) if is_open else masking.value,
        }

    @pages.get("/bookings/<source>/<booking_id>")
    @needs(Role.VIEWER)
    def booking(source: str, booking_id: str) -> str:
        if not current_person().sees(source):
            abort(404)
        with desk.store.reading() as connection:
            story = telling.booking(connection, source, booking_id)
        if story is None:
            abort(404, f"Nothing was ever heard of booking {booking_id} from {source}.")
        viewed(desk, "booking", f"{source}/{booking_id}")
        return render_template("booking.html", story=story, **context())

    @pages.get("/orders/<path:number>")
    @needs(Role.VIEWER)
    def order(number: str) -> str:
        person, tables = current_person(), desk.store.tables
        found: list[BookingStory] = []
        with desk.store.reading() as connection:
            ids = stories.bookings_of_order(connection, tables, person.sources, number)
            for source, booking_id in ids[:_MOST_BOOKINGS]:
                story = telling.booking(connection, source, booking_id)
                if story is not None:
                    found.append(story)
            held_only = Filter(sources=person.sources, order=number, status=NotificationStatus.HELD)
            held = finding_records.find_records(connection, tables, held_only, limit=_MOST_BOOKINGS)
        if not ids and not held:
            abort(404, f"Nothing was ever heard of an order {number}.")
        viewed(desk, "order", number)
        heard = [one for story in found for one in story.heard]
        return render_template(
            "order.html",
            number=number,
            stories=found,
            heard=sorted(heard, key=lambda one: (one.event_at, one.record.received_at, one.record.id), reverse=True),
            held=[record for record in held if record.id not in {one.record.id for one in heard}],
            more=max(0, len(ids) - _MOST_BOOKINGS),
            **context(),
        )

    return pages
