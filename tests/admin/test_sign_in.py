"""Signing in and out, as a browser meets it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.admin.access import is_open, needed
from receiver.app import build_parts, build_site, utc_now
from receiver.errors import TooManyAttempts
from receiver.settings import load_settings
from receiver.store.people.accounts import Change
from receiver.store.people.attempts import Attempts, account, address, wait_after
from receiver.store.people.links import Links
from receiver.store.people.roles import Role
from receiver.web.proxies import Proxies
from tests.support.corridor import corridor
from tests.support.receiver import Receiver

from .surfer import BY, PASSWORD, Surfer, accounts_of, add_account, store_of


def trail_of(receiver: Receiver, action: str) -> list[dict[str, Any]]:
    """What the trail says of that, the oldest first."""
    rows = receiver.rows(
        "SELECT person, role, details FROM trail WHERE action = :action ORDER BY number", action=action
    )
    return [{**row, "details": str(row["details"])} for row in rows]


def is_signed_in(surfer: Surfer) -> bool:
    return "Sign out" in surfer.go("/admin/").text


def test_without_accounts_the_page_says_how_to_add_one(receiver: Receiver) -> None:
    seen = Surfer(receiver.url).go("/admin/")
    assert (seen.status, seen.heading) == (200, "Sign in")
    assert "receiver user add NAME" in seen.text
    assert 'name="password"' not in seen.text


def test_a_page_asks_who_is_there_and_then_shows_itself(receiver: Receiver) -> None:
    add_account(receiver, "jo", Role.OPERATOR)
    surfer = Surfer(receiver.url)
    asked = surfer.get("/admin/?a=1&b=2")
    assert (asked.status, asked.location) == (303, "/admin/sign-in?next=/admin/?a%3D1%26b%3D2")
    reply = surfer.sign_in("Jo", path=asked.location)
    assert (reply.status, reply.location) == (303, "/admin/?a=1&b=2")
    assert "Signed in as jo, operator" in surfer.go("/admin/").text
    assert trail_of(receiver, "signed_in")[0]["person"] == "jo"
    assert "127.0.0.1" in trail_of(receiver, "signed_in")[0]["details"]
    # Somebody who is signed in has no business on that page.
    assert surfer.get("/admin/sign-in").location == "/admin/"


def test_a_wrong_password_an_unknown_name_and_a_disabled_account_look_the_same(receiver: Receiver) -> None:
    add_account(receiver, "jo")
    add_account(receiver, "al")
    with accounts_of(receiver) as accounts:
        accounts.disable(BY, "al")
    surfer, pages = Surfer(receiver.url), []
    for name, password in (("jo", "something else"), ("hunter2-my-password", PASSWORD), ("al", PASSWORD)):
        reply = surfer.sign_in(name, password)
        pages.append((reply.status, re.sub(rf'value="{name}"|name="csrf_token" value="[^"]*"', "", reply.text)))
    assert pages[0][0] == 422
    assert "The name or the password is wrong" in pages[0][1]
    assert pages == [pages[0]] * 3
    assert not is_signed_in(surfer)
    found = trail_of(receiver, "sign_in_failed")
    assert [row["person"] for row in found] == ["jo", "unknown", "al"]
    assert "hunter2" not in str(found)


EVIL = [
    "https://evil.example/admin/",
    "//evil.example/admin/",
    "/\\evil.example",
    "/admin/\\evil.example",
    "/admin/../push/drs",
    "/administrator",
    "/push/drs",
    "javascript:alert(1)",
    "/admin/\r\nSet-Cookie: a=b",
    "http:/admin/",
    "",
]


def test_signing_in_leads_nowhere_else(receiver: Receiver) -> None:
    add_account(receiver, "jo")
    surfer = Surfer(receiver.url)
    surfer.sign_in("jo")
    # Who is signed in already is led on at once.
    for evil in EVIL:
        reply = surfer.get(f"/admin/sign-in?{urlencode({'next': evil})}")
        assert (reply.status, reply.headers["location"]) == (303, "/admin/"), evil
    for evil in EVIL[:2]:
        other = Surfer(receiver.url)
        other.get("/admin/sign-in")
        assert other.submit("/admin/sign-in", name="jo", password=PASSWORD, next=evil).headers["location"] == "/admin/"


# Forms


def test_a_form_that_is_not_ours_changes_nothing(receiver: Receiver) -> None:
    add_account(receiver, "jo")
    fields = {"name": "jo", "password": PASSWORD}
    stranger, surfer = Surfer(receiver.url), Surfer(receiver.url)
    stranger.get("/admin/sign-in")
    for token in ("", "x", stranger.page.csrf):
        surfer.get("/admin/sign-in")
        reply = surfer.request("POST", "/admin/sign-in", {**fields, "csrf_token": token})
        assert (reply.status, reply.heading) == (400, "This page was too old")
    surfer.get("/admin/sign-in")
    token = surfer.page.csrf
    for site in ("cross-site", "same-site"):
        reply = surfer.request("POST", "/admin/sign-in", {**fields, "csrf_token": token}, Sec_Fetch_Site=site)
        assert reply.status == 403
    assert receiver.rows("SELECT id FROM sessions") == []
    reply = surfer.request("POST", "/admin/sign-in", {**fields, "csrf_token": token}, Sec_Fetch_Site="same-origin")
    assert reply.status == 303
    # A form from before signing in is old afterwards; signing out needs one of now.
    assert surfer.request("POST", "/admin/sign-out", {"csrf_token": token}).status == 400
    assert is_signed_in(surfer)


# Sessions


def test_a_session_is_a_new_secret_at_each_sign_in_and_ends_when_signed_out(receiver: Receiver) -> None:
    add_account(receiver, "jo")
    surfer = Surfer(receiver.url)
    surfer.cookies["receiver"] = "planted-by-somebody-else"
    surfer.sign_in("jo")
    first = surfer.cookies["receiver"]
    assert len(first) >= 43
    assert first != "planted-by-somebody-else"
    kept = receiver.one("SELECT * FROM sessions")
    assert first not in str(kept)
    surfer.go("/admin/")
    reply = surfer.submit("/admin/sign-out")
    assert (reply.status, surfer.go(reply.location).heading) == (303, "You have signed out")
    assert "receiver" not in surfer.cookies
    surfer.cookies["receiver"] = first
    assert not is_signed_in(surfer)
    surfer.sign_in("jo")
    assert surfer.cookies["receiver"] != first
    assert [row["person"] for row in trail_of(receiver, "signed_out")] == ["jo"]


def test_what_becomes_of_an_account_is_seen_at_the_next_page(receiver: Receiver) -> None:
    add_account(receiver, "jo", Role.ADMINISTRATOR)
    surfer = Surfer(receiver.url)
    surfer.sign_in("jo")
    assert "Signed in as jo, administrator" in surfer.go("/admin/").text
    with accounts_of(receiver) as accounts:
        accounts.change(BY, "jo", Change(role=Role.VIEWER))
        assert "Signed in as jo, viewer" in surfer.go("/admin/").text
        accounts.disable(BY, "jo")
        assert not is_signed_in(surfer)
        accounts.enable(BY, "jo")
    assert not is_signed_in(surfer)


def test_a_role_opens_its_own_pages_and_no_others(receiver: Receiver) -> None:
    add_account(receiver, "jo", Role.VIEWER)
    surfer = Surfer(receiver.url)
    surfer.sign_in("jo")
    assert surfer.get("/admin/trail").status == 403
    assert surfer.get("/admin/nothing-there").status == 404
    # A script that asks is told, and not led to a page that it would take for its answer.
    assert Surfer(receiver.url).get("/admin/", Sec_Fetch_Dest="empty").status == 401


def test_every_page_is_for_a_role_or_open_on_purpose(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECEIVER_DATABASE_URL", sqlite_url)
    parts = build_parts(load_settings())
    site = build_site(parts, Proxies(()))
    views = {endpoint: view for endpoint, view in site.view_functions.items() if endpoint != "static"}
    parts.store.close()
    assert len(views) > 10
    assert {e for e, view in views.items() if needed(view) is None and not is_open(view)} == set()
    assert {e for e, view in views.items() if is_open(view)} == {
        *("signin.show", "signin.by_password", "signin.show_link", "signin.by_link", "signin.ask_provider"),
        *("signin.by_provider", "signin.sign_out", "signin.signed_out"),
    }


# Over which lines


@pytest.fixture(scope="module")
def behind_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    """A receiver that believes a proxy on its own machine."""
    folder = tmp_path_factory.mktemp("proxied")
    env = {"RECEIVER_TRUSTED_PROXIES": "127.0.0.1"}
    with Receiver(f"sqlite:///{folder / 'receiver.db'}", folder, env=env) as running:
        yield running


def test_over_tls_the_cookie_is_for_tls_alone(behind_proxy: Receiver) -> None:
    add_account(behind_proxy, "jo")
    surfer = Surfer(behind_proxy.url, X_Forwarded_For="203.0.113.9", X_Forwarded_Proto="https")
    reply = surfer.sign_in("jo")
    assert reply.status == 303
    given = next(line for line in reply.cookies if line.startswith("__Secure-receiver="))
    assert {part.strip() for part in given.split(";")[1:]} == {"Secure", "HttpOnly", "Path=/admin", "SameSite=Lax"}
    assert is_signed_in(surfer)
    # The same secret as a cookie that somebody in between could have set, or over an open line: no.
    stolen = Surfer(behind_proxy.url, X_Forwarded_For="203.0.113.9", X_Forwarded_Proto="https")
    stolen.cookies["receiver"] = surfer.cookies["__Secure-receiver"]
    assert not is_signed_in(stolen)


def test_over_an_open_line_nothing_is_shown_but_why(behind_proxy: Receiver) -> None:
    surfer = Surfer(behind_proxy.url, X_Forwarded_For="203.0.113.9", X_Forwarded_Proto="http")
    for path in ("/admin/", "/admin/sign-in", "/admin/sign-in/link/x"):
        seen = surfer.get(path)
        assert (seen.status, seen.heading, seen.cookies) == (403, "A secure connection is needed", ())
    assert surfer.request("POST", "/admin/sign-in", {"name": "jo", "password": PASSWORD}).status in (400, 403)


def test_behind_a_proxy_that_nobody_named_the_page_says_so(receiver: Receiver) -> None:
    seen = Surfer(receiver.url, X_Forwarded_For="127.0.0.1", X_Forwarded_Proto="https").get("/admin/sign-in")
    assert seen.status == 403
    assert "RECEIVER_TRUSTED_PROXIES" in seen.text


# Links


def link_for(receiver: Receiver, name: str, now: datetime | None = None, role: Role = Role.VIEWER) -> str:
    moment = now or utc_now()
    with store_of(receiver) as store:
        links = Links(store, lambda: moment, partial(token_urlsafe, 32))
        token = links.make(BY, name, role, None, timedelta(minutes=60))
    return f"/admin/sign-in/link/{token}"


def test_a_link_signs_in_once_and_only_when_the_button_is_pressed(receiver: Receiver) -> None:
    add_account(receiver, "jo", Role.OPERATOR)
    link = link_for(receiver, "jo")
    scanner = Surfer(receiver.url)
    for _ in range(3):
        assert scanner.get(link).heading == "Sign in"
    surfer = Surfer(receiver.url)
    surfer.get(link)
    assert surfer.submit(link).location == "/admin/"
    # The account's role, whatever the link was made with.
    assert "Signed in as jo, operator" in surfer.go("/admin/").text
    assert scanner.submit(link).status == 404
    assert scanner.get(link).heading == "This link does not work"
    assert link.rpartition("/")[2] not in str(receiver.rows("SELECT * FROM sign_in_links"))


def test_a_link_pressed_by_many_at_once_signs_one_in(receiver: Receiver) -> None:
    add_account(receiver, "jo")
    link = link_for(receiver, "jo")
    surfers = [Surfer(receiver.url) for _ in range(6)]
    for surfer in surfers:
        surfer.get(link)
    threads = [threading.Thread(target=surfer.submit, args=(link,)) for surfer in surfers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(surfer.page.status for surfer in surfers) == [303, 404, 404, 404, 404, 404]


def test_links_that_are_old_unknown_or_of_a_disabled_account_do_not_work(receiver: Receiver) -> None:
    add_account(receiver, "jo")
    with accounts_of(receiver) as accounts:
        accounts.disable(BY, "jo")
    surfer = Surfer(receiver.url)
    for link in (link_for(receiver, "al", utc_now() - timedelta(minutes=61)), "/admin/sign-in/link/nothing"):
        assert surfer.get(link).status == 404
    link = link_for(receiver, "jo")
    surfer.get(link)
    assert surfer.submit(link).status == 404
    assert not is_signed_in(surfer)


def test_a_link_without_an_account_is_for_who_and_what_it_says(receiver: Receiver) -> None:
    """As the demo's is."""
    surfer, link = Surfer(receiver.url), link_for(receiver, "demo", role=Role.ADMINISTRATOR)
    surfer.get(link)
    assert surfer.submit(link).status == 303
    assert "Signed in as demo, administrator" in surfer.go("/admin/").text
    # There is no account whose password could be changed.
    assert surfer.get("/admin/password").status == 404


# Passwords of one's own


def test_who_has_no_password_is_asked_for_one_and_who_has_needs_the_old_one(receiver: Receiver) -> None:
    with accounts_of(receiver) as accounts:
        accounts.add(BY, "jo", Role.VIEWER)
    surfer, link = Surfer(receiver.url), link_for(receiver, "jo")
    surfer.get(link)
    assert surfer.submit(link).location == "/admin/password"
    surfer.get("/admin/password")
    refused = surfer.submit("/admin/password", new="password1234")
    assert (refused.status, "first that anyone would try" in refused.text) == (422, True)
    before = surfer.cookies["receiver"]
    assert surfer.submit("/admin/password", new="three dull umbrellas").status == 303
    assert surfer.cookies["receiver"] != before
    again = Surfer(receiver.url)
    assert again.sign_in("jo", "three dull umbrellas").status == 303
    again.get("/admin/password")
    assert again.submit("/admin/password", old="wrong", new="four dull umbrellas").status == 422
    assert again.submit("/admin/password", old="three dull umbrellas", new="four dull umbrellas").status == 303
    # Every other session has ended.
    assert not is_signed_in(surfer)
    assert is_signed_in(again)


# Attempts


def test_after_some_failures_one_waits_with_the_right_password_too(receiver: Receiver) -> None:
    add_account(receiver, "jo")
    add_account(receiver, "al")
    surfer = Surfer(receiver.url)
    for _ in range(5):
        assert surfer.sign_in("jo", "wrong").status == 422
    for password in ("wrong", PASSWORD):
        reply = surfer.sign_in("JO", password)
        assert (reply.status, reply.heading) == (429, "Too many attempts")
        assert 0 < int(reply.headers["retry-after"]) <= 16
    assert surfer.sign_in("al").status == 303
    assert "jo" not in str(receiver.rows("SELECT subject FROM sign_in_attempts"))


def test_many_guesses_at_once_are_no_more_than_one_after_the_other(receiver: Receiver) -> None:
    add_account(receiver, "jo")
    surfers = [Surfer(receiver.url) for _ in range(12)]
    threads = [threading.Thread(target=surfer.sign_in, args=("jo", "wrong")) for surfer in surfers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(surfer.page.status == 422 for surfer in surfers) <= 5
    assert {surfer.page.status for surfer in surfers} <= {422, 429, 503}


@given(st.integers(0, 10_000), st.integers(1, 50))
def test_waits_grow_to_a_quarter_of_an_hour(failed: int, free: int) -> None:
    now, then = wait_after(failed, free), wait_after(failed + 1, free)
    assert timedelta(0) <= now <= then <= timedelta(minutes=15)
    assert (now == timedelta(0)) is (failed < free)
    assert then == now or then >= min(2 * now, timedelta(minutes=15))


def test_waiting_long_enough_or_succeeding_lets_one_try_again(database_url: str) -> None:
    clock = [datetime(2026, 11, 21, 12, tzinfo=UTC)]
    with corridor(database_url) as found:
        attempts, own, at = Attempts(found.store, lambda: clock[0]), account("jo"), address("192.0.2.1")

        def waits() -> float:
            try:
                attempts.begin(own, at)
            except TooManyAttempts as error:
                return error.seconds
            return 0.0

        assert [waits() for _ in range(6)] == [0, 0, 0, 0, 0, 15]
        clock[0] += timedelta(seconds=15)
        assert [waits(), waits()] == [0, 30]
        clock[0] += timedelta(seconds=30)
        attempts.begin(own, at)
        attempts.succeeded(own, at)
        assert [waits() for _ in range(6)] == [0, 0, 0, 0, 0, 15]
        # Another day nobody remembers; and an address has more tries, over all names.
        clock[0] += timedelta(days=1, seconds=1)
        assert waits() == 0
        others = [account(f"name{n}") for n in range(30)]
        free = 0
        for other in others:
            try:
                attempts.begin(other, at)
                free += 1
            except TooManyAttempts:
                break
        assert free == 19
