"""The pictures in docs/admin.md, of a day as the simulated DRS plays it. ``make screenshots`` takes them anew."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from receiver.fields import field_table
from receiver.simulate import Faults, Plan, Sender, Simulation
from tests.support.pushes import confirmation
from tests.support.receiver import Receiver

from .conftest import add_people
from .visitor import Tools, Visitor, window

DOCS = Path(__file__).parents[2] / "docs"
PICTURES = DOCS / "screenshots"


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    """A receiver after one day of DRS."""
    folder = tmp_path_factory.mktemp("day")
    with Receiver(f"sqlite:///{folder / 'receiver.db'}", folder) as running:
        add_people(running)
        plan = Plan(faults=Faults(duplicates=0.1, damage=0.05))
        simulation = Simulation(plan, field_table(), Sender(f"{running.url}/push/drs"))
        for _ in simulation.play(date(2026, 11, 20)):
            pass
        yield running


def test_each_page_in_the_manual_looks_like_this(day: Receiver, browser: Browser, tools: Tools, tmp_path: Path) -> None:
    named = set(re.findall(r"screenshots/([a-z]+)\.png", (DOCS / "admin.md").read_text(encoding="utf-8")))
    taken: set[str] = set()
    folder = PICTURES if os.environ.get("SCREENSHOTS") == "write" else tmp_path
    with window(browser, day, tools, viewport={"width": 1000, "height": 760}) as anna:
        anna.sign_in("anna")

        def take(name: str) -> None:
            anna.page.screenshot(path=folder / f"{name}.png")
            taken.add(name)

        booking = day.rows(
            "SELECT primary_order_number AS number FROM v1_bookings WHERE status = 'cancelled' ORDER BY booking_id"
        )[0]["number"]
        off = day.rows("SELECT resource_id, period_start FROM v1_unavailabilities ORDER BY period_start")[0]
        for name, path in {
            "overview": "/",
            "find": "/find?outcome=duplicate",
            "order": f"/orders/{booking}",
            "held": "/held",
            "resource": f"/resources/drs/{off['resource_id']}?month={off['period_start']:%Y-%m}",
        }.items():
            anna.go(path)
            take(name)
        _wrong(day, anna, take)
    assert taken == named
    assert {path.stem for path in PICTURES.glob("*.png")} == named, "make screenshots takes them anew"


def _wrong(day: Receiver, anna: Visitor, take: Callable[[str], None]) -> None:
    """A push with a problem, its correction, and a replay."""
    held = day.push(confirmation(bookingId="731905", planningWindowStart="Friday, 8 o'clock")).push_id
    anna.go(f"/pushes/{held}#bytes")
    anna.page.locator("#bytes").scroll_into_view_if_needed()
    take("push")
    anna.go(f"/pushes/{held}/correct/1")
    take("correct")
    anna.go("/find?status=held")
    anna.click("Replay or discard all of these")
    anna.click("Plan it")
    anna.page.get_by_label("Why", exact=True).fill("The source's action words were set")
    anna.click("Start")
    expect(anna.page.locator("main")).to_contain_text("Finished", timeout=40_000)
    take("replay")
