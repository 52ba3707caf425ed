"""A count that grows, shown on a terminal, for commands that work in steps; Ctrl-C stops them between two."""

from __future__ import annotations

import signal
from contextlib import AbstractContextManager
from types import FrameType, TracebackType

from rich.console import Console
from rich.status import Status

from receiver.errors import Stopped


class Counting(AbstractContextManager["Counting"]):
    """Shows what is being done, on standard error and only where that is a terminal. ``quiet``: nowhere."""

    def __init__(self, *, quiet: bool = False) -> None:
        console = Console(stderr=True)
        self._status = Status("", console=console) if console.is_terminal and not quiet else None
        self._stopped = False
        self._before: signal._HANDLER = None

    def __enter__(self) -> Counting:
        self._before = signal.signal(signal.SIGINT, self._stop)
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()
        signal.signal(signal.SIGINT, self._before)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopped = True

    def stopped(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self._stopped

    def step(self, what: str, count: int) -> None:
        """Say how much has been done. Raises Stopped once Ctrl-C was pressed."""
        self.show(what, count)
        if self._stopped:
            raise Stopped("Stopped between two steps: what was done until then stays done. Run it again to finish.")

    def show(self, what: str, count: int) -> None:
        """Say how much has been done."""
        if self._status is not None:
            self._status.update(f"{what}: {count}")
