"""The sender: pushes sent as DRS sends them, by one client or by many at once, and all of it in a ledger."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from lxml import etree

from tests.support.receiver import Answer

from .events import Push, Story
from .ledger import Delivery, Ledger


@dataclass(frozen=True)
class Patience:
    """How long a sender keeps trying: ``seconds`` for one push, with pauses that grow up to ``pause`` seconds."""

    seconds: float = 90.0
    pause: float = 0.25
    timeout: float = 60.0


class Client:
    """A sender as DRS is one: a connection for each request, one request at a time, again until it was settled."""

    def __init__(
        self,
        port: int,
        ledger: Ledger,
        patience: Patience = Patience(),
        *,
        path: str = "/push/drs",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._port, self.ledger, self._patience = port, ledger, patience
        self._path, self._headers = path, {"Content-Type": "text/xml", **(headers or {})}
        self.stopped = threading.Event()

    def tell(self, story: Story) -> bool:
        """All of a story in its order, each push until it is settled; the rest is left out after one that is not."""
        self.ledger.add(story)
        return all(self.settle(push) for push in story)

    def settle(self, push: Push) -> bool:
        """Send the push again and again until it is settled, or patience ends."""
        deadline = time.monotonic() + self._patience.seconds
        attempt, pause = 0, 0.005
        while True:
            attempt += 1
            if self.deliver(push, attempt).settled:
                return True
            if time.monotonic() >= deadline or self.stopped.wait(pause):
                return False
            pause = min(pause * 2, self._patience.pause)

    def deliver(self, push: Push, attempt: int = 1) -> Delivery:
        """One request; whatever becomes of it is in the ledger."""
        self.ledger.begin(push)
        began = time.monotonic()
        try:
            answer = self._post(push.body)
        except (OSError, http.client.HTTPException) as error:
            now = time.monotonic()
            failure = f"{type(error).__name__}: {error}".rstrip(": ")
            found = Delivery(push, attempt, now - began, now, failure=failure)
        else:
            now = time.monotonic()
            found = Delivery(push, attempt, now - began, now, answer.status, _said(answer), answer.push_id)
        self.ledger.end(found)
        return found

    def _post(self, body: bytes) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=self._patience.timeout)
        try:
            connection.request("POST", self._path, body, dict(self._headers))
            reply = connection.getresponse()
            return Answer(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())
        finally:
            connection.close()


def _said(answer: Answer) -> str | None:
    """``status`` in the reply, None for a reply that is not one of the door's."""
    try:
        return answer.said("status")
    except etree.XMLSyntaxError:
        return None


@dataclass
class Load:
    """Clients that tell stories all at once; a context manager that waits for them at its end.

    Stories without an end are told until ``finish``.
    """

    port: int
    stories: Iterable[Story]
    clients: int = 8
    ledger: Ledger = field(default_factory=Ledger)
    patience: Patience = field(default_factory=Patience)
    headers: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        self._pushes = sum(map(len, self.stories)) if isinstance(self.stories, Sequence) else None
        self._waiting, self._lock = iter(self.stories), threading.Lock()
        self._finishing = False
        self._clients = [
            Client(self.port, self.ledger, self.patience, headers=self.headers) for _ in range(self.clients)
        ]
        self._threads = [threading.Thread(target=self._run, args=(c,), daemon=True) for c in self._clients]
        self._errors: list[BaseException] = []

    @property
    def pushes(self) -> int:
        """How many pushes there are to send; of stories without an end, how many there have been."""
        return self._pushes if self._pushes is not None else self.ledger.figures()["pushes"]

    @property
    def done(self) -> bool:
        """Whether all has been sent, or given up."""
        return not any(thread.is_alive() for thread in self._threads)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.stop()
        for thread in self._threads:
            thread.join()
        if kind is None and self._errors:
            raise self._errors[0]

    def finish(self) -> None:
        """Begin no new story; those that have begun are told to their end."""
        self._finishing = True

    def stop(self) -> None:
        """Send nothing new; what is under way is waited for, and not sent again."""
        self.finish()
        for client in self._clients:
            client.stopped.set()

    def _next(self) -> Story | None:
        with self._lock:
            return None if self._finishing else next(self._waiting, None)

    def _run(self, client: Client) -> None:
        try:
            while (story := self._next()) is not None:
                client.tell(story)
        except BaseException as error:  # noqa: BLE001 - raised where the load ends
            self._errors.append(error)
