"""``python -m tests.performance.rebuild``: current state rebuilt from its notifications, over ingest in one run.

A receiver is told a few histories over HTTP; the server copies what it stored of them, with other numbers and dates,
until there are as many notifications as asked for. Then, round by round: new confirmations are pushed to another
receiver for a while, the tables of current state are emptied, and ``receiver replay --rebuild`` fills them. At the end
it is seen to have nothing left to do, and the first histories to be as the receiver had left them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.support.postgres import plain_url
from tests.support.receiver import Receiver

from . import load, report
from .cluster import bench_cluster, database
from .contenders import ReceiverServe
from .documents import Form, Requests
from .figures import Figure
from .pushes import Bench

STATES = ("bookings", "booking_codes", "completions", "completion_resources", "completion_business_data")
_CHUNK = 20_000
_RATE = 4000

# Histories by booking, and how many of a hundred bookings have each: one and a half notifications each.
SHARES = {1: 50, 2: 20, 3: 15, 4: 15}
_LATER = {
    2: b"<bookingConfirmation><bookingConfirmation><bookingId>%s</bookingId>"
    b"<primaryOrderNumber>L%s</primaryOrderNumber><planningWindowStart>2021-07-02T12:00:00</planningWindowStart><planningWindowEnd>2021-07-02T17:00:00"
    b"</planningWindowEnd><changedDate>2021-06-03T10:11:12</changedDate></bookingConfirmation></bookingConfirmation>",
    3: b"<bookingCompletion><bookingId>%s</bookingId><primaryOrderNumber>L%s</primaryOrderNumber><taskCompletionDate>"
    b"2021-07-02T11:40:00</taskCompletionDate><taskCompletionStatus>CO</taskCompletionStatus><theResources>"
    b"<resourceID>W12</resourceID><resourceName>A Fitter</resourceName></theResources></bookingCompletion>",
    4: b"<bookingCancellation><bookingId>%s</bookingId><primaryOrderNumber>L%s</primaryOrderNumber><changedDate>"
    b"2021-06-03T10:11:12</changedDate></bookingCancellation>",
}

# How many of each template's copies: bookings n of which history h is told, with its parts in order of arrival.
_COPIES = """
    (SELECT n, t.*, row_number() OVER (ORDER BY n / {chunk}, t.part, n) AS number
       FROM generate_series(5, {last}::bigint) AS n
       JOIN (SELECT notifications.*, right(booking_id, 8) AS digits, right(booking_id, 1)::int AS history,
                    row_number() OVER (PARTITION BY booking_id ORDER BY id) AS part
               FROM notifications WHERE booking_id <= '0000000004') AS t
         ON t.history = CASE WHEN n % 100 < 50 THEN 1 WHEN n % 100 < 70 THEN 2 WHEN n % 100 < 85 THEN 3 ELSE 4 END
      ORDER BY number) AS copy
"""
_ID = (
    "overlay(lpad(to_hex(1650000000000 + number * 10 + {kind}), 12, '0') PLACING '-' FROM 9 FOR 0)"
    " || '-7000-8000-' || lpad(n::text, 12, '0')"
)
_NUMBER = "lpad(n::text, 8, '0')"
_DAY = "(date '2021-07-02' + (n % 365)::int)::text || 'T'"


def _statements(last: int) -> list[str]:
    copies = _COPIES.format(chunk=_CHUNK, last=last)
    own, push = _ID.format(kind=1), _ID.format(kind=0)
    key = "encode(sha256((n || content_key)::bytea), 'hex')"
    return [
        f"""INSERT INTO pushes (id, source, received_at, size_bytes, sha256, kind, outcome, records, held,
                                reply_status)
            SELECT {push}, source, received_at, 2200, {key}, kind, 'stored', 1, 0, 200 FROM {copies}""",
        f"""INSERT INTO notifications (id, push_id, position, source, kind, booking_id, content_key, event_key,
                                       changed_at, received_at, status, "values", warnings, problems)
            SELECT {own}, {push}, position, source, kind, '00' || {_NUMBER}, {key}, {key}, changed_at,
                   received_at + number * interval '1 millisecond', status,
                   replace(replace("values"::text, digits, {_NUMBER}), '2021-07-02T', {_DAY})::json, warnings,
                   problems
              FROM {copies}""",
        f"""INSERT INTO changes ("cursor", source, entity, entity_key, change, notification_id, occurred_at,
                                 recorded_at)
            SELECT (SELECT max("cursor") FROM changes) + number, source, 'booking', '00' || {_NUMBER}, 'updated', {own},
                   received_at, received_at + number * interval '1 millisecond'
              FROM {copies}""",
    ]


def tell(receiver: Receiver) -> None:
    """The four histories, over HTTP. Raises RuntimeError where one is not stored."""
    for number in SHARES:
        (request,) = Requests(Form.AS_SENT, receiver.port, "/push/drs").render(number, 1)
        bodies = [request.partition(b"\r\n\r\n")[2]]
        if number in _LATER:
            bodies.append(_LATER[number] % (b"%010d" % number, b"%08d" % number))
        for body in bodies:
            answer = receiver.push(body)
            if answer.status != 200 or b"success" not in answer.body:
                raise RuntimeError(f"history {number}: {answer.body.decode(errors='replace')}")


def multiply(url: str, notifications: int) -> None:
    """Copy the histories that are stored until there are about so many notifications."""
    last = notifications * 2 // 3 + 4
    with psycopg.connect(plain_url(url), autocommit=True) as connection:
        # References hold by the way the rows are made; to look at each would take as long as making them.
        connection.execute("SET session_replication_role = replica")
        for statement in _statements(last):
            connection.execute(statement.encode())
        for table in ("notifications", "changes", "pushes"):
            connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(table)))
        connection.execute("CHECKPOINT")


def told(url: str) -> list[list[tuple[Any, ...]]]:
    """What the tables of current state hold of the first histories."""
    with psycopg.connect(plain_url(url)) as connection:
        return [
            connection.execute(
                sql.SQL("SELECT * FROM {} WHERE booking_id <= '0000000004' ORDER BY 1, 2, 3").format(sql.Identifier(t))
            ).fetchall()
            for t in STATES
        ]


def _empty(url: str) -> None:
    with psycopg.connect(plain_url(url), autocommit=True) as connection:
        for table in STATES:
            connection.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier(table)))
        connection.execute("CHECKPOINT")


def _rebuild(url: str, jobs: int | None, *options: str) -> tuple[float, dict[str, Any]]:
    """How many seconds the command took, its start included, and what it says."""
    command = [sys.executable, "-m", "receiver", "replay", "--rebuild", "--json", *options]
    command += ["--jobs", str(jobs)] if jobs is not None else []
    began = time.perf_counter()
    done = subprocess.run(command, env=Receiver(url, Path()).environment(), capture_output=True, check=False)
    took = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace"))
    return took, json.loads(done.stdout)


def figures(bench: Bench, notifications: int = 1_000_000, jobs: int | None = None) -> list[Figure]:
    """The rate of a rebuild over that of ingest, round by round. Raises RuntimeError where it is not rebuilt right."""
    with ExitStack() as running:
        filled = running.enter_context(database(bench.cluster, "rebuild"))
        with Receiver(filled, bench.folder) as receiver:
            tell(receiver)
        before = told(filled)
        bench.say(f"making {notifications} notifications")
        multiply(filled, notifications)
        empty = running.enter_context(database(bench.cluster, "rebuild_ingest"))
        served = ReceiverServe("ingest", bench.folder, empty, 2)
        running.callback(served.stop)
        served.start()
        ratios, ingest, rebuilt = [], [], []
        for number in range(bench.rounds):
            first = (number + 1) * 10_000_000
            requests = Requests(Form.AS_SENT, served.port, served.path).render(first, int(bench.seconds * _RATE))
            load.run(served.port, requests[:500], 16, 1.0)
            ingest.append(load.run(served.port, requests[500:], 16, bench.seconds).rate)
            _empty(filled)
            took, said = _rebuild(filled, jobs)
            rebuilt.append(said["notifications"] / took)
            ratios.append(rebuilt[-1] / ingest[-1])
            bench.say(f"ingest {ingest[-1]:.0f}/s, rebuild {rebuilt[-1]:.0f}/s, {ratios[-1]:.1f}: {said}")
        checked, said = _rebuild(filled, jobs, "--dry-run")
        if said["bookings"] or said["not_whole"] or told(filled) != before:
            raise RuntimeError(f"rebuilt wrong: {said}")
    unchanged = said["notifications"] / checked
    details = {"ingest": ingest, "rebuilt": rebuilt, "unchanged": unchanged, "notifications": said["notifications"]}
    return [Figure("notifications rebuilt a second over pushes taken a second", ratios, 8, 20, details=details)]


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; 0 when it was measured, whatever the figure says."""
    parser = argparse.ArgumentParser(prog="python -m tests.performance.rebuild", description=__doc__)
    parser.add_argument("--notifications", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="of pushes, in each round")
    parser.add_argument("--jobs", type=int, default=None)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything there")
    arguments = parser.parse_args(argv)

    def say(text: str) -> None:
        print(f"  {text}", file=sys.stderr, flush=True)

    with bench_cluster() as cluster, tempfile.TemporaryDirectory(prefix="receiver-bench-") as folder:
        bench = Bench(cluster, Path(folder), arguments.rounds, arguments.seconds, say)
        found = figures(bench, arguments.notifications, arguments.jobs)
    print(report.table(found))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([f.as_json() for f in found], indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
