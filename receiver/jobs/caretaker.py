"""What a server does beside answering: threads in each worker process that empty the spool and keep house."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event, Thread
from time import monotonic

import structlog

from receiver.errors import ReceiverError

_log = structlog.get_logger()


@dataclass(frozen=True)
class Duty:
    """Something to do every ``seconds``, and every ``seconds_after_failure`` while it fails.

    ``run`` is told by its argument whether to stop; it sees to it itself that only one process does the work.
    """

    name: str
    run: Callable[[Callable[[], bool]], object]
    seconds: float
    seconds_after_failure: float


class Caretaker:
    """Runs each duty in a thread of its own until it is stopped. One that fails is tried again later.

    That it fails is logged once, and once that it works again.

    ``stopped`` is set to have them end; whoever waits in a duty may wait on it.
    """

    def __init__(self, duties: Sequence[Duty], stopped: Event) -> None:
        self._stopped = stopped
        self._threads = [Thread(target=self._work, args=(duty,), name=duty.name, daemon=True) for duty in duties]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float) -> None:
        """Ask the duties under way to end at their next safe point, and wait for that at most ``seconds``."""
        self._stopped.set()
        end = monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - monotonic()))

    def _work(self, duty: Duty) -> None:
        failing: str | None = None
        while not self._stopped.is_set():
            before, failing = failing, self._do(duty)
            if failing != before:
                _log.warning("duty_state", duty=duty.name, failing=failing)
            self._stopped.wait(duty.seconds if failing is None else duty.seconds_after_failure)

    def _do(self, duty: Duty) -> str | None:
        """Run it; gives the reason why it failed, if it did."""
        try:
            duty.run(self._stopped.is_set)
        except ReceiverError as error:
            return error.reason
        except Exception as error:  # noqa: BLE001 - a fault in a duty must not end it for good
            return type(error).__name__
        return None
