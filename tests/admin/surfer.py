"""A browser as far as cookies, redirects and forms go: quick, and it shows what was sent."""

from __future__ import annotations

import html
import http.client
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urlsplit

from receiver.app import utc_now
from receiver.fields import field_table
from receiver.store import engine as engines
from receiver.store.people import passwords
from receiver.store.people.accounts import Accounts
from receiver.store.people.chain import By
from receiver.store.people.roles import Role
from receiver.store.store import Store
from tests.support.receiver import Receiver

from .seen import fetched

PASSWORD = "correct horse staple"
BY = By("test:here")
_HASH: list[str] = []


@dataclass(frozen=True)
class Seen:
    """A page as it came."""

    status: int
    headers: Mapping[str, str]
    cookies: tuple[str, ...]
    text: str

    @property
    def location(self) -> str:
        """Where it sends the browser, as a path."""
        parts = urlsplit(self.headers["location"])
        return parts.path + (f"?{parts.query}" if parts.query else "")

    @property
    def heading(self) -> str:
        """Its first heading."""
        found = re.search(r"<h1[^>]*>(.*?)</h1>", self.text, re.DOTALL)
        return html.unescape(found[1].strip()) if found else ""

    @property
    def csrf(self) -> str:
        """What its form proves itself with."""
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.text)
        return found[1] if found else ""


class Surfer:
    """One browser on one host. ``headers`` go with every request."""

    def __init__(self, url: str, **headers: str) -> None:
        self.host = urlsplit(url).netloc
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.cookies: dict[str, str] = {}
        self.page = Seen(0, {}, (), "")

    def request(self, method: str, path: str, fields: Mapping[str, str] | None = None, **headers: str) -> Seen:
        connection = http.client.HTTPConnection(self.host, timeout=60)
        sent = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        body = urlencode(fields) if fields is not None else None
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, body, sent)
            reply = connection.getresponse()
            given = tuple(value for name, value in reply.getheaders() if name.lower() == "set-cookie")
            lower = {name.lower(): value for name, value in reply.getheaders()}
            seen = Seen(reply.status, lower, given, reply.read().decode())
        finally:
            connection.close()
        self._keep(given)
        fetched(path, seen.status, lower, seen.text)
        self.page = seen
        return seen

    def get(self, path: str, **headers: str) -> Seen:
        """The page at the path, without following where it leads."""
        return self.request("GET", path, None, **headers)

    def go(self, path: str) -> Seen:
        """The page that one ends at."""
        seen = self.get(path)
        while seen.status in (302, 303):
            seen = self.get(seen.location)
        return seen

    def submit(self, path: str, **fields: str) -> Seen:
        """The form of the page that was seen last, filled in."""
        return self.request("POST", path, {"csrf_token": self.page.csrf, **fields})

    def sign_in(self, name: str, password: str = PASSWORD, path: str = "/admin/sign-in") -> Seen:
        """By name and password; gives the reply to the form."""
        self.get(path)
        found = re.search(r'name="next" value="([^"]*)"', self.page.text)
        back = html.unescape(found[1]) if found else ""
        return self.submit("/admin/sign-in", name=name, password=password, next=back)

    def _keep(self, given: tuple[str, ...]) -> None:
        for line in given:
            for name, morsel in SimpleCookie(line).items():
                if morsel.value:
                    self.cookies[name] = morsel.value
                else:
                    self.cookies.pop(name, None)


@contextmanager
def store_of(receiver: Receiver) -> Iterator[Store]:
    """The receiver's database."""
    store = Store(engines.create(receiver.database_url), field_table())
    try:
        yield store
    finally:
        store.close()


@contextmanager
def accounts_of(receiver: Receiver) -> Iterator[Accounts]:
    """The receiver's accounts."""
    with store_of(receiver) as store:
        yield Accounts(store, utc_now)


def add_account(
    receiver: Receiver, name: str, role: Role = Role.VIEWER, *, sources: tuple[str, ...] | None = None
) -> None:
    """An account whose password is PASSWORD; it is hashed once for all tests."""
    if not _HASH:
        _HASH.append(passwords.hashed(PASSWORD))
    with accounts_of(receiver) as accounts:
        accounts.add(BY, name, role, sources=sources, password_hash=_HASH[0])
