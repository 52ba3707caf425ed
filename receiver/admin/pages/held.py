"""Held: why records wait for a person, one line a cause; and what is done about one, many or all of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from receiver.errors import BytesGone, NotFound, Unreadable, WrongState
from receiver.store.figures import causes
from receiver.store.figures.causes import Cause, CauseState
from receiver.store.finding import pushes as finding
from receiver.store.finding import records as finding_records
from receiver.store.finding.filter import Filter
from receiver.store.notifications import NotificationStatus
from receiver.store.people.chain import Action

from ..access import Role, current_person, needs
from ..desk import Desk
from ..masking import Masking
from ..noting import note, noting
from ..place import place

_PAGE = 50
_MOST_AT_ONCE = 50
_LONGEST_REASON = 500
_ACTIONS = {
    CauseState.OPEN: Action.CAUSE_REOPENED,
    CauseState.ACKNOWLEDGED: Action.CAUSE_ACKNOWLEDGED,
    CauseState.RESOLVED: Action.CAUSE_RESOLVED,
}


def blueprint(desk: Desk) -> Blueprint:
    """``/held``, ``/held/CAUSE`` and what is done there."""
    pages, views = Blueprint("held", __name__), _Held(desk)
    for rule, view, method in (
        ("/held", views.show, "GET"),
        ("/held/<cause_id>", views.cause, "GET"),
        ("/held/<cause_id>/state", views.set_state, "POST"),
        ("/held/<cause_id>/chosen", views.chosen, "POST"),
    ):
        pages.add_url_rule(rule, view.__name__, view, methods=[method])
    return pages


class _Held:
    """The views."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._masking = Masking(desk.table)

    def _visible(self, cause_id: str) -> Cause:
        with self._desk.store.reading() as connection:
            found = causes.cause(connection, self._desk.store.tables, cause_id)
        if found is None or not current_person().sees(found.source):
            abort(404)
        return found

    @needs(Role.VIEWER)
    def show(self) -> str:
        self._desk.figures.causes()
        try:
            state = CauseState(request.args["state"]) if request.args.get("state") else None
        except ValueError:
            abort(400, "There is no such state.")
        everything = request.args.get("all") == "yes"
        before = place(request.args.get("before"))
        with self._desk.store.reading() as connection:
            found = causes.causes(
                *(connection, self._desk.store.tables, current_person().sources, state, before, _PAGE + 1),
                only_waiting=not everything,
            )
        return render_template(
            "held.html",
            causes=found[:_PAGE],
            further=f"{found[_PAGE - 1].last_seen.isoformat()}/{found[_PAGE - 1].id}" if len(found) > _PAGE else None,
            state=state,
            states=list(CauseState),
            everything=everything,
        )

    @needs(Role.VIEWER)
    def cause(self, cause_id: str) -> str:
        found, tables = self._visible(cause_id), self._desk.store.tables
        with self._desk.store.reading() as connection:
            held = Filter(sources=(found.source,), cause=cause_id, status=NotificationStatus.HELD)
            records = finding_records.find_records(connection, tables, held, limit=_PAGE)
            unread = []
            if not records and not found.field:
                whole = Filter(sources=(found.source,), cause=cause_id)
                unread = finding.find_pushes(connection, tables, whole, limit=_PAGE)
        is_open = current_person().may(Role.OPERATOR)
        return render_template(
            "cause.html",
            cause=found,
            records=records,
            unread=unread,
            states=[state for state in CauseState if state is not found.state],
            findings=(lambda problems: problems) if is_open else self._masking.findings,
            may_change=is_open,
        )

    @needs(Role.OPERATOR)
    def set_state(self, cause_id: str) -> Response:
        self._visible(cause_id)
        try:
            state = CauseState(request.form.get("state", ""))
        except ValueError:
            abort(400, "There is no such state.")
        append = noting(self._desk, _ACTIONS[state], "cause", cause_id, _reason(), {})
        with self._desk.store.transaction() as connection:
            causes.set_state(
                connection, self._desk.store.tables, cause_id, state, current_person().name, self._desk.now()
            )
            append(connection, None)
        flash(f"The cause is {state}.")
        return redirect(url_for("held.cause", cause_id=cause_id), 303)

    @needs(Role.OPERATOR)
    def chosen(self, cause_id: str) -> Response:
        """Retry or discard the records that were ticked."""
        self._visible(cause_id)
        picked = [_picked(text) for text in request.form.getlist("record")[:_MOST_AT_ONCE]]
        if not picked:
            abort(400, "Nothing was chosen: tick the records first.")
        _allowed(self._desk, [push_id for push_id, _ in picked])
        if request.form.get("action") == "discard":
            done = _discard(self._desk, picked, _reason())
            flash(f"{done} of {len(picked)} discarded.")
        else:
            done = _retry(self._desk, list(dict.fromkeys(push_id for push_id, _ in picked)))
            flash(f"Retried: {done} records were applied.")
        self._desk.figures.recount([cause_id])
        return redirect(url_for("held.cause", cause_id=cause_id), 303)


def _picked(text: str) -> tuple[str, int]:
    push_id, _, position = text.partition("/")
    if not position.isdecimal():
        abort(400)
    return push_id, int(position)


def _allowed(desk: Desk, push_ids: list[str]) -> None:
    """All of them must be of sources that the person sees."""
    person = current_person()
    with desk.store.reading() as connection:
        for push_id in set(push_ids):
            alone = Filter(sources=person.sources, push_id=push_id)
            if not finding.find_pushes(connection, desk.store.tables, alone, limit=1):
                abort(404)


def _discard(desk: Desk, picked: list[tuple[str, int]], reason: str) -> int:
    if not reason:
        abort(400, "To discard needs a reason: say why.")
    done = 0
    for push_id, position in picked:
        also = noting(desk, Action.DISCARDED, "push", push_id, reason, {"position": position})
        done += _held_still(partial(desk.deciding.discard, push_id, position, current_person().name, reason, also))
    return done


def _retry(desk: Desk, push_ids: list[str]) -> int:
    applied = 0
    for push_id in push_ids:
        note(desk, Action.RETRIED, "push", push_id)
        try:
            tally = desk.intake.retry(push_id, dict(desk.sources))
        except (Unreadable, BytesGone):
            continue
        applied += tally.applied + tally.superseded if tally is not None else 0
    return applied


def _held_still(attempt: Callable[[], object]) -> bool:
    """Whether it was done: somebody else may have decided meanwhile."""
    try:
        attempt()
    except (NotFound, WrongState):
        return False
    return True


def _reason() -> str:
    return request.form.get("reason", "").strip()[:_LONGEST_REASON]
