"""What a big push costs: a hundred thousand unavailabilities at once, over psql's COPY of the rows that it leaves.

Every round sends the push to a receiver on an empty database of a throw-away cluster, takes what it left out of it as
files, and has psql load those into another empty database with the same tables and indexes, in one transaction.
``python -m tests.performance.bulk`` prints the ratio of the times and the memory of the serving worker; more options
with ``--help``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median

import psycopg

from receiver.store import engine as engines
from receiver.store import migrations

from ..support.postgres import Cluster, empty_database, plain_url
from ..support.pushes import element, fields
from ..support.receiver import Receiver
from ..support.system import postgres_binaries

_FIRST = datetime(2026, 1, 5, 8)
_RESOURCES = 500
_TICKS = 100  # of /proc, in a second
_LEFT = ("pushes", "push_bodies", "notifications", "unavailabilities", "changes")


@dataclass(frozen=True)
class Round:
    """One push beside one COPY: seconds, processor seconds of the receiver and of its database, bytes of memory."""

    push_seconds: float
    copy_seconds: float
    receiver_cpu: float
    database_cpu: float
    memory_above_idle: int


def absences(count: int) -> bytes:
    """A push of ``count`` unavailabilities, each its own, of about 280 bytes."""
    return element("unavailabilities", "".join(_absence(n) for n in range(count))).encode()


def _absence(n: int) -> str:
    start = _FIRST + timedelta(days=n // _RESOURCES, minutes=15 * (n % 32))
    said = {
        "Action": "New",
        "ResourceId": f"W{n % _RESOURCES:05d}",
        "OperativeId": f"OP{n % _RESOURCES:05d}",
        "PeriodStart": start.isoformat(),
        "PeriodEnd": (start + timedelta(hours=4)).isoformat(),
        "Reason": "TRAINING",
        "Comments": f"First aid course number {n}",
    }
    return element("unavailability", fields(said)) + "\n"


def measure(admin_url: str, body: bytes, records: int, folder: Path) -> Round:
    """One round on two new databases. Raises RuntimeError when the push was not stored whole."""
    with empty_database(admin_url) as url, Receiver(url, folder) as receiver:
        if receiver.push(absences(10).replace(b"<ResourceId>W", b"<ResourceId>Z")).status != 200:
            raise RuntimeError("The receiver does not take pushes.")
        worker, idle = _worker(receiver.pid)
        servers = _backends(url)
        cpu, database_cpu = _cpu(worker), sum(_cpu(pid) for pid in servers)
        start = time.perf_counter()
        answer = receiver.push(body)
        push_seconds = time.perf_counter() - start
        cpu, database_cpu = _cpu(worker) - cpu, sum(_cpu(pid) for pid in _backends(url)) - database_cpu
        memory = _memory(worker, "VmHWM") - idle
        found = receiver.one("SELECT records FROM v1_pushes WHERE id = :id", id=answer.push_id)["records"]
        if (answer.status, found) != (200, records):
            raise RuntimeError(f"{found} of {records} records are stored, and the answer was {answer.status}.")
        files = _dump(url, folder)
    with _migrated(admin_url) as url:
        copy_seconds = _load(url, files)
    for file in files.values():
        file.unlink()
    return Round(push_seconds, copy_seconds, cpu, database_cpu, memory)


@contextmanager
def _migrated(admin_url: str) -> Iterator[str]:
    with empty_database(admin_url) as url:
        engine = engines.create(url)
        migrations.upgrade(engine)
        engine.dispose()
        yield url


def _psql(url: str, script: str) -> None:
    command = [str(postgres_binaries() / "psql"), "-qX", "-v", "ON_ERROR_STOP=1", plain_url(url)]
    subprocess.run(command, input=script.encode(), check=True, capture_output=True)


def _dump(url: str, folder: Path) -> dict[str, Path]:
    """What the pushes left, a file for each table."""
    files = {name: folder / f"{name}.copy" for name in _LEFT}
    _psql(url, "".join(f"\\copy {name} to '{path}'\n" for name, path in files.items()))
    return files


def _load(url: str, files: dict[str, Path]) -> float:
    """Seconds that psql's COPY of the files takes, one transaction for all."""
    copies = "".join(f"\\copy {name} from '{path}'\n" for name, path in files.items())
    start = time.perf_counter()
    _psql(url, f"BEGIN;\n{copies}COMMIT;\n")
    return time.perf_counter() - start


def _worker(pid: int) -> tuple[int, int]:
    """The only worker, and the memory that it holds when it has nothing to do; its peak is counted from now."""
    worker = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
    Path(f"/proc/{worker}/clear_refs").write_text("5")
    return worker, _memory(worker, "VmRSS")


def _memory(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def _cpu(pid: int) -> float:
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(times[11]) + int(times[12])) / _TICKS


def _backends(url: str) -> list[int]:
    """The server's processes that work for the database, as long as its connections last."""
    with psycopg.connect(plain_url(url)) as connection:
        query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        return [row[0] for row in connection.execute(query)]


def summary(rounds: Sequence[Round]) -> dict[str, float]:
    """Medians: times as ratios, memory in MB, processor time."""
    return {
        "time over psql's COPY": round(median(r.push_seconds / r.copy_seconds for r in rounds), 2),
        "receiver's processor time over psql's COPY": round(median(r.receiver_cpu / r.copy_seconds for r in rounds), 2),
        "database's processor time over psql's COPY": round(median(r.database_cpu / r.copy_seconds for r in rounds), 2),
        "memory above idle, MB": round(median(r.memory_above_idle for r in rounds) / 2**20, 1),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write a file where one is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database", help="an administrator's URL; otherwise a cluster is made and thrown away")
    parser.add_argument("--json", type=Path, help="write the figures of each round here")
    options = parser.parse_args(arguments)
    body = absences(options.records)
    with tempfile.TemporaryDirectory() as folder, _cluster(options.database) as url:
        rounds = [measure(url, body, options.records, Path(folder)) for _ in range(options.rounds)]
    found = summary(rounds)
    for name, value in found.items():
        print(f"{name}: {value}")
    if options.json:
        options.json.write_text(json.dumps({"summary": found, "rounds": [asdict(r) for r in rounds]}, indent=1))
    return 0


@contextmanager
def _cluster(given: str | None) -> Iterator[str]:
    if given:
        yield given
        return
    with Cluster() as cluster:
        yield cluster.url


if __name__ == "__main__":
    sys.exit(main())
