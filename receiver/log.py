"""Structured logs: one JSON object a line, static event names, no personal data."""

from __future__ import annotations

import logging
import sys

import structlog

_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def _without_text(_logger: object, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Libraries' exceptions can quote what was sent: keep their type alone."""
    failure = event.pop("exc_info", None)
    if failure:
        kind = failure[0] if isinstance(failure, tuple) else type(sys.exc_info()[1])
        event["error"] = getattr(kind, "__name__", str(kind))
    return event


def configure(level: str) -> None:
    """Send everything that this process logs, libraries' lines included, to standard error as JSON lines."""
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _without_text,
            structlog.processors.EventRenamer("event"),
            structlog.processors.JSONRenderer(),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.getLogger("alembic").setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
