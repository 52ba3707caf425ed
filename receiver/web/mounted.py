"""Where the pages for people stand: below ``/admin``, an application of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PREFIX = "/admin"


class Mounted:
    """In front of the application: what is below ``/admin`` goes to the site, made when it is first asked for."""

    def __init__(self, make: Callable[[], WSGIApplication], application: WSGIApplication) -> None:
        self._make, self._application = make, application
        self._site: WSGIApplication | None = None
        self._making = Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path != PREFIX and not path.startswith(f"{PREFIX}/"):
            return self._application(environ, start_response)
        environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + PREFIX
        environ["PATH_INFO"] = path[len(PREFIX) :] or "/"
        return self._made()(environ, start_response)

    def _made(self) -> WSGIApplication:
        with self._making:
            if self._site is None:
                self._site = self._make()
            return self._site
