"""Flask's sessions: those of people who are signed in are rows, a visitor's are a signed cookie."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from hashlib import sha256
from typing import Any

from flask import Flask, Request, Response
from flask.sessions import SessionInterface, SessionMixin
from itsdangerous import BadData, URLSafeTimedSerializer
from werkzeug.datastructures import CallbackDict

from receiver.errors import StoreError
from receiver.store.people.passing import key
from receiver.store.people.sessions import Newcomer, Session, Sessions
from receiver.store.store import Store
from receiver.web.proxies import Proxies

from .access import Person

_NAME, _VISIT = "receiver", "receiver-visit"
_VISIT_SECONDS = 3600
_SECURE = "__Secure-"


class Line(Enum):
    """How a request came: by TLS, from this machine itself, or so that others may have read it."""

    TLS = "tls"
    LOOPBACK = "loopback"
    OPEN = "open"


def line_of(request: Request, proxies: Proxies) -> Line:
    """How the request came, as far as proxies are believed."""
    if proxies.address(request).startswith("https://"):
        return Line.TLS
    sender = proxies.sender(request)
    is_own = sender.address is not None and sender.address.is_loopback and not sender.is_behind_stranger
    return Line.LOOPBACK if is_own else Line.OPEN


class Kept(CallbackDict[str, Any], SessionMixin):
    """What is kept for one browser. ``stored`` is the row of somebody who is signed in.

    ``token`` is set when they have just signed in, ``failure`` when it could not be read.
    """

    def __init__(self, data: Mapping[str, Any] | None = None, stored: Session | None = None) -> None:
        super().__init__(data or {}, _mark)
        self.stored, self.token, self.failure = stored, "", None
        self.modified = self.is_over = False

    stored: Session | None
    token: str
    failure: StoreError | None
    is_over: bool

    @property
    def person(self) -> Person | None:
        """Who is signed in."""
        found = self.stored
        if found is None:
            return None
        return Person(found.person, found.display_name, found.role, found.sources, found.provider)


def _mark(kept: CallbackDict[str, Any]) -> None:
    if isinstance(kept, Kept):
        kept.modified = True


class PeopleSessions(SessionInterface):
    """Opens and keeps them. Over an open line there are none: a cookie would be seen by others.

    ``new_key`` makes the key that visitors' cookies and forms are signed with, unless there is one in the database.
    """

    def __init__(
        self,
        sessions: Sessions,
        store: Store,
        proxies: Proxies,
        now: Callable[[], datetime],
        new_key: Callable[[], str],
    ) -> None:
        self._sessions, self._store, self._proxies = sessions, store, proxies
        self._now, self._new_key = now, new_key

    def open_session(self, app: Flask, request: Request) -> Kept:
        """What is kept for the browser. Nothing is raised: a failure of the database is in ``failure``."""
        line = line_of(request, self._proxies)
        if line is Line.OPEN or request.path.startswith("/static/"):
            return Kept()
        try:
            if app.secret_key is None:
                app.secret_key = key(self._store, "pages", self._now(), self._new_key)
            token = request.cookies.get(_cookie(_NAME, line))
            stored = self._sessions.open(token) if token else None
        except StoreError as error:
            kept = Kept()
            kept.failure = error
            return kept
        if stored is not None:
            return Kept(stored.data, stored)
        return Kept(self._visit(app, request.cookies.get(_cookie(_VISIT, line))))

    def sign_in(self, kept: Kept, who: Newcomer, details: Mapping[str, object]) -> None:
        """Give the browser a session of its own, by a new secret; nothing of what it had before goes into it.

        Raises StoreError.
        """
        if kept.stored is not None:
            self._sessions.end(kept.stored)
        kept.token = self._sessions.begin(who, {}, details)
        kept.clear()
        kept.stored, kept.is_over = None, False

    def sign_out(self, kept: Kept) -> None:
        """End it. Raises StoreError."""
        if kept.stored is not None:
            self._sessions.end(kept.stored)
        kept.clear()
        kept.stored, kept.is_over = None, True

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Write down what changed, and have the browser keep its cookie."""
        from flask import request  # noqa: PLC0415 - the one that is being answered, whatever is handed in

        assert isinstance(session, Kept)  # noqa: S101 - made above
        line = line_of(request, self._proxies)
        if line is Line.OPEN or session.failure is not None or app.secret_key is None:
            return
        if session.accessed:
            response.vary.add("Cookie")
        has = {name: _cookie(name, line) in request.cookies for name in (_NAME, _VISIT)}
        if session.token:
            self._set(request, response, _NAME, session.token)
            if has[_VISIT]:
                self._delete(request, response, _VISIT)
            return
        if session.stored is not None:
            if session.modified:
                self._sessions.keep(session.stored.id, session)
            return
        if has[_NAME]:
            self._delete(request, response, _NAME)
        if session.modified and session:
            self._set(request, response, _VISIT, str(self._signer(app).dumps(dict(session))))
        elif session.modified and has[_VISIT]:
            self._delete(request, response, _VISIT)

    def _visit(self, app: Flask, cookie: str | None) -> Mapping[str, Any]:
        try:
            found = self._signer(app).loads(cookie, max_age=_VISIT_SECONDS) if cookie else {}
        except BadData:
            return {}
        return found if isinstance(found, dict) else {}

    @staticmethod
    def _signer(app: Flask) -> URLSafeTimedSerializer:
        assert app.secret_key is not None  # noqa: S101 - set when the session was opened
        return URLSafeTimedSerializer(app.secret_key, "receiver-visit", signer_kwargs={"digest_method": sha256})

    def _set(self, request: Request, response: Response, name: str, value: str) -> None:
        line = line_of(request, self._proxies)
        response.set_cookie(
            _cookie(name, line),
            value,
            path=request.script_root or "/",
            secure=line is Line.TLS,
            httponly=True,
            samesite="Lax",
        )

    def _delete(self, request: Request, response: Response, name: str) -> None:
        line = line_of(request, self._proxies)
        response.delete_cookie(
            _cookie(name, line),
            path=request.script_root or "/",
            secure=line is Line.TLS,
            httponly=True,
            samesite="Lax",
        )


def _cookie(name: str, line: Line) -> str:
    """A browser takes one that begins so over TLS only: nobody in between can have put it there."""
    return f"{_SECURE}{name}" if line is Line.TLS else name
