"""What the last pushes said, by their bytes: a sender that was not answered in time sends the same again at once."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from receiver.fields import Kind
from receiver.wire import Envelope

_MOST = 8_192


@dataclass(frozen=True, slots=True)
class Heard:
    """What it takes to tell whether a push of one valid record repeats what is stored: no values, only names and keys.

    ``dated``: the sender gave the event's time.
    """

    envelope: Envelope
    kind: Kind
    position: int
    booking_id: str
    content_key: str
    dated: bool


class Recent:
    """The last few thousand, by source and digest of the bytes: some megabytes at most. For any number of threads.

    It is only a way to read the same bytes once: whether what they say is stored, the database is asked each time.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._heard: OrderedDict[tuple[str, str], Heard] = OrderedDict()
        self._lock = Lock()

    def find(self, source: str, sha256: str) -> Heard | None:
        """What the bytes with that digest said when they came last."""
        return self._heard.get((source, sha256))

    def remember(self, source: str, sha256: str, heard: Heard) -> None:
        """Keep what a push said, for as long as no more than ``most`` others come."""
        key = source, sha256
        with self._lock:
            self._heard[key] = heard
            self._heard.move_to_end(key)
            if len(self._heard) > self._most:
                self._heard.popitem(last=False)
