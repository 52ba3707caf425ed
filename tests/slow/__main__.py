"""``python -m tests.slow``: 200 slow connections and a normal load, as ratios to the same load alone."""

from __future__ import annotations

import argparse
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

from tests.support.nginx import Nginx
from tests.support.postgres import Cluster
from tests.support.receiver import Receiver
from tests.support.system import slowhttptest
from tests.support.waiting import wait_until

from .clients import Way, slow_senders
from .load import Figures, Target, run_load

# slowhttptest's own words: slow headers, slow body, slow reading.
MODES = {
    "-H": ["-H", "-i", "5", "-t", "POST"],
    "-B": ["-B", "-i", "5", "-s", "8192", "-t", "POST"],
    "-X": ["-X", "-r", "200", "-w", "8", "-y", "16", "-n", "5", "-z", "8", "-k", "3"],
}


@contextmanager
def _attack(mode: str, target: Target, count: int) -> Iterator[None]:
    address = f"{'https' if target.tls else 'http'}://127.0.0.1:{target.port}/push/drs{'?wsdl' if mode == '-X' else ''}"
    command = [str(slowhttptest()), *MODES[mode], "-c", str(count), "-r", str(count), "-l", "300", "-p", "3"]
    running = subprocess.Popen([*command, "-u", address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with suppress(AssertionError):  # some modes close and open again all the time
            wait_until(lambda: _connected(target.port) >= count * 0.9, 5)
        yield
    finally:
        running.terminate()
        running.wait(30)


def _connected(port: int) -> int:
    """Connections to the port at this moment, as the kernel lists them."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(fields[1].endswith(f":{port:04X}") and fields[3] == "01" for fields in map(str.split, lines))


def _wrapped(target: Target) -> Callable[[socket.socket], socket.socket] | None:
    """How an attacking connection becomes TLS, where the target speaks it."""
    return None if target.tls is None else partial(target.tls.wrap_socket, server_hostname="127.0.0.1")


def _say(name: str, alone: Figures, found: Figures) -> None:
    ratio = found.quantile(0.99) / alone.quantile(0.99)
    print(f"{name:60} {found}; p99 {ratio:.2f} x alone", flush=True)


def measure(target: Target, count: int, connections: int, only: str) -> None:
    """The load alone and under each attack, to the same server, one after the other."""
    run_load(target, "W", 200)
    chosen = [name for name in (*MODES, *Way) if not only or only in (name, getattr(name, "name", ""))]
    for number, name in enumerate(chosen):
        alone = run_load(target, f"A{number}-", count)
        if isinstance(name, Way):
            with slow_senders(target.port, connections, name, _wrapped(target)) as slow:
                wait_until(slow.all_opened, 30)
                _say(f"{connections} x {name.value}", alone, run_load(target, f"B{number}-", count))
        else:
            with _attack(name, target, connections):
                _say(f"slowhttptest {name} -c {connections}", alone, run_load(target, f"B{number}-", count))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pushes", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--only", default="", help="one attack: -H, -B, -X or the name of a way")
    parser.add_argument("--sqlite", action="store_true", help="SQLite instead of a throw-away PostgreSQL")
    parser.add_argument("--nginx", action="store_true", help="through the nginx configuration that is shipped")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = f"sqlite:///{folder / 'receiver.db'}" if arguments.sqlite else stack.enter_context(Cluster()).url
        env = {"RECEIVER_TRUSTED_PROXIES": "127.0.0.1"} if arguments.nginx else {}
        receiver = stack.enter_context(Receiver(url, folder, env=env, workers=2))
        target = Target(receiver.port)
        if arguments.nginx:
            # nginx counts connections by address, so that whoever is slow is not who is not.
            proxy = stack.enter_context(Nginx(receiver, folder))
            target = Target(proxy.port, proxy.tls, source="127.0.0.2")
        measure(target, arguments.pushes, arguments.connections, arguments.only)


if __name__ == "__main__":
    main()
