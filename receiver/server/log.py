"""gunicorn's own lines, through the same log as ours."""

from __future__ import annotations

import logging
from typing import Any

from gunicorn.glogging import Logger


class ServerLog(Logger):
    """Leaves handlers to the root logger, and has no access log: each push is logged by the door."""

    def setup(self, cfg: Any) -> None:
        self.cfg = cfg
        for logger in (self.error_log, self.access_log):
            logger.handlers = []
            logger.propagate = True
        self.error_log.setLevel(logging.INFO)
        self.access_log.disabled = True

    def access(self, *_args: Any, **_kwargs: Any) -> None:
        return
