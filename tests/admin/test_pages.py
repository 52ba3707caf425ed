"""What people come for, done in a browser; every page that is met on the way is checked (visitor.py)."""

from __future__ import annotations

import csv
import io
import itertools
import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, expect

from tests.support.pushes import CODE, cancellation, confirmation, element, fields, unavailability
from tests.support.receiver import Receiver

from .surfer import store_of
from .visitor import PASSWORD, Tools, Visitor, window

_numbers = itertools.count(700_001)


def number() -> str:
    return str(next(_numbers))


def push(site: Receiver, body: str) -> str:
    found = site.push(body).push_id
    assert found is not None
    return found


# Did DRS tell us about that order?


def test_an_order_number_in_the_one_box_goes_to_its_story(site: Receiver, otto: Visitor) -> None:
    booking, order = number(), f"L{number()}"
    push(site, confirmation(bookingId=booking, primaryOrderNumber=order, codes=[CODE]))
    later = {"planningWindowStart": "2021-07-05T08:00:00", "changedDate": "2021-05-28T10:00:00"}
    push(site, confirmation(bookingId=booking, primaryOrderNumber=order, codes=[CODE], **later))
    push(site, cancellation(bookingId=booking, primaryOrderNumber=order, changedDate="2021-05-29T09:00:00"))
    otto.go("/")
    otto.page.get_by_label("Order number, booking id, resource or push").fill(order)
    otto.click("Go")
    assert otto.heading == f"Order {order}"
    assert "Cancelled" in otto.page.locator("table").first.inner_text()
    told = otto.page.locator(".app-timeline > li h3").all_inner_texts()
    assert [re.sub(r".*: (\w+) of.*", r"\1", t.replace("\n", " ")) for t in told] == [
        *("cancellation", "confirmation", "confirmation")
    ]
    changed = otto.page.locator(".app-timeline > li").nth(1).inner_text()
    assert "planning window start" in changed
    assert "2 July 2021, 08:00:00 BST" in changed
    assert "5 July 2021, 08:00:00 BST" in changed


def test_a_booking_has_its_story_with_what_came_late_marked(site: Receiver, otto: Visitor) -> None:
    booking = number()
    push(site, confirmation(bookingId=booking, changedDate="2021-05-28T10:00:00", contract="NEW"))
    push(site, confirmation(bookingId=booking, changedDate="2021-05-27T10:00:00", contract="OLD"))
    otto.go(f"/search?q={booking}")
    assert otto.heading.endswith(f"Booking {booking}")
    assert "NEW" in otto.page.locator("dl").first.inner_text()
    assert "Superseded" in otto.page.locator(".app-timeline__superseded").inner_text()


def test_little_is_known_of_some_bookings(site: Receiver, otto: Visitor) -> None:
    booking, order = number(), f"L{number()}"
    push(site, element("bookingCancellation", fields({"bookingId": booking, "primaryOrderNumber": order})))
    known = {"bookingId": booking, "primaryOrderNumber": order, "planningWindowStart": "2021-07-02T08:00:00"}
    push(site, element("bookingConfirmation", fields(known)))
    otto.go(f"/orders/{order}")
    otto.go(f"/bookings/drs/{booking}")


def test_what_was_never_heard_of_is_said_so(otto: Visitor) -> None:
    otto.go("/search?q=L0000000")
    assert otto.heading == "Nothing was heard of L0000000"
    otto.go("/orders/L0000000", 404)
    otto.go("/bookings/drs/1", 404)
    otto.go("/pushes/nothing", 404)
    otto.go("/nowhere", 404)


# Has DRS gone quiet?


def test_that_drs_has_gone_quiet_is_red_until_it_is_heard_again(site: Receiver, otto: Visitor) -> None:
    push(site, unavailability(ResourceId=f"R{number()}"))
    with store_of(site) as store, store.transaction() as connection:
        p = store.tables.pushes
        long_ago = datetime.now(UTC) - timedelta(hours=30)
        connection.execute(p.update().where(p.c.kind == "unavailability").values(received_at=long_ago))
    otto.go("/")
    nightly = otto.page.locator("tbody tr", has_text="unavailability").first
    assert "1 day 6 hours" in nightly.inner_text()
    assert nightly.locator(".govuk-tag--red").inner_text() == "Gone quiet"
    push(site, unavailability(ResourceId=f"R{number()}"))
    otto.go("/?by=day")
    assert nightly.locator(".govuk-tag").inner_text() == "As usual"
    otto.page.get_by_text("The same as a table").click()
    assert otto.page.locator("details table tbody tr").count() == 31
    assert otto.page.locator("svg.app-chart rect").count() > 0


# Find


def test_a_filter_finds_and_stays_in_the_address(site: Receiver, otto: Visitor) -> None:
    booking = number()
    wanted = push(site, confirmation(bookingId=booking))
    push(site, cancellation(bookingId=number()))
    otto.go("/find")
    otto.page.get_by_label("Booking id", exact=True).fill(booking)
    otto.page.get_by_label("What", exact=True).select_option("confirmation")
    otto.click("Find")
    assert f"booking_id={booking}" in otto.page.url
    assert otto.page.get_by_role("status").inner_text().startswith("1 push.")
    with otto.leading():
        otto.page.locator("tbody a").click()
    assert otto.page.url.endswith(wanted)
    otto.go(f"/find?list=records&booking_id={booking}")
    assert "Applied" in otto.page.locator("tbody").inner_text()


def test_a_filter_that_cannot_be_read_says_what_and_where(otto: Visitor) -> None:
    otto.go("/find?since=yesterday")
    assert "Write the time as" in otto.page.locator(".govuk-error-summary").inner_text()
    assert otto.page.get_by_label("Since", exact=True).get_attribute("aria-describedby") == "since-hint since-error"


def test_pages_lead_on_and_an_export_has_all(site: Receiver, otto: Visitor) -> None:
    order = f"L{number()}"
    sent = [push(site, confirmation(bookingId=number(), primaryOrderNumber=order)) for _ in range(60)]
    otto.go(f"/find?order={order}")
    assert otto.page.locator("tbody tr").count() == 50
    otto.click("Older", "link")
    assert otto.page.locator("tbody tr").count() == 10
    with otto.page.expect_download() as download:
        otto.page.get_by_role("button", name="Export as CSV").click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
    assert sorted(row["id"] for row in rows) == sorted(sent)


# A push


def test_a_push_shows_its_problem_at_its_line(site: Receiver, otto: Visitor) -> None:
    found = push(site, confirmation(bookingId="x").replace("\n", ""))
    otto.go(f"/pushes/{found}")
    wrong = otto.page.locator(".app-lines__wrong")
    assert "<bookingId>x</bookingId>" in wrong.inner_text()
    assert "which is not a whole number" in wrong.inner_text()
    assert "422" in otto.text
    assert "127.0.0.1" in otto.text
    with otto.page.expect_download() as download:
        otto.page.get_by_role("link", name="Download the bytes unchanged").click()
    assert download.value.path().read_text() == confirmation(bookingId="x").replace("\n", "")
    otto.click("show the lines as they were sent", "link")
    assert otto.page.locator(".app-lines li").count() == 1


def test_a_push_names_its_other_deliveries_and_what_it_changed(site: Receiver, otto: Visitor) -> None:
    body = confirmation(bookingId=number())
    first, again = push(site, body), push(site, body)
    otto.go(f"/pushes/{first}")
    assert again in otto.text
    assert "created" in otto.text
    otto.go(f"/pushes/{again}")
    assert "Seen before" in otto.text
    assert first in otto.text


def test_an_unavailability_says_what_it_changed(site: Receiver, otto: Visitor) -> None:
    resource = f"R{number()}"
    push(site, unavailability(ResourceId=resource, Reason="Holiday"))
    push(site, unavailability(ResourceId=resource, Reason="Training", PeriodStart="2026-12-24T08:00:00"))
    found = push(site, unavailability(ResourceId=resource, Reason="Sick"))
    otto.go(f"/pushes/{found}")
    rows = otto.page.locator("section tbody tr").all_inner_texts()
    assert [row.split("\t") for row in rows if "reason" in row] == [["reason", "Holiday", "Sick"]]


def test_bytes_that_nothing_can_be_read_of_are_shown(site: Receiver, otto: Visitor) -> None:
    found = push(site, "<nothing><b>&lt;script&gt;alert(1)&lt;/script&gt;</b></nothing>")
    otto.go(f"/pushes/{found}")
    assert "Nothing could be read of this push" in otto.text
    assert "<script>alert(1)</script>" not in otto.page.content()


# A resource


def test_a_resource_has_a_calendar(site: Receiver, otto: Visitor) -> None:
    resource = f"R{number()}"
    period = {"PeriodStart": "2026-11-10T00:00:00", "PeriodEnd": "2026-11-12T12:00:00"}
    push(site, unavailability(ResourceId=resource, Reason="Holiday", **period))
    done = {"bookingId": number(), "primaryOrderNumber": "L1", "taskCompletionDate": "2026-11-11T10:00:00"}
    window_ = {"planningWindowStart": "2026-11-11T08:00:00", "planningWindowEnd": "2026-11-11T12:00:00"}
    who = f"<theResources><Resource><resourceID>{resource}</resourceID></Resource></theResources>"
    push(site, confirmation(codes=(), bookingId=done["bookingId"], **window_))
    push(site, element("bookingCompletion", fields(done) + who))
    otto.go(f"/search?q={resource}")
    assert otto.heading.endswith(f"Resource {resource}")
    otto.go(f"/resources/drs/{resource}?month=2026-11")
    off = otto.page.locator("td", has=otto.page.locator(".app-calendar__off")).locator("time").all_inner_texts()
    assert [t.strip() for t in off] == ["10", "11", "12"]
    assert done["bookingId"] in otto.page.locator(".app-calendar__booked").inner_text()
    assert "Holiday" in otto.text


# Who may see what


def test_viewers_see_neither_names_nor_comments_nor_bytes(site: Receiver, vera: Visitor) -> None:
    booking, code = number(), {**CODE, "comments": "Mrs Unusual is deaf"}
    found = push(site, confirmation(bookingId=booking, userId="JUNUSUAL", codes=[code], phone="0749-UNUSUAL"))
    held = push(site, confirmation(bookingId="UNUSUAL"))
    for path in (f"/pushes/{found}", f"/bookings/drs/{booking}", f"/pushes/{held}", "/held", "/find?list=records"):
        vera.go(path)
        content = vera.page.content().replace("UNUSUAL</a>", "")  # the booking id that was sent stays in sight
        assert "Mrs Unusual" not in content
        assert "JUNUSUAL" not in content
        assert "0749-UNUSUAL" not in content
        assert "“UNUSUAL”" not in content
    vera.go(f"/pushes/{found}/bytes", 403)
    vera.go("/find.csv", 403)
    vera.go("/find?words=unusual", 403)
    vera.go(f"/pushes/{held}/correct/1", 403)
    vera.go("/trail", 403)
    vera.go("/people", 403)


def test_administrators_see_the_trail_of_it_all(site: Receiver, anna: Visitor, otto: Visitor) -> None:
    found = push(site, confirmation(bookingId=number()))
    otto.go(f"/pushes/{found}")
    anna.go(f"/trail?about={found}")
    assert "otto" in anna.page.locator("tbody tr").first.inner_text()
    assert "viewed" in anna.page.locator("tbody tr").first.inner_text()
    anna.go("/people")
    assert "vera" in anna.text


# Any screen, and without scripts


@pytest.mark.parametrize("width", [320, 1920])
def test_pages_fit_any_screen(browser: Browser, site: Receiver, tools: Tools, width: int) -> None:
    push(site, confirmation(bookingId="y"))
    booking = number()
    good = push(site, confirmation(bookingId=booking, codes=[CODE]))
    with window(browser, site, tools, viewport={"width": width, "height": 800}) as anna:
        anna.sign_in("anna")
        story = f"/bookings/drs/{booking}"
        for path in ("/", "/find", f"/pushes/{good}", story, "/held", "/replays", "/trail", "/people"):
            anna.go(path)
            wide = anna.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{path} is {wide} wide"


def test_everything_works_without_scripts_and_by_keyboard(browser: Browser, site: Receiver, tools: Tools) -> None:
    held = push(site, confirmation(bookingId="without scripts"))
    with window(browser, site, tools, java_script_enabled=False) as otto:
        otto.sign_in("otto")
        otto.go(f"/pushes/{held}/correct/1")
        text = otto.page.locator("textarea").input_value().replace("without scripts", number())
        otto.page.locator("textarea").fill(text)
        otto.click("Only check")
        assert "would be applied" in otto.page.locator("#verdict").inner_text()
    with window(browser, site, tools) as otto:
        otto.sign_in("otto")
        page = otto.go("/")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent").strip() == "Skip to main content"
        page.get_by_label("Order number, booking id, resource or push").focus()
        page.keyboard.type("L0000000")
        with otto.leading():
            page.keyboard.press("Enter")
        assert otto.heading == "Nothing was heard of L0000000"


def test_that_a_session_ends_is_said_before_and_can_be_put_off(browser: Browser, site: Receiver, tools: Tools) -> None:
    with window(browser, site, tools) as vera:
        vera.page.clock.install()
        vera.sign_in("vera")
        button = vera.page.get_by_role("button", name="Stay signed in")
        vera.page.clock.fast_forward("27:30")
        expect(button).to_be_hidden()
        vera.page.clock.fast_forward("01:00")
        expect(button).to_be_focused()
        button.click()
        expect(button).to_be_hidden()
        vera.page.clock.fast_forward("27:30")
        expect(button).to_be_hidden()


def test_every_page_around_signing_in_is_like_the_others(browser: Browser, site: Receiver, tools: Tools) -> None:
    with window(browser, site, tools) as stranger:
        stranger.go("/sign-in")
        stranger.page.get_by_label("Name", exact=True).fill("vera")
        stranger.page.get_by_label("Password", exact=True).fill("not hers")
        stranger.click("Sign in")
        assert "wrong" in stranger.page.locator(".govuk-error-summary").inner_text()
        stranger.go("/sign-in/link/never-made", 404)
        stranger.go("/signed-out")
        stranger.sign_in("vera")
        stranger.go("/password")
        stranger.page.locator("#old").fill(PASSWORD)
        stranger.page.locator("#new").fill("short")
        stranger.click("Save")
        assert "12 characters" in stranger.page.locator(".govuk-error-summary").inner_text()
        stranger.click("Sign out")
        assert "sign-in" in stranger.go("/find").url
