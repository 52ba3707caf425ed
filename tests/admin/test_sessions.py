"""Sessions end when they must, and say nothing of what opens them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from secrets import token_urlsafe

import pytest
from sqlalchemy import event, func, select

from receiver.store.keeping.retention import Expired, Keep, Retention
from receiver.store.people import trail
from receiver.store.people.accounts import Accounts
from receiver.store.people.attempts import Attempts, account
from receiver.store.people.chain import Action, By
from receiver.store.people.links import Links
from receiver.store.people.passing import key
from receiver.store.people.roles import Role
from receiver.store.people.sessions import LINK, LOCAL, OIDC, Newcomer, Sessions
from receiver.store.store import Store
from tests.support.corridor import corridor

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
IDLE, LONGEST = timedelta(minutes=30), timedelta(hours=12)
BY = By("test:here")
NEW = partial(token_urlsafe, 32)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **lasting: float) -> None:
        self.now += timedelta(**lasting)


class People:
    """Accounts and sessions of one store, by one clock."""

    def __init__(self, store: Store) -> None:
        self.store, self.clock = store, Clock()
        self.accounts = Accounts(store, self.clock)
        self.sessions = Sessions(store, self.clock, NEW, IDLE, LONGEST)

    def sign_in(self, person: str = "jo", provider: str = LOCAL, role: Role = Role.VIEWER) -> str:
        return self.sessions.begin(Newcomer(person, person.title(), role, None, provider), {}, {})

    def is_open(self, token: str) -> bool:
        return self.sessions.open(token) is not None


def with_people(test: Callable[[People], None]) -> Callable[[str], None]:
    """Hands the test the people of a database with an account, jo."""

    def run(database_url: str) -> None:
        with corridor(database_url) as found:
            people = People(found.store)
            people.accounts.add(BY, "jo", Role.VIEWER)
            test(people)

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@with_people
def test_a_session_that_nobody_uses_ends(people: People) -> None:
    token = people.sign_in()
    for _ in range(5):
        people.clock.pass_(minutes=29)
        assert people.is_open(token)
    people.clock.pass_(minutes=30)
    assert not people.is_open(token)


@with_people
def test_a_session_that_is_used_ends_all_the_same(people: People) -> None:
    token = people.sign_in()
    for _ in range(71):
        people.clock.pass_(minutes=10)
        assert people.is_open(token)
    people.clock.pass_(minutes=10)
    assert not people.is_open(token)
    assert people.sessions.all() == []


@with_people
def test_looking_at_pages_writes_once_a_minute(people: People) -> None:
    token, written = people.sign_in(), []

    def note(*args: object) -> None:
        if str(args[2]).startswith(("UPDATE", "INSERT", "DELETE")):
            written.append(args[2])

    event.listen(people.store.engine, "before_cursor_execute", note)
    for _ in range(119):
        people.clock.pass_(seconds=1)
        assert people.is_open(token)
    assert len(written) == 1


@with_people
def test_local_sessions_follow_their_account_and_others_do_not(people: People) -> None:
    local, link, elsewhere = people.sign_in(), people.sign_in("jo", LINK), people.sign_in("oidc:jo", OIDC)
    without = people.sign_in("demo", LINK)
    people.accounts.add(BY, "oidc.jo", Role.ADMINISTRATOR)
    people.accounts.disable(BY, "jo")
    assert [people.is_open(token) for token in (local, link, elsewhere, without)] == [False, False, True, True]
    again = people.sign_in()
    people.accounts.remove(BY, "jo")
    assert not people.is_open(again)
    assert not people.is_open(people.sign_in())


@with_people
def test_somebody_elses_sessions_can_be_ended(people: People) -> None:
    mine, other = people.sign_in(), people.sign_in("oidc:al@example.org", OIDC)
    assert {s.person for s in people.sessions.all()} == {"jo", "oidc:al@example.org"}
    assert people.sessions.end_all(BY, "oidc:al@example.org") == 1
    assert (people.is_open(mine), people.is_open(other)) == (True, False)
    with people.store.reading() as connection:
        entry = trail.find(connection, people.store.tables, action=Action.SESSIONS_ENDED)[0].entry
    assert (entry.person, entry.about) == ("test:here", "oidc:al@example.org")


@with_people
def test_what_is_kept_opens_nothing(people: People) -> None:
    token = people.sign_in()
    session = people.sessions.open(token)
    assert session is not None
    assert not people.is_open(session.id)
    people.sessions.keep(session.id, {"said": ["Saved"]})
    kept = people.sessions.open(token)
    assert kept is not None
    assert kept.data == {"said": ["Saved"]}
    with people.store.reading() as connection:
        for table in vars(people.store.tables.people).values():
            assert token not in str(connection.execute(select(table)).all())


@with_people
def test_housekeeping_deletes_what_has_ended(people: People) -> None:
    links = Links(people.store, people.clock, NEW)
    people.sign_in()
    links.make(BY, "jo", Role.VIEWER, None, timedelta(hours=1))
    Attempts(people.store, people.clock).begin(account("jo"))
    nothing = Keep.of_days(0, 0, 0, 0)

    def kept() -> Expired:
        total = Expired()
        for expired in Retention(people.store, nothing, people.clock()).slices():
            total += expired
        return total

    assert kept() == Expired()
    people.clock.pass_(hours=12)
    assert kept() == Expired(sessions=2)
    people.clock.pass_(hours=12)
    assert kept() == Expired(sessions=1)
    with people.store.reading() as connection:
        t = people.store.tables.people
        for table in (t.sessions, t.sign_in_links, t.sign_in_attempts):
            assert connection.scalar(select(func.count()).select_from(table)) == 0


@with_people
def test_a_key_is_made_once(people: People) -> None:
    made = iter(("first", "second"))
    assert [key(people.store, "pages", NOON, lambda: next(made)) for _ in range(2)] == ["first", "first"]


def test_roles_are_in_order() -> None:
    assert Role.VIEWER < Role.OPERATOR < Role.ADMINISTRATOR
    assert max(Role.OPERATOR, Role.VIEWER) is Role.OPERATOR
    with pytest.raises(TypeError):
        assert Role.VIEWER < "operator"
