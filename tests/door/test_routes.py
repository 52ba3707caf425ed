"""Every route, for everyone, by every method: one table says what is answered, and nothing else is."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import count
from pathlib import Path

import pytest

from receiver.app import build_parts, create_app
from receiver.settings import load_settings
from tests.support.pushes import confirmation
from tests.support.receiver import Answer, Receiver

from .conftest import StartShared

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW")
WITHOUT_BODY = ("GET", "HEAD", "TRACE", "CONNECT")
CONFIG = """
[sources.open]
[sources.closed]
username = "closed"
password_env = "CLOSED_PASSWORD"
[sources.other]
username = "other"
password_env = "OTHER_PASSWORD"
[sources.far]
allow_from = ["192.0.2.0/24"]
"""
ENV = {"CLOSED_PASSWORD": "sesame", "OTHER_PASSWORD": "poppy"}
SAFE = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_ids = count(1)


def basic(username: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}


RIGHT = basic("closed", "sesame")
OUTSIDE = {"X-Forwarded-For": "192.0.2.7"}


class Role(Enum):
    """Who asks, by the headers of the request. All come from a loopback address."""

    NOBODY = "without credentials"
    WRONG = "with wrong credentials"
    RIGHT = "with the right credentials"
    OTHER = "with another source's credentials"
    OUTSIDE = "through a proxy that is not named"
    OUTSIDE_RIGHT = "through such a proxy, with the right credentials"
    PAGE = "a page of another site, in a browser that remembers the right credentials"
    FORM = "a form of another site, in an old browser"
    REBOUND = "a page whose host name was made to point here"
    COOKIE = "with a cookie, and a method to take instead"

    @property
    def headers(self) -> dict[str, str]:
        return {
            Role.NOBODY: {},
            Role.WRONG: basic("closed", "wrong"),
            Role.RIGHT: RIGHT,
            Role.OTHER: basic("other", "poppy"),
            Role.OUTSIDE: OUTSIDE,
            Role.OUTSIDE_RIGHT: {**OUTSIDE, **RIGHT},
            Role.PAGE: {**RIGHT, "Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"},
            Role.FORM: {**RIGHT, "Origin": "null", "Content-Type": "text/plain"},
            Role.REBOUND: {"Origin": "http://rebound.example", "Host": "rebound.example"},
            Role.COOKIE: {"Cookie": "session=1", "X-HTTP-Method-Override": "POST"},
        }[self]


Statuses = Mapping[Role, int]


@dataclass(frozen=True)
class Line:
    """A path of a route: what GET and HEAD, POST, and OPTIONS are answered. Any other method is ``otherwise``."""

    path: str
    get: int | Statuses
    post: int | Statuses
    options: int = 405
    otherwise: int = 405

    def status(self, method: str, role: Role) -> int:
        known = {"GET": self.get, "HEAD": self.get, "POST": self.post, "OPTIONS": self.options}
        found = known.get(method, self.otherwise)
        return found if isinstance(found, int) else found[role]


def everyone(status: int, **but: int) -> Statuses:
    """The status for every role, but those named."""
    return {role: but.get(role.name.lower(), status) for role in Role}


PAGES = {"page": 403, "form": 403, "rebound": 403}
CLOSED = everyone(401, right=200, outside_right=200, **PAGES)
OPEN = everyone(200, outside=403, outside_right=403, **PAGES)
INSIDE = everyone(200, outside=403, outside_right=403)

# Every rule of the application -> its lines.
TABLE: dict[str, list[Line]] = {
    "/push/<name>": [
        Line("/push/closed", get=405, post=CLOSED),
        Line("/push/closed?wsdl", get=200, post=CLOSED),
        Line("/push/open", get=405, post=OPEN),
        Line("/push/open?wsdl", get=200, post=OPEN),
        Line("/push/far", get=405, post=403),
        Line("/push/unknown", get=404, post=404),
        Line("/push/unknown?wsdl", get=404, post=404),
    ],
    "/healthz": [Line("/healthz", get=200, post=405, options=200)],
    "/readyz": [Line("/readyz", get=200, post=405, options=200)],
    "/metrics": [Line("/metrics", get=INSIDE, post=405, options=200)],
}
NO_ROUTES = ["/", "/push", "/push/", "/push/closed/", "/push/closed/x", "/static/x", "/metrics/", "/Healthz"]
NO_ROUTES += ["/push/../metrics", "/push/%2e%2e/metrics", "/push/..%2fmetrics", "/%2e/push/closed"]


@pytest.fixture(scope="module")
def receiver(start_shared: StartShared) -> Receiver:
    return start_shared(config=CONFIG, env=ENV)


def ask(receiver: Receiver, method: str, path: str, headers: Mapping[str, str]) -> Answer:
    body = None if method in WITHOUT_BODY else confirmation(bookingId=str(next(_ids))).encode()
    return receiver.request(method, path, body, headers)


def test_every_route_is_in_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECEIVER_DATABASE_URL", f"sqlite:///{tmp_path / 'receiver.db'}")
    app = create_app(build_parts(load_settings()))
    assert {rule.rule for rule in app.url_map.iter_rules()} == set(TABLE)


def unsafe(answer: Answer) -> list[str]:
    """What is amiss with a reply's headers, whatever was asked."""
    amiss = [name for name, value in SAFE.items() if answer.headers.get(name) != value]
    amiss += [name for name in ("set-cookie", "access-control-allow-origin", "x-powered-by") if name in answer.headers]
    if any(c.isdigit() for c in answer.headers.get("server", "")):
        amiss.append("server")
    return amiss


@pytest.mark.parametrize("line", [line for lines in TABLE.values() for line in lines], ids=lambda line: line.path)
def test_what_is_answered(receiver: Receiver, line: Line) -> None:
    amiss: dict[tuple[str, str], object] = {}
    for method in METHODS:
        for role in Role:
            answer = ask(receiver, method, line.path, role.headers)
            expected = line.status(method, role)
            bad_headers = unsafe(answer)
            stored = answer.push_id is not None
            if (answer.status, bad_headers, stored) != (expected, [], expected == 200 and method == "POST"):
                amiss[method, role.name] = (answer.status, expected, bad_headers, stored)
            if answer.status == 405 and "allow" not in answer.headers:
                amiss[method, role.name] = "does not say what is allowed"
    assert amiss == {}


@pytest.mark.parametrize("path", NO_ROUTES)
def test_what_is_no_route(receiver: Receiver, path: str) -> None:
    for method in METHODS:
        for role in Role:
            answer = ask(receiver, method, path, role.headers)
            assert (answer.status, unsafe(answer), answer.push_id) == (404, [], None), (method, role)


def test_a_page_is_counted(receiver: Receiver) -> None:
    def counted() -> bytes:
        name = b'receiver_turned_away_total{reason="browser",source="open"} '
        return next((row for row in receiver.get("/metrics").body.splitlines() if row.startswith(name)), b"")

    before = counted()
    assert ask(receiver, "POST", "/push/open", Role.PAGE.headers).status == 403
    assert counted() != before


@pytest.mark.parametrize("site", ["same-origin", "same-site", "cross-site", "none"])
def test_whatever_a_browser_says_of_the_page(receiver: Receiver, site: str) -> None:
    assert ask(receiver, "POST", "/push/open", {"Sec-Fetch-Site": site}).status == 403
