"""``make soak``: a steady load on a real receiver, for as long as is asked, and what it uses meanwhile.

How much is expected: a landlord of 100,000 homes has about 400,000 repairs a year, each told in two or three pushes:
about 4,000 pushes on a working day, 0.4 a second in its busiest hour. Taken ten times, for the bursts of DRS's timed
runs and for several systems on one receiver, the expected peak is 5 pushes a second; the default rate is twice that.
The nightly push of several thousand unavailabilities comes every ten minutes.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType

from sqlalchemy import create_engine, text

from receiver.store.engine import database_url
from tests.support.postgres import Cluster
from tests.support.receiver import Receiver
from tests.support.system import Missing

from .auditor import Finding, audit
from .events import Story
from .ledger import Ledger
from .sending import Client, Load, Patience
from .traffic import Traffic
from .watching import Sample, percentiles, sample, trend

_BODIES_KEPT = 30
_ENV = {
    "RECEIVER_HOUSEKEEPING_HOURS": "0.02",
    "RECEIVER_KEEP_BODIES_DAYS": str(_BODIES_KEPT),
}
# Two sources: the one under load, and one whose pushes are made old, so that housekeeping always has work.
_CONFIG = '[sources.drs]\nallow_from = ["127.0.0.1/32"]\n[sources.past]\nallow_from = ["127.0.0.1/32"]\n'
_MEBIBYTE = 1024**2


@dataclass(frozen=True)
class Options:
    """What was asked for. ``rate`` in pushes a second, ``every`` in seconds."""

    minutes: float
    rate: float
    database: str
    batch: int
    batch_minutes: float
    every: float
    json: Path | None


@dataclass
class Soak:
    """A receiver under a steady load, watched."""

    options: Options
    receiver: Receiver
    ledger: Ledger = field(default_factory=Ledger)
    samples: list[Sample] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """The load, a sample every so often, until the time is over or ``stopped`` is set."""
        began, seen = time.monotonic(), 0
        past = _Past(self.receiver)
        with Load(self.receiver.port, self._paced(), clients=16, ledger=self.ledger) as load:
            while not self.stopped.wait(self.options.every) and time.monotonic() - began < self.options.minutes * 60:
                if not self.receiver.running:
                    print("The receiver has ended.", flush=True)
                    load.stop()
                    break
                past.age()
                found = self.ledger.since(seen)
                seen += len(found)
                self.samples.append(sample(self.receiver, time.monotonic() - began, found))
                print(_line(self.samples[-1]), flush=True)
            load.finish()

    def _paced(self) -> Iterator[Story]:
        """Stories at the rate, and a large batch of absences now and then."""
        began, sent, batches = time.monotonic(), 0, 0
        traffic = Traffic(20)
        for story in traffic.endless():
            due = began + sent / self.options.rate
            self.stopped.wait(max(0.0, due - time.monotonic()))
            sent += len(story)
            yield story
            if time.monotonic() - began >= batches * self.options.batch_minutes * 60:
                batches += 1
                yield traffic.absences(self.options.batch)


class _Past:
    """Pushes of another source, a few of which become too old each time that they are asked to."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._client = Client(receiver.port, Ledger(), Patience(seconds=0), path="/push/past")
        self._stories = Traffic(21).endless()
        self._engine = create_engine(database_url(receiver.database_url))

    def age(self) -> None:
        for _ in range(5):
            self._client.tell(next(self._stories))
        query = "UPDATE pushes SET received_at = :old WHERE source = 'past' AND received_at > :old"
        with self._engine.begin() as connection:
            old = "2020-01-01 00:00:00" if connection.dialect.name == "sqlite" else "2020-01-01T00:00:00Z"
            connection.execute(text(query), {"old": old})


def _line(found: Sample) -> str:
    p50, p99 = (f"{1000 * v:6.1f}" if v is not None else "     -" for v in (found.p50, found.p99))
    memory = "+".join(f"{p.memory / _MEBIBYTE:.0f}" for p in found.processes)
    files = "+".join(str(p.files) for p in found.processes)
    return (
        f"{found.at:7.0f} s  {found.deliveries:5d} replies  {found.refused:4d} not settled"
        f"  p50 {p50} ms  p99 {p99} ms  memory {memory} MiB  files {files}  threads {found.threads}"
    )


def verdict(soak: Soak, findings: Sequence[Finding]) -> dict[str, object]:
    """What is to be said at the end; ``ok`` is whether all of it is well."""
    figures = soak.ledger.figures()
    found = trend(soak.samples)
    batches = [d.seconds for d in soak.ledger.deliveries if len(d.push.events) >= soak.options.batch]
    ordinary = [d.seconds for d in soak.ledger.deliveries if len(d.push.events) < soak.options.batch]
    last = soak.samples[-1] if soak.samples else None
    p50, p99 = percentiles(ordinary)
    told: dict[str, object] = {
        "minutes": round((last.at if last else 0.0) / 60, 1),
        "rate": soak.options.rate,
        **figures,
        "p50_ms": _ms(p50),
        "p99_ms": _ms(p99),
        "batches": len(batches),
        "batch_s_most": round(max(batches, default=0.0), 2),
        "cores": round(last.cpu / last.at, 3) if last else None,
        "processes": len({p.pid for s in soak.samples for p in s.processes}),
        "findings": len(findings),
    }
    told["trend"] = "of first and last third after the warm-up" if found is not None else "too short to tell"
    ok = not findings and figures["settled"] == figures["pushes"]
    if found is not None:
        told |= {
            "memory_mib": [round(v / _MEBIBYTE, 1) for v in found.memory],
            "memory_mib_an_hour": round(found.slope / _MEBIBYTE, 2),
            "files": list(found.files),
            "threads": list(found.threads),
            "p99_ms_thirds": [_ms(v) for v in found.p99],
            "memory_flat": found.memory_is_flat,
            "files_flat": found.files_are_flat,
            "p99_flat": found.p99_is_flat,
        }
        ok = ok and found.memory_is_flat and found.files_are_flat and found.p99_is_flat
    return {**told, "ok": ok}


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 1)


def _options(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(
        prog="make soak ARGS=...", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--minutes", type=float, default=10, help="how long [10]; Ctrl-C ends it with the report so far"
    )
    parser.add_argument("--rate", type=float, default=10, help="pushes a second [10]")
    parser.add_argument(
        "--database", default="postgresql", help="postgresql (one of its own), sqlite, or a URL of an empty database"
    )
    parser.add_argument("--batch", type=int, default=5000, help="absences in a large batch [5000]")
    parser.add_argument("--batch-minutes", type=float, default=10, help="how often a large batch comes [10]")
    parser.add_argument("--every", type=float, default=10, help="seconds between samples [10]")
    parser.add_argument("--json", type=Path, help="a file for every sample and the verdict")
    return Options(**vars(parser.parse_args(arguments)))


def main(arguments: Sequence[str]) -> int:
    """Run it; 0 when all is well, 1 when something is not, 2 when it could not be run."""
    options = _options(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="receiver-soak-")))
        try:
            url = _database(options.database, folder, stack)
        except Missing as missing:
            print(missing, file=sys.stderr)
            return 2
        env = {**_ENV, "RECEIVER_SPOOL": str(folder / "spool")}
        receiver = stack.enter_context(Receiver(url, folder, config=_CONFIG, env=env, workers=2))
        soak = Soak(options, receiver)

        def stop(_signal: int, _frame: FrameType | None) -> None:
            soak.stopped.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        soak.run()
        findings = audit(soak.ledger, receiver.rows)
        told = verdict(soak, findings)
    for finding in findings[:20]:
        print(finding)
    print("  ".join(f"{name}={value}" for name, value in told.items()))
    if options.json is not None:
        whole = {"verdict": told, "samples": [asdict(s) for s in soak.samples], "findings": [str(f) for f in findings]}
        options.json.write_text(json.dumps(whole) + "\n", encoding="utf-8")
    return 0 if told["ok"] else 1


def _database(asked: str, folder: Path, stack: ExitStack) -> str:
    if asked == "sqlite":
        return f"sqlite:///{folder / 'receiver.db'}"
    return stack.enter_context(Cluster()).url if asked == "postgresql" else asked


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
