"""What a receiver's processes use while it works, sample by sample, and whether that stays as it was."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import linear_regression, median, quantiles

from tests.support.processes import workers
from tests.support.receiver import Receiver

from .ledger import Delivery

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """One process at one moment: resident memory in bytes, open descriptors, threads, CPU seconds so far."""

    pid: int
    memory: int
    files: int
    threads: int
    cpu: float


@dataclass(frozen=True)
class Sample:
    """One window: its end (``at``, seconds since the start), processes at its end, and the deliveries that ended in it.

    ``p50`` and ``p99`` are of the replies' times in seconds, None for a window without any.
    """

    at: float
    processes: tuple[Process, ...]
    deliveries: int
    refused: int
    p50: float | None
    p99: float | None

    @property
    def memory(self) -> int:
        """Resident memory of all, in bytes."""
        return sum(p.memory for p in self.processes)

    @property
    def files(self) -> int:
        """Open descriptors of all."""
        return sum(p.files for p in self.processes)

    @property
    def threads(self) -> int:
        """Threads of all."""
        return sum(p.threads for p in self.processes)

    @property
    def cpu(self) -> float:
        """CPU seconds of all since they began."""
        return sum(p.cpu for p in self.processes)


def sample(receiver: Receiver, at: float, deliveries: Sequence[Delivery]) -> Sample:
    """A look at the processes, and at what has ended since the last one."""
    found = [p for pid in sorted({receiver.pid, *workers(receiver)}) if (p := _process(pid)) is not None]
    p50, p99 = percentiles(d.seconds for d in deliveries)
    refused = sum(not d.settled for d in deliveries)
    return Sample(at, tuple(found), len(deliveries), refused, p50, p99)


def _process(pid: int) -> Process | None:
    folder = Path(f"/proc/{pid}")
    with suppress(OSError):  # it has ended
        pages = int((folder / "statm").read_text().split()[1])
        stat = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
        cpu = (int(stat[11]) + int(stat[12])) / _TICK
        return Process(pid, pages * _PAGE, len(list((folder / "fd").iterdir())), int(stat[17]), cpu)
    return None


def percentiles(seconds: Iterable[float]) -> tuple[float | None, float | None]:
    """The 50th and the 99th."""
    found = sorted(seconds)
    if len(found) < 2:
        return (found[0], found[0]) if found else (None, None)
    cuts = quantiles(found, n=100, method="inclusive")
    return cuts[49], cuts[98]


@dataclass(frozen=True)
class Trend:
    """First against last third of the samples after the warm-up. Memory in bytes, ``slope`` in bytes an hour."""

    memory: tuple[float, float]
    slope: float
    files: tuple[float, float]
    threads: tuple[float, float]
    p99: tuple[float, float]

    @property
    def memory_is_flat(self) -> bool:
        """Grown by less than a twentieth, or by less than 8 MiB: what a page cache of an allocator may do."""
        first, last = self.memory
        return last - first < max(first / 20, 8 * 1024**2)

    @property
    def files_are_flat(self) -> bool:
        return self.files[1] <= self.files[0] + 4

    @property
    def p99_is_flat(self) -> bool:
        """Within half as much again, or 20 ms: the machine has other work too."""
        return self.p99[1] <= max(self.p99[0] * 1.5, self.p99[0] + 0.02)


def trend(samples: Sequence[Sample]) -> Trend | None:
    """How things went; None while there are too few samples. The first fifth is the warm-up."""
    warm = samples[len(samples) // 5 :]
    third = len(warm) // 3
    if third < 2:
        return None

    def ends(values: Sequence[float]) -> tuple[float, float]:
        return median(values[:third]), median(values[-third:])

    replies = [s.p99 for s in warm if s.p99 is not None]
    hours = [s.at / 3600 for s in warm]
    return Trend(
        memory=ends([s.memory for s in warm]),
        slope=linear_regression(hours, [float(s.memory) for s in warm]).slope,
        files=ends([s.files for s in warm]),
        threads=ends([s.threads for s in warm]),
        p99=ends(replies) if len(replies) >= third else (0.0, 0.0),
    )
