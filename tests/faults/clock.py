"""A receiver whose clock can be moved while it runs: libfaketime gives it another time of day, and no other seconds."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.system import Missing, libfaketime

# The library fails CPython's way to sleep, until an absolute monotonic time, when it leaves monotonic clocks alone.
_SLEEPS = """
import select
import time


def sleep(seconds):
    select.select([], [], [], seconds)


time.sleep = sleep
"""


class MovableClock:
    """The time of day of every process that is started with ``environment``, as far from the true one as it is set."""

    def __init__(self, folder: Path) -> None:
        try:
            self._library = libfaketime()
        except Missing as missing:
            pytest.fail(str(missing), pytrace=False)
        self._file = folder / "clock"
        self._start = folder / "start"
        self._start.mkdir()
        (self._start / "sitecustomize.py").write_text(_SLEEPS)
        self.set(timedelta())

    @property
    def environment(self) -> dict[str, str]:
        """What makes a process take its time of day from here."""
        return {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",  # a change counts at once
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # as on a machine whose clock is put right
            "PYTHONPATH": str(self._start),
        }

    def set(self, ahead: timedelta) -> None:
        """Be so far ahead of the true time; behind it where that is negative."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{ahead.total_seconds():+.0f}\n")
        new.replace(self._file)
