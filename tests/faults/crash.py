"""A receiver whose processes all end at once, as when its machine loses power, and that is started again."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from tests.support.processes import workers
from tests.support.receiver import Receiver
from tests.support.waiting import wait_until


def crash(receiver: Receiver) -> None:
    """Kill the first process and its workers, and start again once they are gone."""
    found = workers(receiver)
    receiver.stop(signal.SIGKILL)
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(_runs(pid) for pid in found), describe="the workers are gone")
    receiver.start()


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
