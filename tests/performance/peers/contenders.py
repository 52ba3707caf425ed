"""The peers' processes, and the environments they need, made when they are first wanted."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.performance.contenders import ROOT, Served, gunicorn
from tests.performance.documents import Form
from tests.performance.reading import Rows
from tests.support import system

_HERE = Path(__file__).parent
_NODE = _HERE.parent / "node"
BENCH = ROOT / ".bench"


class _Peer(Served):
    """A peer that stores in the receiver's own tables, made by ``receiver migrate``."""

    def __init__(self, name: str, folder: Path, database_url: str, workers: int) -> None:
        super().__init__(name, folder)
        self._url, self._workers = database_url, workers
        self.path = "/"

    def start(self) -> None:
        _run([sys.executable, "-m", "receiver", "migrate"], ROOT, {"RECEIVER_DATABASE_URL": self._url})
        super().start()

    def environment(self) -> Mapping[str, str]:
        return {
            "BENCH_DSN": self._url,
            "BENCH_PORT": str(self.port),
            "BENCH_WORKERS": str(self._workers),
            "BENCH_STATEMENTS": str(_HERE / "statements.sql"),
        }

    def rows(self) -> Rows:
        return Rows.of_receiver(self._url)


class Spyne(_Peer):
    """spyne (``spyne_server.py``) under gunicorn, set up like the floor."""

    def __init__(self, name: str, folder: Path, database_url: str, workers: int) -> None:
        super().__init__(name, folder, database_url, workers)
        self.form = Form.QUALIFIED

    def prepare(self) -> None:
        _make("spyne", [_HERE / "requirements.txt"], _install_spyne)

    def command(self) -> list[str]:
        # By path: its interpreter has nothing of ours.
        application = "spyne_server:create_app()"
        python = str(BENCH / "spyne" / "bin" / "python")
        return [*gunicorn(python, application, self.port, self._workers), "--pythonpath", str(_HERE)]


class NodeSoap(_Peer):
    """node's ``soap`` (``node/server.mjs``), one process or several with node's ``cluster``.

    It is warmed up for longer: node compiles what has run some thousand times.
    """

    def __init__(self, name: str, folder: Path, database_url: str, workers: int) -> None:
        super().__init__(name, folder, database_url, workers)
        self.warm_ups = 4

    def prepare(self) -> None:
        folder = _make("node", [_NODE / "package.json", _NODE / "package-lock.json"], _install_node)
        for name in ("server.mjs", "confirmation.xsd", "service.wsdl"):
            shutil.copy(_NODE / name, folder)

    def command(self) -> list[str]:
        return [str(system.node()), str(BENCH / "node" / "server.mjs")]


def _make(name: str, inputs: Sequence[Path], make: Callable[[Path], None]) -> Path:
    """The folder ``.bench/name``, made anew when what it is made from has changed."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in inputs)).hexdigest()
    folder = BENCH / name
    mark = folder / ".made"
    if not mark.is_file() or mark.read_text() != digest:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make(folder)
        mark.write_text(digest)
    return folder


def _install_spyne(folder: Path) -> None:
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "-r", str(_HERE / "requirements.txt")], folder, {})


def _install_node(folder: Path) -> None:
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(_NODE / name, folder)
    # Its validator is a binding to libxml2: this one is let run its installation.
    _run([str(system.npm()), "ci", "--no-audit", "--no-fund"], folder, {})


def _run(command: list[str], folder: Path, env: Mapping[str, str]) -> None:
    done = subprocess.run(
        ["/usr/bin/env", *(f"{k}={v}" for k, v in env.items()), *command],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {(done.stderr or done.stdout)[-2000:]}")
