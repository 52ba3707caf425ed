"""Accounts, their passwords, and the command that looks after them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.app import utc_now
from receiver.errors import NotAllowed, NotFound
from receiver.store.people import passwords, trail
from receiver.store.people.accounts import Accounts, Change
from receiver.store.people.chain import By
from receiver.store.people.roles import Role
from tests.conftest import StartReceiver
from tests.support.corridor import Corridor, corridor

from .surfer import PASSWORD, Surfer

BY = By("al", "administrator")


# Passwords


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "eleven char",
        "password1234",
        "PASSWORD!!!!",
        "Passw0rd2026!",
        "qwertyuiop12",
        "123456789012",
        "aaaaaaaaaaaaaa",
        "abababababab",
        "jo.smith-jo.smith",
        "Jo.Smith2026!!!",
        "administrator",
        "receiver-admin-2026",
        "letmein letmein",
        "x" * 201,
    ],
)
def test_passwords_that_are_refused(password: str) -> None:
    with pytest.raises(NotAllowed):
        passwords.require_allowed(password, "jo.smith")


@pytest.mark.parametrize(
    "password",
    [
        "correct horse staple",
        "éclair-umbrella-9",
        "dull password umbrella",
        "Zq7!tLw9#pXv",
        "日本語の長い合言葉ですよ!",
    ],
)
def test_passwords_that_are_taken_are_right_and_others_wrong(password: str) -> None:
    passwords.require_allowed(password, "jo")
    known = passwords.hashed(password)
    assert known.startswith("$argon2id$")
    assert passwords.is_right(password, known)
    assert not passwords.is_right(password + "x", known)
    assert not passwords.is_right(password, None)
    assert not passwords.is_right(password, "no hash")
    assert not passwords.is_outdated(known)


def test_the_same_password_typed_on_another_keyboard_is_the_same() -> None:
    assert passwords.is_right("e\u0301clair-umbrella", passwords.hashed("\u00e9clair-umbrella"))


def test_a_hash_of_other_parameters_is_right_and_outdated() -> None:
    known = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$pVVHpJcW6J8"
    assert passwords.is_outdated(known)


@given(st.text(max_size=60))
def test_nobodys_password_is_never_right(password: str) -> None:
    assert not passwords.is_right(password[:3], "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$pVVHpJcW6J8")


# Accounts


@pytest.fixture
def found(database_url: str) -> Iterator[Corridor]:
    with corridor(database_url) as made:
        yield made


@pytest.fixture
def accounts(found: Corridor) -> Accounts:
    return Accounts(found.store, utc_now)


def test_an_account_is_found_in_whatever_case_and_changed(accounts: Accounts) -> None:
    made = accounts.add(BY, "Jo.Smith", Role.OPERATOR, display_name="Jo\nSmith", sources=["b", "a", "b"])
    assert (made.name, made.display_name, made.sources) == ("jo.smith", "Jo Smith", ("a", "b"))
    changed = accounts.change(BY, "JO.SMITH", Change(role=Role.VIEWER, all_sources=True))
    assert (changed.role, changed.sources, changed.display_name) == (Role.VIEWER, None, "Jo Smith")
    assert [a.name for a in accounts.all()] == ["jo.smith"]
    with pytest.raises(NotFound):
        accounts.change(BY, "al", Change(role=Role.VIEWER))


@pytest.mark.parametrize("name", ["", " jo", "jo:al", "oidc:jo", "-jo", "jö", "jo\n", "x" * 101, "system:receiver"])
def test_names_that_are_none(accounts: Accounts, name: str) -> None:
    with pytest.raises(NotAllowed):
        accounts.add(BY, name, Role.VIEWER)


def test_a_name_is_given_once_however_many_ask_at_once(accounts: Accounts) -> None:
    made: list[str] = []

    def add(name: str) -> None:
        with suppress(NotAllowed):
            made.append(accounts.add(BY, name, Role.VIEWER).name)

    threads = [threading.Thread(target=add, args=(name,)) for name in ("jo", "Jo", "JO", "jo")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == ["jo"]


def test_every_change_leaves_an_entry_without_hashes(found: Corridor, accounts: Accounts) -> None:
    accounts.add(BY, "jo", Role.VIEWER, sources=["drs"], password_hash="$argon2id$secret")
    accounts.change(BY, "jo", Change(display_name="Jo Smith", role=Role.OPERATOR))
    accounts.change(BY, "jo", Change())
    accounts.set_password(BY, "jo", "$argon2id$other")
    accounts.disable(BY, "jo")
    accounts.enable(BY, "jo")
    accounts.remove(BY, "jo")
    with found.store.reading() as connection:
        entries = [noted.entry for noted in trail.find(connection, found.store.tables, about="jo")]
    assert [str(entry.action) for entry in reversed(entries)] == [
        *("account_added", "account_changed", "password_changed", "account_disabled", "account_enabled"),
        "account_removed",
    ]
    assert {(entry.person, entry.role) for entry in entries} == {("al", "administrator")}
    assert "argon2" not in str(entries)
    assert "Smith" not in str(entries)


# The command


def test_accounts_from_the_command_line(start_receiver: StartReceiver, sqlite_url: str) -> None:
    receiver = start_receiver(sqlite_url)

    def user(*arguments: str, password: str = "", code: int = 0) -> Any:
        done = receiver.command("user", *arguments, stdin=f"{password}\n".encode())
        assert done.returncode == code, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith(b"{")] or done.stderr.decode()

    added = user("add", "jo", "--role", "operator", "--source", "drs", "--password-stdin", "--json", password=PASSWORD)
    assert (added[0]["role"], added[0]["sources"], added[0]["has_password"]) == ("operator", ["drs"], True)
    assert "already" in user("add", "JO", "--password-stdin", password=PASSWORD, code=2)
    assert "no source 'nowhere'" in user("change", "jo", "--source", "nowhere", code=2)
    assert "at least 12" in user("add", "al", "--password-stdin", password="short", code=2)
    surfer = Surfer(receiver.url)
    assert surfer.sign_in("jo").status == 303
    link = user("add", "al", "--link", "--url", receiver.url, "--json")[0]["link"].removeprefix(receiver.url)
    other = Surfer(receiver.url)
    other.get(link)
    assert other.submit(link).location == "/admin/password"
    assert {(s["name"], s["provider"]) for s in user("sessions", "--json")} == {("jo", "local"), ("al", "link")}
    user("sign-out", "al")
    user("disable", "jo")
    assert receiver.rows("SELECT id FROM sessions") == []
    assert surfer.get("/admin/").location.startswith("/admin/sign-in")
    assert [a["name"] for a in user("list", "--json") if a["disabled_at"]] == ["jo"]
    said = receiver.rows("SELECT DISTINCT person FROM trail WHERE action LIKE 'account_%'")
    assert [row["person"][:4] for row in said] == ["cli:"]
