"""The trail: who did what and why, the newest first."""

from __future__ import annotations

from flask import Blueprint, abort, render_template, request

from receiver.store.people import trail
from receiver.store.people.chain import Action

from ..access import Role, needs
from ..asked import read_filter
from ..desk import Desk

_PAGE = 50


def blueprint(desk: Desk) -> Blueprint:
    """``/trail``."""
    pages = Blueprint("trail", __name__)

    @pages.get("/trail")
    @needs(Role.ADMINISTRATOR)
    def show() -> str:
        asked = read_filter(request.args, None, desk.zone(None))
        person = request.args.get("person", "").strip() or None
        about = request.args.get("about", "").strip() or None
        before = request.args.get("before", type=int)
        try:
            action = Action(request.args["action"]) if request.args.get("action") else None
        except ValueError:
            abort(400, "There is no such action.")
        with desk.store.reading() as connection:
            found = trail.find(
                connection,
                desk.store.tables,
                person=person,
                action=action,
                about=about,
                since=asked.filter.since,
                until=asked.filter.until,
                before=before,
                limit=_PAGE + 1,
            )
        typed = {"person": person, "about": about, "action": action and action.value, **asked.typed}
        return render_template(
            "trail.html",
            entries=found[:_PAGE],
            further=found[_PAGE - 1].number if len(found) > _PAGE else None,
            asked=asked,
            typed={name: value for name, value in typed.items() if value},
            actions=list(Action),
        )

    return pages
