"""The one search box: an order number or a booking id goes straight to its story."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from receiver.store.finding.subject import find_subject

from ..access import Role, current_person, needs
from ..desk import Desk


def blueprint(desk: Desk) -> Blueprint:
    """``/search?q=``."""
    pages = Blueprint("search", __name__)

    @pages.get("/search")
    @needs(Role.VIEWER)
    def go() -> str | Response:
        text = " ".join(request.args.get("q", "").split())
        if not text:
            return redirect(url_for("find.show"))
        with desk.store.reading() as connection:
            found = find_subject(connection, desk.store.tables, current_person().sources, text)
        places: list[tuple[str, str]] = []
        places += [(f"Push {i}", url_for("push.show", push_id=i)) for i in found.pushes]
        places += [
            (f"Booking {i} ({source})", url_for("story.booking", source=source, booking_id=i))
            for source, i in found.bookings
        ]
        places += [(f"Order {number}", url_for("story.order", number=number)) for number in found.orders]
        places += [
            (f"Resource {i} ({source})", url_for("resource.show", source=source, resource_id=i))
            for source, i in found.resources
        ]
        if len(places) == 1:
            return redirect(places[0][1])
        return render_template("search.html", places=places, searched=text)

    return pages
