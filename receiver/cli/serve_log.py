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

    def warning(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        # gunicorn quotes the line that it took for a request, which can be a line of someone's push.
        text = str(msg)
        super().warning(text.partition(": ")[0] if text.startswith("Invalid request") else text, *args, **kwargs)

    def exception(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        # The same of an address: its query can hold anything.
        text = str(msg)
        told = ("Error handling request",) if text.startswith("Error handling request") else (text, *args)
        super().exception(*told, **kwargs)

    def access(self, *_args: Any, **_kwargs: Any) -> None:
        return
