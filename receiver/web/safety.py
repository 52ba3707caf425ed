"""What every reply says to browsers: they are no senders here, and must make nothing of what they are shown."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

from werkzeug.wrappers import Response

from receiver.errors import FromBrowser

R = TypeVar("R", bound=Response)

SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


_BROWSER = ("HTTP_ORIGIN", "HTTP_SEC_FETCH_SITE", "HTTP_SEC_FETCH_MODE")


def refuse_browsers(environ: Collection[str]) -> None:
    """Raise FromBrowser for what a web page sends. ``environ``: the request's, as WSGI has it.

    A page of anyone's can have its reader's browser post a form to a loopback address, or to a host for which the
    browser remembers credentials. The browser adds these headers and no page can take them away (Fetch, 3.1 and
    2.2.2): ``Origin`` goes with every POST, also after the page's name was made to point to this host. Nothing that
    pushes is a browser, so that all are refused, whatever their value.
    """
    if any(name in environ for name in _BROWSER):
        raise FromBrowser("Pushes are not taken from web pages.")


def make_safe(response: R) -> R:
    """Add the headers that the response does not set itself: a page may need a wider policy of its own."""
    has = {name.lower() for name, _ in response.headers}
    for name, value in SAFE_HEADERS.items():
        if name.lower() not in has:
            response.headers.add(name, value)
    return response
