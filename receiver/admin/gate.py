"""The gate that every page stands behind: who is there, whether they may see it, whether a form is really theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from flask import Flask, current_app, g, redirect, render_template, request, session, url_for
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.exceptions import Forbidden, Unauthorized
from werkzeug.wrappers import Response

from receiver.store.people.accounts import Accounts
from receiver.store.people.attempts import Attempts
from receiver.store.people.links import Links
from receiver.store.people.passwords import Turn
from receiver.store.people.sessions import Sessions
from receiver.store.people.trail import Trail
from receiver.store.store import Store
from receiver.web.proxies import Proxies

from .access import Person, Role, is_open, needed
from .oidc_settings import OidcSettings
from .sessions import Kept, Line, PeopleSessions, line_of

_SAFE = ("GET", "HEAD", "OPTIONS")
_OF_OURS = ("same-origin", "none")


@dataclass(frozen=True)
class Gate:
    """What letting people in needs. ``now`` gives aware UTC, ``new_token`` a secret of 256 bits or more, as text.

    A session ends ``idle`` after its last request and ``longest`` after it began. ``oidc``: who signs people in for us.
    """

    store: Store
    proxies: Proxies
    now: Callable[[], datetime]
    new_token: Callable[[], str]
    idle: timedelta
    longest: timedelta
    oidc: OidcSettings | None = None

    @cached_property
    def accounts(self) -> Accounts:
        """People who sign in here."""
        return Accounts(self.store, self.now)

    @cached_property
    def sessions(self) -> Sessions:
        """Who is signed in."""
        return Sessions(self.store, self.now, self.new_token, self.idle, self.longest)

    @cached_property
    def links(self) -> Links:
        """Links that sign somebody in once."""
        return Links(self.store, self.now, self.new_token)

    @cached_property
    def attempts(self) -> Attempts:
        """Failures to sign in."""
        return Attempts(self.store, self.now)

    @cached_property
    def hashing(self) -> Turn:
        """Turns at hashing passwords."""
        return Turn()

    @cached_property
    def trail(self) -> Trail:
        """What people did."""
        return Trail(self.store, self.now)


def install(app: Flask, gate: Gate) -> None:
    """Put the gate before every view of the site, and the pages that open it into the site.

    It goes before everything else that is done before a request.
    """
    from .signin import blueprint  # noqa: PLC0415 - which needs the gate

    app.config.update(WTF_CSRF_TIME_LIMIT=None, WTF_CSRF_SSL_STRICT=False)
    app.session_interface = PeopleSessions(gate.sessions, gate.store, gate.proxies, gate.now, gate.new_token)

    def let_in() -> Any:
        return _let_in(gate)

    app.before_request(let_in)
    CSRFProtect(app)
    app.register_error_handler(CSRFError, _form_is_old)
    app.register_blueprint(blueprint(gate))


def _let_in(gate: Gate) -> Response | tuple[str, int] | None:
    g.person = None
    if request.endpoint == "static":
        return None
    if line_of(request, gate.proxies) is Line.OPEN:
        behind = gate.proxies.sender(request).is_behind_stranger
        return render_template("signin/https.html", behind_stranger=behind), 403
    kept = session._get_current_object()  # type: ignore[attr-defined]
    assert isinstance(kept, Kept)  # noqa: S101 - of our session interface
    if kept.failure is not None:
        raise kept.failure
    # Where browsers say so, a form of somebody else's page is refused whatever is in it.
    if request.method not in _SAFE and request.headers.get("Sec-Fetch-Site", "none") not in _OF_OURS:
        raise Forbidden
    g.person = kept.person
    # What is not there is said so by whoever looks for it.
    view = current_app.view_functions[request.endpoint] if request.endpoint is not None else None
    return None if view is None or is_open(view) else _require(needed(view), kept.person)


def _require(role: Role | None, person: Person | None) -> Response | None:
    """Lets through whoever has the role. A view that is marked with none is for nobody."""
    if role is not None and person is None:
        return _to_sign_in()
    if role is None or person is None or not person.may(role):
        raise Forbidden
    return None


def _to_sign_in() -> Response:
    if request.headers.get("Sec-Fetch-Dest") == "empty":
        raise Unauthorized  # a script asks, and would take the page for its answer
    back = request.script_root + request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("signin.show", next=back), 303)


def _form_is_old(_error: CSRFError) -> tuple[str, int]:
    return render_template("signin/old_form.html"), 400
