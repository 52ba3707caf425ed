"""Hostile documents through the real corridor, as many as wanted: ``python -m tests.hostile.campaign --help``."""

from __future__ import annotations

import argparse
import base64
import json
import multiprocessing
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from queue import Empty
from typing import Any

from tests.support.postgres import Cluster, empty_database
from tests.support.receiver import Receiver

from .guided import available
from .working import Job, database_file, work

MOST_GROWTH = 32 * 1024 * 1024
_FAULTS = ("push_failed", "push_not_stored", "record_not_judged")


@dataclass
class Campaign:
    """All that is known so far, by the name of the process that told it."""

    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults_logged: int = 0
    guided: bool = False
    seconds: float = 0.0

    @property
    def documents(self) -> int:
        return sum(sum(t["documents"].values()) for t in self.told.values())

    def _unwatched(self) -> list[dict[str, Any]]:
        """What the processes told whose code is as it is: one that is guided is slow, and keeps what led it on."""
        return [told for name, told in self.told.items() if name != "guided"]

    def _added(self, of: str) -> dict[str, int]:
        total: dict[str, int] = {}
        for told in self.told.values():
            for name, count in told[of].items():
                total[name] = total.get(name, 0) + count
        return total

    def findings(self) -> list[tuple[str, bytes]]:
        """What must not be and the shortest document known that does it, each once."""
        found: dict[str, bytes] = {}
        for told in self.told.values():
            for what, body in told["findings"]:
                found[what] = min(found.get(what, body), body, key=len)
        return sorted(found.items())

    def report(self) -> dict[str, Any]:
        growth = {name: t["growth"] for name, t in self.told.items() if t["growth"] is not None}
        findings = self.findings()
        return {
            "documents": self.documents,
            "ways": self._added("documents"),
            "outcomes": self._added("outcomes"),
            "guided_by_coverage": self.guided,
            "seconds": round(self.seconds, 1),
            "slowest_reply_seconds": round(max((t["slowest"] for t in self._unwatched()), default=0.0), 3),
            "documents_that_take_more_than_1_s": sum(1 for what, _ in findings if what.startswith("took")),
            "faults_logged_by_the_server": self.faults_logged,
            "memory_growth_bytes": growth,
            "findings": [{"what": what, "size": len(body), "file": _file_of(body)} for what, body in findings],
        }

    def passed(self) -> bool:
        growth = [t["growth"] or 0 for t in self._unwatched()]
        return not self.findings() and not self.faults_logged and max(growth, default=0) <= MOST_GROWTH


def _file_of(body: bytes) -> str:
    return f"{sha256(body).hexdigest()[:16]}.bin"


def run(documents: int, seconds: float, seed: int, *, processes: int, postgres: bool, http: bool, guided: bool,
        findings: Path | None = None) -> Campaign:  # fmt: skip
    """Drive documents until there were as many, or the time is over, or Ctrl-C. ``findings`` is a folder for them."""
    campaign, started = Campaign(guided=guided), time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(_folder()))
        receiver = stack.enter_context(_receiver(folder)) if http else None
        cluster = stack.enter_context(Cluster()) if postgres else None
        context = multiprocessing.get_context("spawn")
        reports, stop = context.Queue(), context.Event()
        running = []
        for number in range(processes):
            name = f"process {number + 1}"
            url = stack.enter_context(empty_database(cluster.url)) if cluster is not None else None
            job = Job(name, seed + number, database_file(folder, str(number)), url, _told_apart(receiver))
            running.append(context.Process(target=work, args=(job, reports, stop)))
            running[-1].start()
        helper = _start_guided(folder, seed, seconds, reports) if guided else None
        try:
            _follow(campaign, reports, documents, started + seconds, findings)
        except KeyboardInterrupt:
            print("Stopping.", file=sys.stderr)
        stop.set()
        if helper is not None:
            helper.terminate()
            helper.wait()
        _finish(campaign, reports, len(running))
        for process in running:
            process.join(timeout=60)
        if receiver is not None:
            campaign.faults_logged = sum(line.get("event") in _FAULTS for line in receiver.log_lines())
    campaign.seconds = time.monotonic() - started
    return campaign


def _folder() -> tempfile.TemporaryDirectory[str]:
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(prefix="hostile-", dir=memory if memory.is_dir() else None)


def _receiver(folder: Path) -> Receiver:
    return Receiver(database_file(folder, "server"), folder)


def _told_apart(receiver: Receiver | None) -> Receiver | None:
    """The receiver as another process can know it: by its address and database."""
    if receiver is None:
        return None
    found = Receiver(receiver.database_url, receiver.folder)
    found.port, found.log = receiver.port, receiver.log
    return found


def _start_guided(folder: Path, seed: int, seconds: float, reports: Any) -> subprocess.Popen[str]:
    url = database_file(folder, "guided")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.hostile.guided", url, str(seed), str(int(seconds) + 5)],
        stdout=subprocess.PIPE,
        stderr=(folder / "guided.log").open("wb"),
        text=True,
        start_new_session=True,
    )

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with suppress(json.JSONDecodeError, KeyError, TypeError):  # libFuzzer writes lines of its own
                told = json.loads(line)
                told["findings"] = [(what, base64.b64decode(body)) for what, body in told["findings"]]
                reports.put(told)

    threading.Thread(target=read, daemon=True).start()
    return process


def _follow(campaign: Campaign, reports: Any, documents: int, end: float, findings: Path | None) -> None:
    last = time.monotonic()
    while campaign.documents < documents and time.monotonic() < end:
        with suppress(Empty):
            told = reports.get(timeout=0.5)
            campaign.told[told["name"]] = told
        if time.monotonic() - last > 10:
            last = time.monotonic()
            _keep(campaign, findings)
            print(
                f"{campaign.documents:>9} documents, {len(campaign.findings())} findings", file=sys.stderr, flush=True
            )


def _keep(campaign: Campaign, folder: Path | None) -> None:
    if folder is None:
        return
    for _, body in campaign.findings():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _file_of(body)).write_bytes(body)


def _finish(campaign: Campaign, reports: Any, running: int) -> None:
    """The last word of each process; a minute is enough for the document under way."""
    ended, deadline = 0, time.monotonic() + 60
    while ended < running and time.monotonic() < deadline:
        with suppress(Empty):
            told = reports.get(timeout=0.5)
            ended += bool(told.get("ended"))
            campaign.told[told["name"]] = told


def main() -> int:
    """Run a campaign, say what came of it; 1 when there is a finding."""
    parser = argparse.ArgumentParser(prog="make hostile ARGS=...", description=__doc__)
    parser.add_argument("--documents", type=int, default=1_000_000, help="end after as many (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=60, help="end after as long (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="another one makes other documents")
    parser.add_argument("--processes", type=int, default=2, help="beside the one that is guided by coverage")
    parser.add_argument("--no-postgres", action="store_true", help="on SQLite alone")
    parser.add_argument("--no-http", action="store_true", help="without a share of real requests")
    parser.add_argument("--no-guided", action="store_true", help="without atheris")
    parser.add_argument("--findings", type=Path, default=Path("build/hostile"), help="a folder (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="the report as one JSON object")
    given = parser.parse_args()
    # Also where a shell has it ignored, and for whoever stops it by its number.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    guided = available() and not given.no_guided
    if not available():
        print("atheris is not there for this Python: nothing is guided by coverage", file=sys.stderr)
    campaign = run(
        given.documents,
        given.minutes * 60,
        given.seed,
        processes=given.processes,
        postgres=not given.no_postgres,
        http=not given.no_http,
        guided=guided,
        findings=given.findings,
    )
    _keep(campaign, given.findings)
    report = campaign.report()
    if given.json:
        print(json.dumps(report))
    else:
        for name, value in report.items():
            print(f"{name.replace('_', ' ')}: {value}")
    return 0 if campaign.passed() else 1


if __name__ == "__main__":
    sys.exit(main())
