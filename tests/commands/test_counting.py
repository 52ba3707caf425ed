"""Ctrl-C during long work: it stops between two steps, with a line that says what to do."""

from __future__ import annotations

import os
import signal

import pytest

from receiver.cli.counting import Counting
from receiver.errors import Stopped


def test_ctrl_c_stops_at_the_next_step() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Counting(quiet=True) as counting:
        counting.step("reading", 1)
        os.kill(os.getpid(), signal.SIGINT)
        assert counting.stopped()
        with pytest.raises(Stopped, match="Run it again"):
            counting.step("reading", 2)
    assert signal.getsignal(signal.SIGINT) == before
