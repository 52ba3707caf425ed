"""No page asks the database more often because there is more in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event

from receiver.app import Parts, build_parts, build_site, utc_now
from receiver.intake.draft import Delivery
from receiver.settings import load_settings
from receiver.store import migrations
from receiver.store.people import passwords
from receiver.store.people.accounts import Accounts
from receiver.store.people.chain import By
from receiver.store.people.roles import Role
from receiver.web.proxies import Proxies
from tests.support.pushes import CODE, cancellation, confirmation, element, fields, unavailability

from .seen import fetched
from .visitor import PASSWORD

# Statements of one page, signing in and the trail's entry among them.
MOST = 45


class Counted:
    """The site in this process, with a person signed in and every statement counted."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.client: FlaskClient = build_site(parts, Proxies(())).test_client()
        self.statements = 0
        event.listen(parts.store.engine, "before_cursor_execute", self._count)

    def _count(self, *_: object) -> None:
        self.statements += 1

    def sign_in(self) -> None:
        Accounts(self.parts.store, utc_now).add(
            By("test:here"), "anna", Role.ADMINISTRATOR, password_hash=passwords.hashed(PASSWORD)
        )
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.client.get("/sign-in").text)
        assert token is not None
        form = {"csrf_token": token[1], "name": "anna", "password": PASSWORD}
        assert self.client.post("/sign-in", data=form).status_code == 303

    def push(self, body: str) -> str:
        found = self.parts.intake.receive(Delivery(self.parts.sources["drs"], body.encode(), "text/xml")).push_id
        assert found is not None
        return found

    def of(self, path: str) -> int:
        """How many statements the page takes."""
        self.statements = 0
        page = self.client.get(path)
        assert page.status_code == 200, path
        fetched(f"/admin{path}", page.status_code, dict(page.headers), page.text)
        return self.statements


@pytest.fixture
def counted(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    monkeypatch.setenv("RECEIVER_DATABASE_URL", database_url)
    parts = build_parts(load_settings())
    migrations.upgrade(parts.store.engine)
    found = Counted(parts)
    found.sign_in()
    yield found
    parts.store.close()


def _fill(counted: Counted, first: int, number: int) -> str:
    """So many bookings of one order and records of one resource, each heard twice, and as many held ones."""
    for n in range(first, first + number):
        body = confirmation(bookingId=f"{n}", primaryOrderNumber="L1", codes=[CODE])
        counted.push(body)
        counted.push(body)
        counted.push(cancellation(bookingId=f"{n}", primaryOrderNumber="L1"))
        counted.push(confirmation(bookingId="1", primaryOrderNumber="L1", changedDate=f"2021-06-01T08:{n % 60:02}:00"))
        counted.push(confirmation(bookingId=f"x{n}", primaryOrderNumber="L1"))
        counted.push(unavailability(ResourceId="R1", PeriodStart=f"2026-11-{n % 28 + 1:02}T08:00:00"))
        counted.push(f"<nothing{n}/>")
    many = "".join(
        f"<bookingConfirmation>{fields({'bookingId': f'{n}', 'primaryOrderNumber': 'L2'})}</bookingConfirmation>"
        for n in range(first, first + number)
    )
    return counted.push(element("bookingConfirmations", many))


def test_no_page_asks_more_often_when_there_is_more(counted: Counted) -> None:
    batch = _fill(counted, 1, 4)
    cause = re.search(r'href="/held/([0-9a-f]+)"', counted.client.get("/held").text)
    assert cause is not None
    one = re.search(r'href="/pushes/([0-9a-f-]+)"', counted.client.get("/find?outcome=stored").text)
    assert one is not None
    pages = (
        *("/", "/?by=day", "/find", "/find?list=records", "/find?order=L1", "/find?booking_id=1&kind=confirmation"),
        *("/find?status=held", f"/find?cause={cause[1]}", "/find?words=joiner", "/find?resource=R1&list=records"),
        *(f"/pushes/{one[1]}", f"/pushes/{batch}", "/bookings/drs/1", "/resources/drs/R1?month=2026-11"),
        *("/held", f"/held/{cause[1]}", "/replays", "/replays/plan?order=L1", "/trail", "/people"),
    )
    few = {path: counted.of(path) for path in pages}
    _fill(counted, 10, 12)
    counted.of("/held")  # which groups what is held since it was last looked at
    more = {path: counted.of(path) for path in pages}
    assert {path: (few[path], more[path]) for path in pages if more[path] > few[path] + 1} == {}
    assert {path: count for path, count in more.items() if count > MOST} == {}


def test_an_order_asks_for_so_many_bookings_at_most(counted: Counted) -> None:
    _fill(counted, 1, 25)
    assert counted.of("/orders/L1") <= 20 * 6 + MOST
