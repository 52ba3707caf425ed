"""Find: one filter, in the address, for the list, its export, and what is done to all that it finds."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, Response, abort, render_template, request

from receiver.fields import Kind
from receiver.store.finding import exporting
from receiver.store.finding import pushes as finding
from receiver.store.finding import records as finding_records
from receiver.store.finding.pushes import FoundPush
from receiver.store.finding.records import FoundRecord
from receiver.store.notifications import NotificationStatus
from receiver.store.people.chain import Action
from receiver.store.pushes import Outcome

from ..access import Role, current_person, needs
from ..asked import Asked, read_filter
from ..desk import Desk
from ..find_csv import csv_lines
from ..noting import note
from ..place import place

_PAGE = 50


def asked(desk: Desk) -> Asked:
    """The filter of this request's address, as far as the person may see."""
    person = current_person()
    found = read_filter(request.args, person.sources, desk.zone(request.args.get("source")))
    if found.filter.words is not None and not person.may(Role.OPERATOR):
        abort(403, "Words of records can be names: operators may look for them.")
    return found


def placed(row: FoundPush | FoundRecord) -> str:
    """The row's place as an address has it."""
    moment, row_id = row.place
    return f"{moment.isoformat()}/{row_id}"


def blueprint(desk: Desk) -> Blueprint:
    """``/find`` and ``/find.csv``."""
    pages = Blueprint("find", __name__)

    @pages.get("/find")
    @needs(Role.VIEWER)
    def show() -> str:
        found, tables = asked(desk), desk.store.tables
        before, by_record = place(request.args.get("before")), request.args.get("list") == "records"
        rows: Sequence[FoundPush | FoundRecord] = []
        number, exact = 0, True
        if not found.problems:
            with desk.store.reading() as connection:
                if by_record:
                    rows = finding_records.find_records(
                        connection, tables, found.filter, before=before, limit=_PAGE + 1
                    )
                else:
                    rows = finding.find_pushes(connection, tables, found.filter, before=before, limit=_PAGE + 1)
                number, exact = finding.count(connection, tables, found.filter)
        return render_template(
            "find.html",
            asked=found,
            rows=rows[:_PAGE],
            further=placed(rows[_PAGE - 1]) if len(rows) > _PAGE else None,
            before=before,
            by_record=by_record,
            number=number,
            exact=exact,
            sources=[name for name in desk.sources if current_person().sees(name)],
            kinds=list(Kind),
            outcomes=list(Outcome),
            statuses=list(NotificationStatus),
            may_change=current_person().may(Role.OPERATOR),
        )

    @pages.get("/find.csv")
    @needs(Role.OPERATOR)
    def export() -> Response:
        found = asked(desk)
        if found.problems:
            abort(400, found.problems[0][1])
        by_record = request.args.get("list") == "records"
        note(desk, Action.EXPORTED, "filter", "", details={"filter": found.filter.to_json(), "records": by_record})
        rows = exporting.records(desk.store, found.filter) if by_record else exporting.pushes(desk.store, found.filter)
        response = Response(csv_lines(rows), content_type="text/csv; charset=utf-8")
        name = "records" if by_record else "pushes"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
        return response

    return pages
