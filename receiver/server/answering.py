"""Answering one request: gunicorn's ways, with replies that leave in one piece and errors in the door's form."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from typing import Any, cast

import structlog
from gunicorn.http import wsgi
from gunicorn.workers.gthread import ThreadWorker

from receiver.web.proxies import read_address

from .malformed import answer, status_of
from .timed import Patience
from .unread import answer_and_close

_log = structlog.get_logger()


class Answering(ThreadWorker):
    """What a worker does with a request that is here, in a thread or in a strand of the loop's."""

    _patience: Patience

    def load_wsgi(self) -> None:
        """Have the application called through what looks after bodies that it leaves unread."""
        super().load_wsgi()
        application = cast("Any", self.wsgi)
        self._turned_away = application.extensions["receiver.turned_away"]
        self.wsgi = partial(answer_and_close, application)

    def _keepalive_after(self, conn: Any, keepalive: bool) -> bool:
        """gunicorn reads here what is left of a body: only what has come already, without waiting for more."""
        conn.sock.until = time.monotonic()
        return bool(cast("Any", super())._keepalive_after(conn, keepalive))

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer one request, in a thread or a strand. A sender that does not take its reply is given up."""
        conn.sock.settimeout(self._patience.reply)
        conn.sock.hold()
        try:
            keep = self._respond(req, conn)
            conn.sock.release()
        except TimeoutError:
            _log.warning("reply_not_taken")
            raise StopIteration from None
        finally:
            conn.sock.forget()
        return keep

    def _respond(self, req: Any, conn: Any) -> bool:
        """Have the application answer; whether the connection can be kept. Nothing is sent before all of it is there,
        so that whatever fails can still be answered."""
        response, environ = wsgi.create(req, conn.sock, conn.client, conn.server, self.cfg)
        environ["wsgi.multithread"] = True
        if not self.alive or len(self.keepalived_conns) >= self.max_keepalived:
            response.force_close()
        parts = cast("Any", self.wsgi)(environ, response.start_response)
        try:
            for part in parts:
                response.write(part)
            response.close()
        finally:
            if (close := getattr(parts, "close", None)) is not None:
                close()
        return not response.should_close()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer what is no request: in the door's form, counted, and quoting nothing."""
        status = status_of(exc)
        if status == 503:
            _log.error("request_failed", error=type(exc).__name__)
        else:
            self._count(status, "malformed_request", addr)
        with suppress(OSError):
            client.settimeout(self._patience.reply)
            client.sendall(answer(status, has_body=getattr(req, "method", None) != "HEAD"))

    def _count(self, status: int, reason: str, peer: Any) -> None:
        address = read_address(peer[0]) if isinstance(peer, tuple) else None
        self._turned_away.request(reason, status, address)
