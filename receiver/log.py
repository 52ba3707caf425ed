"""Structured logs: one JSON object a line, static event names, no personal data."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import TextIO

import orjson
import structlog

_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def _without_text(_logger: object, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Libraries' exceptions can quote what was sent: keep their type alone."""
    failure = event.pop("exc_info", None)
    if failure:
        kind = failure[0] if isinstance(failure, tuple) else type(sys.exc_info()[1])
        event["error"] = getattr(kind, "__name__", str(kind))
    return event


class _Lines:
    """Writes each line by one system call: threads neither wait for each other nor mix their lines.

    Where standard error is no file, as in some tests, it is written as a stream.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        try:
            self._file: int | None = stream.fileno()
        except (OSError, ValueError):
            self._file = None

    def msg(self, line: bytes) -> None:
        """Write ``line``."""
        if self._file is None:
            self._stream.write(line.decode() + "\n")
            return
        left = memoryview(line + b"\n")
        with suppress(OSError):  # a full disk must not turn a stored push into a no
            while left:
                left = left[os.write(self._file, left) :]

    debug = info = warning = error = critical = exception = msg


def configure(level: str) -> None:
    """Send everything that this process logs, libraries' lines included, to standard error as JSON lines."""
    of_libraries = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, _without_text]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED, processors=[*of_libraries, structlog.processors.JSONRenderer()]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.getLogger("alembic").setLevel(logging.WARNING)
    lines = _Lines(sys.stderr)
    structlog.configure(
        processors=[*_SHARED, _without_text, structlog.processors.JSONRenderer(orjson.dumps)],
        logger_factory=lambda *_: lines,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
