"""Replays: a plan first, with nothing written; then a job that can be watched, paused, resumed and cancelled."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from receiver.errors import NotFound, WrongState
from receiver.jobs.replaying import Asked as Wanted
from receiver.store.people.chain import Action
from receiver.store.replays import jobs as replays
from receiver.store.replays.jobs import Replay, ReplayKind, Wish

from ..access import Role, current_person, needs
from ..asked import Asked, read_filter
from ..desk import Desk
from ..noting import note

_PAGE = 50
_LONGEST_REASON = 500
# So many pushes are looked at for so many seconds: for a page at once, and when somebody waits for it.
_AT_ONCE, _FURTHER = (200, 0.08), (2_000, 20.0)
_KINDS = {
    ReplayKind.WALK: (
        "Run the pushes through the corridor again",
        "What is valid now, as settings are, is applied in its place in event order. Nothing is applied twice.",
    ),
    ReplayKind.REBUILD: (
        "Rebuild current state",
        "Bookings and unavailabilities are made again from what was heard; what is wrong or missing is written.",
    ),
    ReplayKind.DISCARD: (
        "Discard the held records",
        "They stay on record with your reason, are never applied, and what is sent again of them is a repeat.",
    ),
    ReplayKind.TELL: (
        "Tell downstream systems again",
        "The change feed gets an “updated” for each booking and unavailability. Nothing else is written.",
    ),
}
_WISHES = {
    "pause": (Wish.PAUSE, Action.REPLAY_PAUSED, "It pauses after the step under way."),
    "cancel": (Wish.CANCEL, Action.REPLAY_CANCELLED, "It stops after the step under way; what was done stays done."),
}


def blueprint(desk: Desk) -> Blueprint:
    """``/replays`` and what hangs below it."""
    pages, views = Blueprint("replays", __name__), _Replays(desk)
    for rule, view, method in (
        ("/replays", views.show, "GET"),
        ("/replays/plan", views.plan, "GET"),
        ("/replays", views.start, "POST"),
        ("/replays/<replay_id>", views.one, "GET"),
        ("/replays/<replay_id>/progress", views.progress, "GET"),
        ("/replays/<replay_id>/resume", views.resume, "POST"),
        ("/replays/<replay_id>/<any(pause, cancel):wish>", views.ask, "POST"),
    ):
        pages.add_url_rule(rule, view.__name__, view, methods=[method])
    return pages


class _Replays:
    """The views."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def _visible(self, replay_id: str) -> Replay:
        person = current_person()
        try:
            with self._desk.store.reading() as connection:
                found = replays.get(connection, self._desk.store.tables, replay_id)
        except NotFound:
            abort(404)
        if person.sources is not None and not set(found.filter.sources or ("",)) <= set(person.sources):
            abort(404)
        return found

    def _asked(self, args: Mapping[str, str]) -> Asked:
        found = read_filter(args, current_person().sources, self._desk.zone(args.get("source")))
        if found.problems:
            abort(400, found.problems[0][1])
        return found

    @needs(Role.VIEWER)
    def show(self) -> str:
        with self._desk.store.reading() as connection:
            found = replays.find(connection, self._desk.store.tables, limit=_PAGE)
        person = current_person()
        seen = [r for r in found if person.sources is None or set(r.filter.sources or ("",)) <= set(person.sources)]
        return render_template("replays.html", replays=seen, kinds=_KINDS, may_change=person.may(Role.OPERATOR))

    @needs(Role.OPERATOR)
    def plan(self) -> str:
        found = self._asked(request.args)
        try:
            kind = ReplayKind(request.args["plan"]) if request.args.get("plan") else None
        except ValueError:
            abort(400, "There is no such replay.")
        planned = None
        if kind is not None:
            bounds = _FURTHER if request.args.get("look") == "further" else _AT_ONCE
            planned = self._desk.planning(*bounds).plan(kind, found.filter)
            note(
                self._desk,
                Action.REPLAY_PLANNED,
                "filter",
                "",
                details={"kind": kind, "filter": found.filter.to_json()},
            )
        return render_template("plan.html", asked=found, kinds=_KINDS, kind=kind, plan=planned, problems=[])

    @needs(Role.OPERATOR)
    def start(self) -> str | Response | tuple[str, int]:
        found, reason = self._asked(request.form), request.form.get("reason", "").strip()[:_LONGEST_REASON]
        try:
            kind = ReplayKind(request.form.get("plan", ""))
        except ValueError:
            abort(400, "There is no such replay.")
        if not reason:
            planned = self._desk.planning(*_AT_ONCE).plan(kind, found.filter)
            problems = [("reason", "Say why")]
            return render_template(
                "plan.html", asked=found, kinds=_KINDS, kind=kind, plan=planned, problems=problems
            ), 422
        replay_id = self._desk.replaying.start(Wanted(kind, found.filter, current_person().name, reason)).id
        details = {"kind": kind, "filter": found.filter.to_json()}
        note(self._desk, Action.REPLAY_STARTED, "replay", replay_id, reason, details)
        return redirect(url_for("replays.one", replay_id=replay_id), 303)

    @needs(Role.VIEWER)
    def one(self, replay_id: str) -> str:
        replay, outcome = self._visible(replay_id), request.args.get("outcome") or None
        beyond = _beyond(request.args.get("after"))
        with self._desk.store.reading() as connection:
            rows = replays.outcomes(
                connection, self._desk.store.tables, replay_id, outcome=outcome, beyond=beyond, limit=_PAGE + 1
            )
        return render_template(
            "replay.html",
            replay=replay,
            kinds=_KINDS,
            outcome=outcome,
            outcomes=rows[:_PAGE],
            further=f"{rows[_PAGE - 1].push_id}/{rows[_PAGE - 1].position}" if len(rows) > _PAGE else None,
            may_change=current_person().may(Role.OPERATOR),
        )

    @needs(Role.VIEWER)
    def progress(self, replay_id: str) -> str:
        return render_template("replay_progress.html", replay=self._visible(replay_id))

    @needs(Role.OPERATOR)
    def resume(self, replay_id: str) -> Response:
        self._visible(replay_id)
        try:
            with self._desk.store.transaction() as connection:
                replays.resume(connection, self._desk.store.tables, replay_id)
        except WrongState as error:
            abort(409, str(error))
        note(self._desk, Action.REPLAY_RESUMED, "replay", replay_id)
        flash("It goes on.")
        return redirect(url_for("replays.one", replay_id=replay_id), 303)

    @needs(Role.OPERATOR)
    def ask(self, replay_id: str, wish: str) -> Response:
        self._visible(replay_id)
        wanted, action, said = _WISHES[wish]
        try:
            with self._desk.store.transaction() as connection:
                replays.ask(connection, self._desk.store.tables, replay_id, wanted, self._desk.now())
        except WrongState as error:
            abort(409, str(error))
        note(self._desk, action, "replay", replay_id)
        flash(said)
        return redirect(url_for("replays.one", replay_id=replay_id), 303)


def _beyond(text: str | None) -> replays.Outcome | None:
    if not text:
        return None
    push_id, _, position = text.partition("/")
    if not position.isdecimal():
        abort(400)
    return replays.Outcome(push_id, int(position), "")
