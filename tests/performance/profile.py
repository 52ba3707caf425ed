"""``python -m tests.performance.profile``: where the microseconds of one push go, in a running ``receiver serve``.

A sampling profiler looks at the server's workers under load, many times a second, and each sample is put down to the
package that was at work: code of the standard library and compiled code to whoever called it. At work is the thread
that holds the interpreter's lock, which is what a worker has one of; with ``--running`` every thread that runs, which
needs a machine with cores to spare, as threads that wait for one count too. Shares of samples, times the processor time
that a push took without the profiler, are microseconds. What PostgreSQL and the load took stands beside. Nothing of the
receiver's inside is known here but the names of its packages.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from tests.support.processes import children

from .cluster import bench_cluster, database
from .contenders import ROOT, ReceiverServe
from .documents import Form
from .pushes import Bench
from .rounds import NEW, Leg, Rounds, Turn

_RATE = 400
_MOST_NAME = 60


def main() -> int:
    """Measure, profile, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.performance.profile", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--sqlite", action="store_true", help="SQLite instead of PostgreSQL")
    parser.add_argument("--running", action="store_true", help="count every thread that runs, with the lock or without")
    parser.add_argument("--form", choices=[form.name.lower() for form in Form], default=Form.AS_SENT.name.lower())
    parser.add_argument("--functions", type=int, default=25, help="how many functions to list")
    parser.add_argument("--raw", type=Path, metavar="FILE", help="keep the samples there: stacks and counts")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="receiver-profile-")))
        cluster = stack.enter_context(bench_cluster())
        bench = Bench(cluster, folder, 1, arguments.seconds, lambda _text: None)
        url = f"sqlite:///{folder / 'receiver.db'}"
        if not arguments.sqlite:
            url = stack.enter_context(database(cluster, "profile"))
        receiver = ReceiverServe("receiver", folder, url, arguments.workers)
        stack.callback(receiver.stop)
        receiver.start()
        leg = Leg("receiver", receiver, NEW, Form[arguments.form.upper()], arguments.clients)
        rounds = Rounds(arguments.seconds, cluster.pid, bench.wal_bytes)
        rounds.warm_up([leg])
        alone = rounds.turn(leg, arguments.seconds)
        samples = _sampled(rounds, leg, arguments.seconds, folder, with_lock=not arguments.running)
    if arguments.raw is not None:
        arguments.raw.write_text("\n".join(f"{stack_} {count}" for stack_, count in samples.items()) + "\n")
    _print(alone, samples, arguments.functions)
    return 0


def _sampled(rounds: Rounds, leg: Leg, seconds: float, folder: Path, *, with_lock: bool) -> Counter[str]:
    """Stacks of all workers, with how often each was seen, while the same load goes on."""
    pids = sorted(children(leg.contender.pid))
    files = [folder / f"{pid}.raw" for pid in pids]
    profilers = [
        subprocess.Popen(
            [
                *(str(Path(sys.executable).with_name("py-spy")), "record", "--pid", str(pid), "--rate", str(_RATE)),
                *("--duration", str(max(1, int(seconds))), "--format", "raw", "--full-filenames", "--nonblocking"),
                *("--output", str(file)),
                *(["--gil"] if with_lock else []),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for pid, file in zip(pids, files, strict=True)
    ]
    ended = threading.Event()

    def wait() -> None:
        for profiler in profilers:
            profiler.wait()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    while not ended.is_set():
        rounds.turn(leg, 0.5)
    found: Counter[str] = Counter()
    for profiler, file in zip(profilers, files, strict=True):
        if profiler.returncode:
            assert profiler.stderr is not None
            raise RuntimeError(f"py-spy failed: {profiler.stderr.read().decode(errors='replace')[-1000:]}")
        for line in file.read_text().splitlines():
            stack, _, count = line.rpartition(" ")
            found[stack] += int(count)
    return found


def package_of(stack: str) -> str:
    """The package at work: of the innermost frame that is neither of the standard library nor of the interpreter."""
    for frame in reversed(stack.split(";")):
        file = frame.rpartition(" (")[2].rpartition(":")[0]
        if (found := _package(file)) is not None:
            return found
    return "the interpreter"


def _package(file: str) -> str | None:
    own = f"{ROOT}/receiver/"
    if file.startswith(own):
        first = file.removeprefix(own).partition("/")[0].removesuffix(".py")
        return f"receiver.{first}"
    _, found, inside = file.rpartition("/site-packages/")
    if not found:
        return None
    name = inside.partition("/")[0].removesuffix(".py").partition(".")[0]
    return {"psycopg_binary": "psycopg"}.get(name, name)


def _function(stack: str) -> str:
    """The innermost frame of a package, without its line."""
    for frame in reversed(stack.split(";")):
        name, _, where = frame.rpartition(" (")
        file = where.rpartition(":")[0]
        if _package(file) is not None:
            short = file.rpartition("/site-packages/")[2].removeprefix(f"{ROOT}/")
            return f"{name} ({short})"
    return stack.rpartition(";")[2]


def _print(alone: Turn, samples: Counter[str], functions: int) -> None:
    pushes, total = alone.load.pushes, sum(samples.values())
    server = alone.server_cpu / pushes * 1e6
    database, client = alone.database_cpu / pushes * 1e6, alone.load.client_cpu_per_push * 1e6
    print(f"One push: {server:.0f} us of the server's processor time, {total} samples")
    print(f"          {database:.0f} us of PostgreSQL's, {alone.wal_bytes / pushes:.0f} bytes of WAL")
    print(f"          {client:.0f} us of the load's, {1e6 / alone.load.rate:.0f} us from one reply to the next")
    _print_shares("package", ((package_of(s), n) for s, n in samples.items()), server, total, None)
    _print_shares("function", ((_function(s), n) for s, n in samples.items()), server, total, functions)


def _print_shares(title: str, found: Iterable[tuple[str, int]], server: float, total: int, most: int | None) -> None:
    counts: Counter[str] = Counter()
    for name, count in found:
        counts[name] += count
    print(f"\n{title:{_MOST_NAME}} {'us':>7} {'share':>6}")
    for name, count in counts.most_common(most):
        print(f"{name[:_MOST_NAME]:{_MOST_NAME}} {server * count / total:7.1f} {count / total:6.1%}")


if __name__ == "__main__":
    sys.exit(main())
