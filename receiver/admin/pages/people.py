"""People who may look, and who is signed in now. Accounts are made and changed by ``receiver user``."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from ..access import Role, current_person, needs
from ..desk import Desk


def blueprint(desk: Desk) -> Blueprint:
    """``/people``."""
    pages = Blueprint("people", __name__)

    @pages.get("/people")
    @needs(Role.ADMINISTRATOR)
    def show() -> str:
        return render_template("people.html", accounts=desk.gate.accounts.all(), sessions=desk.gate.sessions.all())

    @pages.post("/people/sign-out")
    @needs(Role.ADMINISTRATOR)
    def sign_out() -> Response:
        name = request.form.get("person", "")
        if not name:
            abort(400, "Say who is to be signed out.")
        ended = desk.gate.sessions.end_all(current_person().by, name)
        flash(f"{ended} sessions of {name} have ended." if ended != 1 else f"The session of {name} has ended.")
        return redirect(url_for("people.show"), 303)

    return pages
