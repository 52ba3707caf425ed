"""gunicorn, set up for a small receiver that strangers may reach."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any

from gunicorn.app.base import BaseApplication

from receiver import log
from receiver.errors import SettingsError
from receiver.jobs.caretaker import Caretaker
from receiver.settings import Settings

from .timed import Patience

_KEEPALIVE = 5
_BACKLOG = 1024
_SPARE_FILES = 256
_PATIENCE = 5.0
# At work at once while all goes well: enough for the syncs to overlap. With eight, two workers are a quarter slower.
_BUSY_THREADS = 4
_PR_SET_PDEATHSIG = 1


Build = Callable[[Settings], tuple[object, Caretaker]]


class Server(BaseApplication):
    """Told everything by us and nothing by files or gunicorn's own environment variables.

    ``build`` makes, in each worker process, the application and what works beside it. Raises SettingsError when the
    machine does not let a process have as many connections as are set.
    """

    def __init__(self, settings: Settings, bind: str, workers: int, build: Build) -> None:
        self._settings, self._bind, self._workers, self._build = settings, bind, workers, build
        self._caretaker: Caretaker | None = None
        env = settings.env
        self.busy_threads = _BUSY_THREADS
        self.patience = Patience(env.head_timeout, env.body_timeout, env.head_timeout, env.max_push_bytes)
        _allow_files(env.connections + env.threads + _SPARE_FILES)
        super().__init__()

    def load_config(self) -> None:
        env = self._settings.env
        chosen: dict[str, Any] = {
            "bind": self._bind,
            "workers": self._workers,
            "threads": env.threads,
            "worker_class": "receiver.server.worker.Worker",
            # gunicorn keeps as many connections for later requests as there are more of them than threads.
            "worker_connections": env.connections + env.threads,
            "backlog": _BACKLOG,
            "timeout": env.request_timeout,
            "graceful_timeout": env.graceful_timeout,
            "keepalive": _KEEPALIVE,
            "worker_tmp_dir": "/dev/shm" if os.path.isdir("/dev/shm") else None,  # noqa: S108, PTH112 - heartbeats, in memory
            "forwarded_allow_ips": "",
            "proc_name": "receiver",
            "control_socket_disable": True,
            "post_fork": _after_fork(env.log_level),
            "worker_exit": self._worker_exit,
            "child_exit": _child_exit,
            "logger_class": "receiver.server.log.ServerLog",
        }
        for name, value in chosen.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        application, self._caretaker = self._build(self._settings)
        self._caretaker.start()
        _collect_seldom()
        return application

    def _worker_exit(self, _server: Any, _worker: Any) -> None:
        if self._caretaker is not None:
            self._caretaker.stop(_PATIENCE)


def _collect_seldom() -> None:
    """What there is now stays, and next to nothing of a push is left in cycles: looking for those was a fifth of the
    work."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _allow_files(needed: int) -> None:
    """Raise the process's own limit of open files to ``needed``. Raises SettingsError where that is not allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise SettingsError(
            f"RECEIVER_CONNECTIONS: {needed} open files are needed and this machine allows {hard}: set fewer."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _after_fork(level: str) -> Any:
    def post_fork(server: Any, _worker: Any) -> None:
        _end_with(server.pid)
        log.configure(level)

    return post_fork


def _end_with(parent: int) -> None:
    """Have this worker end at once when the first process has, in whatever way that came.

    Left behind, it would take nothing new and yet hold the address for as long as a push on its way to it may take.
    What it has not committed has not been told yes. On Linux; elsewhere it ends as gunicorn's workers do.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)


def _child_exit(_server: Any, worker: Any) -> None:
    # prometheus_client must not be imported before the folder for shared counts is named.
    from prometheus_client import multiprocess  # noqa: PLC0415

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
