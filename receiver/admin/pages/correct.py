"""Put right: retry a push as it is, correct a held record and send it again, or discard it for a reason."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from receiver.errors import BytesGone, NotCorrected, NotFound, TooLarge, Unreadable, WrongState
from receiver.intake.deciding import CheckedCorrection, Editable
from receiver.store.finding import stories
from receiver.store.finding.stories import StoredPush
from receiver.store.people.chain import Action
from receiver.store.replays import decisions
from receiver.store.replays.decisions import WHOLE

from ..access import Role, current_person, needs
from ..desk import Desk
from ..noting import note, noting, viewed

_LONGEST_REASON = 500


def blueprint(desk: Desk) -> Blueprint:
    """What hangs below ``/pushes/ID`` and changes something."""
    pages, views = Blueprint("correct", __name__), _Correct(desk)
    for rule, view, method in (
        ("/pushes/<push_id>/correct/<int:position>", views.show, "GET"),
        ("/pushes/<push_id>/correct/<int:position>/check", views.check, "POST"),
        ("/pushes/<push_id>/correct/<int:position>", views.correct, "POST"),
        ("/pushes/<push_id>/discard/<int:position>", views.discard, "POST"),
        ("/pushes/<push_id>/retry", views.retry, "POST"),
    ):
        pages.add_url_rule(rule, view.__name__, view, methods=[method])
    return pages


class _Correct:
    """The views."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def _push_of(self, push_id: str) -> StoredPush:
        with self._desk.store.reading() as connection:
            push = stories.push(connection, self._desk.store.tables, push_id)
        if push is None or not current_person().sees(push.source):
            abort(404)
        return push

    def _page(
        self,
        push: StoredPush,
        position: int,
        text: str,
        checked: CheckedCorrection | None,
        problems: list[tuple[str, str]],
        reason: str = "",
    ) -> str:
        with self._desk.store.reading() as connection:
            earlier = decisions.of_push(connection, self._desk.store.tables, push.id)
        return render_template(
            "correct.html",
            push=push,
            position=position,
            text=text,
            checked=checked,
            problems=problems,
            reason=reason,
            earlier=[decision for decision in earlier if decision.position == position],
        )

    @needs(Role.OPERATOR)
    def show(self, push_id: str, position: int) -> str | Response:
        push = self._push_of(push_id)
        try:
            editable: Editable = self._desk.deciding.editable(push_id, position)
            checked = self._desk.deciding.check(push_id, position, editable.text)
        except (NotFound, BytesGone, TooLarge, Unreadable, WrongState) as error:
            abort(409, str(error))
        viewed(self._desk, "push", push_id)
        return self._page(push, position, editable.text, checked, [])

    @needs(Role.OPERATOR)
    def check(self, push_id: str, position: int) -> str:
        self._push_of(push_id)
        try:
            checked = self._desk.deciding.check(push_id, position, _text())
        except (NotFound, WrongState) as error:
            abort(409, str(error))
        return render_template("correct_verdict.html", checked=checked)

    @needs(Role.OPERATOR)
    def correct(self, push_id: str, position: int) -> str | Response | tuple[str, int]:
        push, text, reason = self._push_of(push_id), _text(), _reason()
        try:
            checked = self._desk.deciding.check(push_id, position, text)
            if "only" in request.form:
                return self._page(push, position, text, checked, [], reason)
            problems = [("text", finding.text) for finding in checked.problems]
            if not reason:
                problems.append(("reason", "Say why"))
            if problems:
                return self._page(push, position, text, checked, problems, reason), 422
            also = noting(self._desk, Action.CORRECTED, "push", push_id, reason, {"position": position})
            done = self._desk.deciding.correct(push_id, position, text, current_person().name, reason, also)
        except NotCorrected as error:
            return self._page(push, position, text, None, [("text", str(error))], reason), 422
        except (NotFound, WrongState) as error:
            abort(409, str(error))
        flash("The correction was sent through the corridor. This is the push that it became.")
        return redirect(url_for("push.show", push_id=done.push_id), 303)

    @needs(Role.OPERATOR)
    def discard(self, push_id: str, position: int) -> Response:
        self._push_of(push_id)
        reason = _reason()
        if not reason:
            abort(400, "To discard needs a reason: say why.")
        also = noting(self._desk, Action.DISCARDED, "push", push_id, reason, {"position": position})
        _or_409(lambda: self._desk.deciding.discard(push_id, position, current_person().name, reason, also))
        flash("Discarded." if position == WHOLE else f"Record {position} is discarded.")
        return redirect(url_for("push.show", push_id=push_id), 303)

    @needs(Role.OPERATOR)
    def retry(self, push_id: str) -> Response:
        self._push_of(push_id)
        note(self._desk, Action.RETRIED, "push", push_id, _reason() or None)
        try:
            tally = self._desk.intake.retry(push_id, dict(self._desk.sources))
        except Unreadable as error:
            flash(f"Nothing has changed: it still cannot be read. {error}")
            return redirect(url_for("push.show", push_id=push_id), 303)
        except BytesGone as error:
            abort(409, str(error))
        if tally is None:
            abort(409, "Its source is no longer in the settings.")
        flash(
            f"Retried: {tally.applied + tally.superseded} applied now, {tally.repeats} were settled before, "
            f"{tally.all_held} still held."
        )
        return redirect(url_for("push.show", push_id=push_id), 303)


def _or_409(attempt: Callable[[], object]) -> None:
    try:
        attempt()
    except (NotFound, WrongState) as error:
        abort(409, str(error))


def _text() -> str:
    # A browser sends the lines of a text area with CRLF.
    return request.form.get("text", "").replace("\r\n", "\n")


def _reason() -> str:
    return request.form.get("reason", "").strip()[:_LONGEST_REASON]
