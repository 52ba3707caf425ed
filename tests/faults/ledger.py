"""The ledger: every delivery that was made, and what came back."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from pathlib import Path

from .events import Ending, Push, Story


@dataclass(frozen=True)
class Delivery:
    """One request: which attempt of its push, its reply, or why there was none. ``seconds`` until either;
    ``ended_at`` by the monotonic clock."""

    push: Push
    attempt: int
    seconds: float
    ended_at: float
    status: int | None = None
    said: str | None = None
    push_id: str | None = None
    failure: str | None = None

    @property
    def acknowledged(self) -> bool:
        """Whether the sender was told yes."""
        return self.status == 200 and self.said == "success"

    @property
    def settled(self) -> bool:
        """Whether there is nothing to send again for: a yes, or a no that blames the push and says where it is kept."""
        if self.push.ending is Ending.TAKEN:
            return self.acknowledged
        return self.push_id is not None and self.status != 503

    @property
    def line(self) -> str:
        """For a file: no content of the push, only what names it."""
        about = {"push": self.push.name, "sha256": self.push.sha256, "attempt": self.attempt}
        reply = {"status": self.status, "said": self.said, "push_id": self.push_id, "failure": self.failure}
        return json.dumps({**about, **reply, "seconds": round(self.seconds, 4)})


class Ledger:
    """Everything sent and every reply, in the order in which they ended; any number of threads may write.

    With ``path`` each delivery is a line there as soon as it has ended.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._found: list[Delivery] = []
        self._settled: set[tuple[str, bool]] = set()
        self._begun: dict[str, int] = {}
        self._file = path.open("a", encoding="utf-8") if path is not None else None
        self.stories: list[Story] = []

    def begin(self, push: Push) -> None:
        """Note that the push is about to be sent, before anything of it is."""
        with self._lock:
            self._begun[push.sha256] = self._begun.get(push.sha256, 0) + 1

    def end(self, delivery: Delivery) -> None:
        """Note what came of it."""
        with self._lock:
            self._found.append(delivery)
            if delivery.settled:
                self._settled.add((delivery.push.name, delivery.push.again))
            if self._file is not None:
                self._file.write(delivery.line + "\n")
                self._file.flush()

    def add(self, story: Story) -> None:
        """Note a story that is going to be told."""
        with self._lock:
            self.stories.append(story)

    @property
    def deliveries(self) -> list[Delivery]:
        """All that have ended, so far."""
        with self._lock:
            return list(self._found)

    def since(self, index: int) -> list[Delivery]:
        """Those from the index on."""
        with self._lock:
            return self._found[index:]

    @property
    def settled(self) -> int:
        """How many pushes have been answered for good."""
        return len(self._settled)

    def begun(self, push: Push) -> int:
        """How often these bytes were sent, replies or not."""
        with self._lock:
            return self._begun.get(push.sha256, 0)

    def figures(self) -> dict[str, int]:
        """Counts: deliveries by how they ended, pushes settled."""
        found = self.deliveries
        return {
            "pushes": sum(len(story) for story in self.stories),
            "deliveries": len(found),
            "settled": self.settled,
            "acknowledged": sum(d.acknowledged for d in found),
            "unavailable": sum(d.status == 503 for d in found),
            "no_reply": sum(d.failure is not None for d in found),
        }

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
