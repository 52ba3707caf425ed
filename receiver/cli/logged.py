"""What commands log: lines for whoever collects them, and on a terminal only what is wrong."""

from __future__ import annotations

import sys

import structlog

from receiver import log


def log_to_stderr(level: str) -> None:
    """Send what this command logs to standard error, unless that was seen to already."""
    if not structlog.is_configured():
        log.configure("warning" if sys.stderr.isatty() else level)
