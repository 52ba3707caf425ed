"""strace on a running process: what it asks of the kernel, and system calls made to fail."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.support.system import Missing, strace
from tests.support.waiting import wait_until

_UNFINISHED = re.compile(r"^(?P<task>\d+) +(?P<start>.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"^(?P<task>\d+) +<\.\.\. \w+ resumed>(?P<end>.*)$")
_WHOLE = re.compile(r"^(?P<task>\d+) +(?P<call>.*)$")


class Strace:
    """strace attached to processes with all their threads, for as long as the block lasts.

    ``options`` are strace's own (``-e trace=...``, ``-e inject=...``). Processes that these start are not followed:
    each has to be named.
    """

    def __init__(self, pids: Iterable[int], folder: Path, *options: str) -> None:
        self._pids = tuple(pids)
        self._output = folder / "strace.out"
        self._said = folder / "strace.err"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            program = strace()
        except Missing as missing:
            pytest.fail(str(missing), pytrace=False)
        self._output.unlink(missing_ok=True)
        attach = [part for pid in self._pids for part in ("-p", str(pid))]
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                [program, "-f", "-s", "64", "-o", str(self._output), *self._options, *attach],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
            )
        wait_until(self._is_attached, 30, "strace has attached to every thread")
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Let the processes go on by themselves."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=60)
            self._process = None

    @property
    def ended(self) -> bool:
        """Whether all that was traced is gone. A process under which that happens must be waited for, not stopped:
        told to stop just then, strace can wait for ever."""
        return self._process is None or self._process.poll() is not None

    @property
    def injected(self) -> int:
        """How many calls were made to fail so far."""
        return self._output.read_text(errors="replace").count("(INJECTED)") if self._output.exists() else 0

    def calls(self) -> list[tuple[int, str]]:
        """Every call that has ended, in the order of ending: the thread's id, and the call as strace writes it."""
        begun: dict[str, str] = {}
        found: list[tuple[int, str]] = []
        for line in self._output.read_text(errors="replace").splitlines():
            if match := _UNFINISHED.match(line):
                begun[match["task"]] = match["start"]
            elif match := _RESUMED.match(line):
                found.append((int(match["task"]), begun.pop(match["task"], "") + match["end"]))
            elif match := _WHOLE.match(line):
                found.append((int(match["task"]), match["call"]))
        return found

    def _is_attached(self) -> bool:
        assert self._process is not None
        if self.injected:
            return True  # what was traced may have ended of it
        if self._process.poll() is not None:
            pytest.fail(f"strace cannot attach: {self._said.read_text().strip()}", pytrace=False)
        traced = [_tracer(task) for pid in self._pids for task in Path(f"/proc/{pid}/task").glob("*")]
        return bool(traced) and all(tracer == str(self._process.pid) for tracer in traced)


def _tracer(task: Path) -> str:
    """The id of the process that traces the thread, "0" for none, "" when the thread has ended."""
    try:
        status = (task / "status").read_text()
    except OSError:
        return ""
    return next(line.split()[1] for line in status.splitlines() if line.startswith("TracerPid:"))
