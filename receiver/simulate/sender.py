"""The WebService gateway: one HTTP POST for each request (facts, section 3, transport)."""

from __future__ import annotations

import base64
import select
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from receiver.errors import SettingsError

from .faults import Listening
from .reply import Answer

_MOST = 1024 * 1024


@dataclass(frozen=True)
class Credentials:
    """HTTP Basic."""

    username: str
    password: str

    @property
    def header(self) -> str:
        """The value of Authorization."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode("ascii")


class Sender:
    """Sends to one address. ``timeout`` in seconds bounds connecting and each wait for the reply."""

    def __init__(self, url: str, credentials: Credentials | None = None, timeout: float = 60.0) -> None:
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
            raise SettingsError(f"{url} is no address to push to, e.g. http://127.0.0.1:8000/push/drs")
        self._secure, self._host, self._port = parts.scheme == "https", parts.hostname, port
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._credentials, self._timeout = credentials, timeout

    def send(self, body: bytes, content_type: str, listening: Listening = Listening.FOR_REPLY) -> Answer:
        """Post the whole body; never raises. A connection that was dropped on purpose gives no status."""
        headers = {"Content-Type": content_type, "SOAPAction": '""', "User-Agent": "DRS background service"}
        if self._credentials is not None:
            headers["Authorization"] = self._credentials.header
        connected = False
        try:
            with self._connection() as connection:
                connection.connect()
                connected = True
                connection.request("POST", self._path, body, headers)
                if listening is Listening.FOR_REPLY:
                    response = connection.getresponse()
                    return Answer(response.status, response.read(_MOST))
                if listening is Listening.UNTIL_ANSWERED:
                    select.select([connection.sock], [], [], self._timeout)
                return Answer(error="connection dropped before the reply was read")
        except (OSError, HTTPException) as error:
            words = getattr(error, "strerror", None) or type(error).__name__
            return Answer(error=f"no reply: {words}", connected=connected)

    @contextmanager
    def _connection(self) -> Iterator[HTTPConnection]:
        kind = HTTPSConnection if self._secure else HTTPConnection
        connection = kind(self._host, self._port, timeout=self._timeout)
        try:
            yield connection
        finally:
            connection.close()
