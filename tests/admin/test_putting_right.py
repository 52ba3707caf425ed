"""What is held, put right in a browser: corrected, retried, discarded, one by one and all at once; and replays."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from playwright.sync_api import expect

from receiver.store.finding.filter import Filter
from receiver.store.replays import jobs
from receiver.store.replays.jobs import Replay, ReplayKind, ReplayState
from tests.support.pushes import confirmation
from tests.support.receiver import Receiver

from .surfer import store_of
from .visitor import Visitor

_numbers = itertools.count(800_001)


def number() -> str:
    return str(next(_numbers))


def push(site: Receiver, body: str) -> str:
    found = site.push(body).push_id
    assert found is not None
    return found


def status(site: Receiver, push_id: str) -> str:
    found: str = site.one("SELECT status FROM v1_notifications WHERE push_id = :id", id=push_id)["status"]
    return found


def cause_of(person: Visitor, text: str) -> None:
    """Go to the cause that says so."""
    person.go("/held")
    with person.leading():
        person.page.locator("tbody a", has_text=text).first.click()


def test_many_pushes_of_one_cause_are_one_line(site: Receiver, otto: Visitor) -> None:
    for _ in range(12):
        push(site, confirmation(bookingId=number(), numberOfOperatives=f"many {number()}"))
    otto.go("/held")
    row = otto.page.locator("tbody tr", has_text="numberOfOperatives")
    assert row.count() == 1
    assert row.locator("td[data-name=Waiting]").inner_text() == "12"
    with otto.leading():
        row.locator("a").first.click()
    otto.click("Acknowledge")
    assert "Acknowledged" in otto.text
    assert "by otto" in otto.text
    otto.click("Resolve")
    push(site, confirmation(bookingId=number(), numberOfOperatives="again"))
    otto.go("/held")
    assert "Open" in otto.page.locator("tbody tr", has_text="numberOfOperatives").inner_text()


def test_a_record_is_corrected_with_the_problems_told_while_it_is_typed(
    site: Receiver, otto: Visitor, anna: Visitor
) -> None:
    booking = number()
    held = push(site, confirmation(bookingId=booking, planningWindowStart="tomorrow"))
    otto.go(f"/pushes/{held}")
    otto.click("Correct record 1", "link")
    area, verdict = otto.page.locator("textarea"), otto.page.locator("#verdict")
    assert "tomorrow" in verdict.inner_text()
    text = area.input_value()
    area.fill(text.replace("tomorrow", "2021-07-02 8 o'clock"))
    expect(verdict).to_contain_text("8 o'clock")
    area.fill(text.replace("tomorrow", "2021-07-02T08:00:00"))
    expect(verdict).to_contain_text("would be applied")
    otto.click("Resubmit")
    assert "Say why" in otto.page.locator(".govuk-error-summary").inner_text()
    otto.page.get_by_label("Why", exact=True).first.fill("the planner's typing error")
    otto.click("Resubmit")
    assert "This push is a correction, version 1" in otto.text
    assert site.booking(booking)["status"] == "confirmed"
    assert status(site, held) == "discarded"
    otto.go(f"/pushes/{held}")
    assert "corrected" in otto.text
    assert "tomorrow" in otto.page.locator(".app-lines").inner_text()
    # The same again is a repeat, and has no effect.
    again = push(site, confirmation(bookingId=booking, planningWindowStart="tomorrow"))
    assert site.one("SELECT outcome FROM v1_pushes WHERE id = :id", id=again)["outcome"] == "duplicate"
    anna.go(f"/trail?about={held}&action=corrected")
    assert "the planner's typing error" in anna.page.locator("tbody").inner_text()


def test_a_push_that_cannot_be_read_is_corrected_as_a_whole(site: Receiver, otto: Visitor) -> None:
    booking = number()
    broken = push(site, confirmation(bookingId=booking).replace("</bookingId>", "<bookingId>"))
    otto.go(f"/pushes/{broken}")
    otto.click("Correct and resubmit")
    area = otto.page.locator("textarea")
    area.fill(area.input_value().replace("<bookingId>", "</bookingId>").replace("</bookingId>", "<bookingId>", 1))
    expect(otto.page.locator("#verdict")).to_contain_text("would be applied")
    otto.page.get_by_label("Why", exact=True).fill("cut on the way")
    otto.click("Resubmit")
    assert site.booking(booking)["status"] == "confirmed"


def test_a_correction_that_is_still_wrong_is_not_taken(site: Receiver, otto: Visitor) -> None:
    held = push(site, confirmation(bookingId=number(), userId="u" * 60))
    otto.go(f"/pushes/{held}/correct/1")
    otto.page.get_by_label("Why", exact=True).first.fill("as it is")
    otto.click("Resubmit")
    assert otto.page.locator(".govuk-error-summary").count() == 1
    assert status(site, held) == "held"


def test_one_is_discarded_with_a_reason(site: Receiver, otto: Visitor) -> None:
    held = push(site, confirmation(bookingId="no number"))
    otto.go(f"/pushes/{held}/correct/1")
    otto.page.get_by_text("Discard it instead").click()
    otto.page.locator("#discard-reason").fill("a test of theirs")
    otto.click("Discard")
    assert "Discarded" in otto.text
    assert "a test of theirs" in otto.text
    assert status(site, held) == "discarded"


def test_those_that_are_ticked_are_discarded_together(site: Receiver, otto: Visitor) -> None:
    held = [push(site, confirmation(bookingId=number(), contract=f"{n}" * 60)) for n in range(3)]
    cause_of(otto, "contract")
    otto.page.get_by_text("Choose all that are shown").click()
    otto.page.get_by_label(re.compile("^Choose record")).first.uncheck(force=True)
    otto.page.locator("#reason").fill("not ours")
    otto.click("Discard those chosen")
    assert "2 of 2 discarded" in otto.text
    assert sorted(status(site, one) for one in held) == ["discarded", "discarded", "held"]


def test_a_plan_comes_first_and_then_a_job_that_is_watched(site: Receiver, otto: Visitor, anna: Visitor) -> None:
    held = [push(site, confirmation(bookingId=number(), bookingReason=f"{n}" * 60)) for n in range(5)]
    cause_of(otto, "bookingReason")
    otto.click("Discard all of them")
    assert "nothing has been written yet" in otto.text
    assert "5" in otto.page.locator("dl").first.inner_text()
    assert {status(site, one) for one in held} == {"held"}
    otto.click("Start")
    assert "Say why" in otto.page.locator(".govuk-error-summary").inner_text()
    otto.page.get_by_label("Why", exact=True).fill("sent by mistake")
    otto.click("Start")
    expect(otto.page.locator("main")).to_contain_text("Finished", timeout=40_000)
    assert {status(site, one) for one in held} == {"discarded"}
    otto.go(otto.page.url.removeprefix(f"{site.url}/admin"))
    assert otto.page.locator("tbody tr").count() == 5
    otto.go("/replays")
    assert "sent by mistake" in otto.page.locator("tbody").inner_text()
    anna.go("/trail?action=replay_started")
    assert "sent by mistake" in anna.page.locator("tbody").inner_text()


def test_current_state_is_rebuilt_for_a_filter_and_changes_are_told_again_only_when_asked(
    site: Receiver, otto: Visitor
) -> None:
    booking = number()
    push(site, confirmation(bookingId=booking))
    told = "SELECT change FROM v1_changes WHERE entity_key = :id"
    for plan, finished in (("Rebuild current state", 1), ("Tell downstream systems again", 2)):
        otto.go(f"/find?booking_id={booking}")
        otto.click("Replay or discard all of these")
        otto.page.get_by_label(plan).check(force=True)
        otto.click("Plan it")
        otto.page.get_by_label("Why", exact=True).fill("to be sure")
        otto.click("Start")
        expect(otto.page.locator("main")).to_contain_text("Finished", timeout=40_000)
        assert len(site.rows(told, id=booking)) == finished


def test_all_of_a_cause_are_retried_and_those_still_invalid_stay_held(site: Receiver, otto: Visitor) -> None:
    for _ in range(3):
        push(site, confirmation(bookingId=number(), tokenId="t" * 60))
    cause_of(otto, "tokenId")
    with otto.leading():
        otto.page.get_by_text("Retry all of them").click()
    otto.page.get_by_label("Why", exact=True).fill("settings were changed")
    otto.click("Start")
    expect(otto.page.locator("main")).to_contain_text("Finished", timeout=40_000)
    assert otto.page.locator("dl", has_text="Held").locator("dd").last.inner_text() == "3"


def _job(site: Receiver, replay_id: str, state: ReplayState, *, owned: bool) -> None:
    """A replay of nothing; ``owned``: some other process is at work on it."""
    now = datetime.now(UTC)
    until = now + timedelta(hours=1) if owned else None
    found = Replay(replay_id, ReplayKind.TELL, Filter(order="none"), state, now, "otto", "to be sure", 0)
    with store_of(site) as store, store.transaction() as connection:
        jobs.add(connection, store.tables, replace(found, owner="another" if owned else None, owner_until=until))


def test_a_job_is_paused_resumed_and_cancelled(site: Receiver, otto: Visitor, anna: Visitor) -> None:
    _job(site, "running", ReplayState.RUNNING, owned=True)
    otto.go("/replays/running")
    otto.click("Pause")
    assert "It pauses after the step under way" in otto.text
    otto.click("Cancel")
    assert "It stops after the step under way" in otto.text
    _job(site, "paused", ReplayState.PAUSED, owned=False)
    otto.go("/replays/paused")
    otto.click("Resume")
    expect(otto.page.locator("main")).to_contain_text("Finished", timeout=40_000)
    _job(site, "given up", ReplayState.PAUSED, owned=False)
    otto.go("/replays/given%20up")
    otto.click("Cancel")
    assert "Cancelled" in otto.text
    assert otto.page.get_by_role("button", name="Resume").count() == 0
    anna.go("/trail")
    done = anna.page.locator("tbody tr td[data-name=What]").all_inner_texts()
    assert done[:4] == ["replay cancelled", "replay resumed", "replay cancelled", "replay paused"]
