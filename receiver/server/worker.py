"""The worker process: gunicorn's threads, kept for requests that have arrived.

gunicorn's own worker gives a thread to each connection and waits there, without end, for a request to come; and its
main loop waits up to 2 s for the other side whenever it closes a connection. A few slow clients stop it. Here the main
loop collects what comes from every connection and a thread gets whole requests, so slow clients cost a file
descriptor and a little memory each, until their time is up. Where a thread may have to wait for the sender all the same
(a body too large to be kept, a sender that asks to be told to go on, replies that are not taken), it is one of a pool
of its own.
"""

from __future__ import annotations

import errno
import selectors
import socket
import time
from contextlib import suppress
from functools import partial
from typing import Any, cast

import structlog
from gunicorn.http import wsgi
from gunicorn.workers.gthread import ThreadWorker

from receiver.web.proxies import read_address

from .arrival import Arrival, Step
from .connection import Arriving, Connection
from .leaving import SECONDS, Leaving
from .malformed import answer, status_of
from .threads import STUCK_SECONDS, Threads
from .timed import Patience, TimedSocket
from .unread import answer_and_close

_RECEIVED = 64 * 1024
_SEND_BUFFER = 128 * 1024  # any reply fits, so that a thread need not wait until it is taken
_STOPPING_SECONDS = 2.0
_SWEEP_SECONDS = 0.25
_NOTIFY_SECONDS = 1.0
_GONE = (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK)
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_log = structlog.get_logger()


class Worker(ThreadWorker):
    """Takes connections, collects requests, hands them to threads, and lets go of connections without waiting."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._patience: Patience = cast("Any", self.app).patience
        self._arriving: dict[Connection, Arriving] = {}
        self._leaving = Leaving(self._close, self._patience.most_body)
        self._swept = self._notified = 0.0

    # Requests arrive

    def accept(self, listener: Any) -> None:
        """Take a connection; where there are too many, the one whose request has been arriving longest goes."""
        try:
            connected, address = listener.accept()
        except OSError as error:
            if error.errno in _EXHAUSTED:
                _log.warning("connection_not_taken", error=errno.errorcode.get(error.errno or 0))
                self._drop_oldest()
            elif error.errno not in _GONE:
                raise
            return
        self.nr_conns += 1
        timed = TimedSocket(connected.detach())
        timed.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self._await(Connection(self.cfg, timed, address, listener.getsockname()))
        if self.nr_conns >= self.worker_connections:
            self._drop_oldest()

    def _await(self, conn: Connection, data: bytes = b"") -> None:
        self._begin(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._receive, conn))
        if data:
            self._add(conn, data)

    def _begin(self, conn: Connection) -> None:
        self._arriving[conn] = Arriving(Arrival(self._patience.most_body), time.monotonic())

    def on_client_socket_readable(self, conn: Any, client: Any) -> None:
        """A connection that was kept begins its next request."""
        if conn not in self._arriving:
            try:
                self.keepalived_conns.remove(conn)
            except ValueError:
                return  # closed in this same turn of the loop
            self._begin(conn)
        self._receive(conn, client)

    def _receive(self, conn: Connection, sock: socket.socket) -> None:
        if conn not in self._arriving:
            return  # dropped in this same turn of the loop
        try:
            data = sock.recv(_RECEIVED)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._drop(conn)
            return
        if data:
            self._add(conn, data)
        elif self._arriving[conn].arrival.data:
            self._hand_over(conn)  # what is missing, and how that is answered, is seen where requests are read
        else:
            self._drop(conn)

    def _add(self, conn: Connection, data: bytes) -> None:
        step = self._arriving[conn].arrival.add(data)
        if step is Step.HAND_OVER:
            self._hand_over(conn)
        elif step is Step.HEAD_TOO_LARGE:
            self._turn_away(conn, 431, "malformed_request")

    def init_process(self) -> None:
        """Make the second pool too: whoever takes their time there keeps no thread from whole requests."""
        self._unhurried = Threads(self.cfg.threads, self.cfg.threads, self._answer)
        super().init_process()

    def get_thread_pool(self) -> Any:
        """Threads of our own in the place of an executor's."""
        return Threads(cast("Any", self.app).busy_threads, self.cfg.threads, self._answer)

    def enqueue_req(self, conn: Any) -> None:
        """Give the connection to a thread: of the second pool where the thread may have to wait for the sender."""
        pool = self.tpool if conn.sock.is_whole and not conn.sock.has_unsent() else self._unhurried
        cast("Threads", pool).submit(conn)

    def wait_for_and_dispatch_events(self, timeout: Any) -> None:
        """Wait no longer than until it shows whether the threads are stuck, where requests wait for them."""
        pool = cast("Threads", self.tpool)
        cast("Any", super()).wait_for_and_dispatch_events(min(timeout, STUCK_SECONDS) if pool.is_behind else timeout)
        pool.relieve(time.monotonic())

    def _hand_over(self, conn: Connection) -> None:
        arriving = self._forget(conn)
        conn.sock.is_whole = arriving.arrival.is_whole
        conn.init()
        conn.parser.unreader.unread(bytes(arriving.arrival.data))
        conn.data_ready = True
        conn.sock.until = arriving.since + self._patience.body
        self.enqueue_req(conn)

    def _forget(self, conn: Connection) -> Arriving:
        self.poller.unregister(conn.sock)
        return self._arriving.pop(conn)

    def _drop(self, conn: Connection) -> None:
        self._forget(conn)
        self._close(conn)

    def _drop_oldest(self) -> None:
        """Of connections that have sent no whole request, the oldest is the likeliest never to do so.

        It goes at once: to let it go gently would keep its place from the next. Before it go those that have had their
        reply already.
        """
        if self._leaving.end_oldest(self.poller):
            return
        oldest = min(self._arriving, key=lambda conn: self._arriving[conn].since, default=None)
        if oldest is not None:
            self._count(408, "too_many_connections", oldest.client)
            with suppress(OSError):
                oldest.sock.send(answer(408))
            self._drop(oldest)

    # Threads

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
        """Answer one request, in a thread. A sender that does not take its reply is given up."""
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
        """Answer what is no request, in a thread: in the door's form, counted, and quoting nothing."""
        status = status_of(exc)
        if status == 503:
            _log.error("request_failed", error=type(exc).__name__)
        else:
            self._count(status, "malformed_request", addr)
        with suppress(OSError):
            client.settimeout(self._patience.reply)
            client.sendall(answer(status, has_body=getattr(req, "method", None) != "HEAD"))

    def _answer(self, conn: Connection) -> None:
        """Answer a request, in a thread, and see to what becomes of its connection."""
        try:
            keep = self.handle(conn) is True
            more = conn.parser.unreader.take_buffered() if keep else b""
            conn.sock.setblocking(False)
            if keep and not more:
                # Most go this way. To have the main loop do it would wake that up once more for each request.
                self._keep(conn)
                return
        except Exception:  # noqa: BLE001 - whatever it was, the connection is of no more use
            self.method_queue.defer(self._close, conn)
            return
        self.method_queue.defer(self._finished, conn, more)

    def _keep(self, conn: Connection) -> None:
        """Wait for the connection's next request."""
        conn.timeout = time.monotonic() + (self.cfg.keepalive if self.alive else _STOPPING_SECONDS)
        self.keepalived_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_client_socket_readable, conn))

    def _finished(self, conn: Connection, more: bytes) -> None:
        """Begin the next request, of which ``more`` came with the last; or let the connection go."""
        if more:
            self._await(conn, more)
        else:
            self._leaving.begin(conn, self.poller)

    # Connections end

    def _turn_away(self, conn: Connection, status: int, reason: str) -> None:
        self._forget(conn)
        self._count(status, reason, conn.client)
        with suppress(OSError):
            conn.sock.send(answer(status))
        self._leaving.begin(conn, self.poller)

    def _close(self, conn: Connection) -> None:
        self.nr_conns -= 1
        conn.close()

    def notify(self) -> None:
        """Say that this process is alive, once a second: each time is a system call or two."""
        now = time.monotonic()
        if now >= self._notified + _NOTIFY_SECONDS:
            self._notified = now
            super().notify()

    def murder_pending(self) -> None:
        """Let go of everyone whose time is up; gunicorn's loop calls this at every turn."""
        now = time.monotonic()
        if now < self._swept + _SWEEP_SECONDS:
            return
        self._swept = now
        self._turned_away.tell()
        self._leaving.sweep(now, self.poller, SECONDS if self.alive else _STOPPING_SECONDS)
        for conn, arriving in list(self._arriving.items()):
            idle = self._patience.head if self.alive else _STOPPING_SECONDS
            if not arriving.arrival.data and arriving.since + idle <= now:
                self._drop(conn)  # nothing was asked, so there is nothing to answer
            elif arriving.deadline(self._patience) <= now:
                cut = arriving.arrival.has_head
                self._turn_away(conn, 400 if cut else 408, "cut_short" if cut else "too_slow")

    def _count(self, status: int, reason: str, peer: Any) -> None:
        address = read_address(peer[0]) if isinstance(peer, tuple) else None
        self._turned_away.request(reason, status, address)
