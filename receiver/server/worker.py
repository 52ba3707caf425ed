"""The worker process: requests are collected as they come, and answered once they are here.

gunicorn's own worker gives a thread to each connection and waits there, without end, for a request to come; and its
main loop waits up to 2 s for the other side whenever it closes a connection. A few slow clients stop it. Here the main
loop collects what comes from every connection, so that slow clients cost a file descriptor and a little memory each,
until their time is up. Small pushes, nearly all there is, are then answered in strands of that same loop; everything
else by threads. Where a thread may have to wait for the sender all the same (a body too large to be kept, a sender that
asks to be told to go on, replies that are not taken), it is one of a pool of its own.
"""

from __future__ import annotations

import errno
import selectors
import socket
import time
from contextlib import suppress
from functools import cached_property, partial
from typing import Any, cast

import structlog

from receiver.strands import Strands, Waiting

from .answering import Answering
from .arrival import Arrival, Step
from .connection import Arriving, Connection
from .leaving import SECONDS, Leaving
from .malformed import answer
from .threads import STUCK_SECONDS, Threads
from .timed import Patience, TimedSocket

_RECEIVED = 64 * 1024
_TAKEN_AT_ONCE = 4
_SMALL = 16 * 1024
_PUSH = b"POST /push/"
_SEND_BUFFER = 128 * 1024  # any reply fits, so that a thread need not wait until it is taken
_STOPPING_SECONDS = 2.0
_SWEEP_SECONDS = 0.25
_NOTIFY_SECONDS = 1.0
_GONE = (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK)
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_log = structlog.get_logger()


class Worker(Answering):
    """Takes connections, collects requests, hands them to threads, and lets go of connections without waiting."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._patience: Patience = cast("Any", self.app).patience
        self._arriving: dict[Connection, Arriving] = {}
        self._leaving = Leaving(self._close, self._patience.most_body)
        self._swept = self._notified = 0.0

    # Requests arrive

    def accept(self, listener: Any) -> None:
        """Take the connections that have come, a few at a time: others are for other workers."""
        for _ in range(_TAKEN_AT_ONCE):
            if not self._accept(listener):
                return

    def _accept(self, listener: Any) -> bool:
        """Take a connection, if there is one; of too many, the one whose request has been arriving longest goes."""
        try:
            connected, address = listener.accept()
        except OSError as error:
            if error.errno in _EXHAUSTED:
                _log.warning("connection_not_taken", error=errno.errorcode.get(error.errno or 0))
                self._drop_oldest()
            elif error.errno not in _GONE:
                raise
            return False
        self.nr_conns += 1
        timed = TimedSocket(connected.detach())
        timed.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self._await(Connection(self.cfg, timed, address, listener.getsockname()))
        if self.nr_conns >= self.worker_connections:
            self._drop_oldest()
        return True

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
        self._unhurried = Threads(self.cfg.threads, self.cfg.threads)
        super().init_process()

    @cached_property
    def _strands(self) -> Strands:
        return Strands(self.poller, cast("Threads", self.tpool).submit, self.method_queue.defer)

    def get_thread_pool(self) -> Any:
        """Threads of our own in the place of an executor's."""
        return Threads(cast("Any", self.app).busy_threads, self.cfg.threads)

    def enqueue_req(self, conn: Any) -> None:
        """Give the connection to a thread: of the second pool where the thread may have to wait for the sender."""
        pool = self.tpool if conn.sock.is_whole and not conn.sock.has_unsent() else self._unhurried
        cast("Threads", pool).submit(partial(self._answer, conn))

    def wait_for_and_dispatch_events(self, timeout: Any) -> None:
        """Wait for what comes, and no longer than until it shows whether the threads are stuck.

        Strands that waited for the database go on first: while it has work again, new requests can be read.
        """
        pool, strands = cast("Threads", self.tpool), self._strands
        longest = min(timeout, STUCK_SECONDS) if pool.is_behind else timeout
        events = self.poller.select(min(longest, strands.longest))
        for key, _ in events:
            if isinstance(key.data, Waiting):
                key.data(key.fileobj)
        now = time.monotonic()
        strands.end_waits(now)
        strands.go_on()
        for key, _ in events:
            if not isinstance(key.data, Waiting):
                key.data(key.fileobj)
        strands.go_on()
        pool.relieve(now)

    def _hand_over(self, conn: Connection) -> None:
        arriving = self._forget(conn)
        conn.sock.is_whole = arriving.arrival.is_whole
        conn.init()
        conn.parser.unreader.unread(bytes(arriving.arrival.data))
        conn.data_ready = True
        conn.sock.until = arriving.since + self._patience.body
        if self._is_quick(conn, arriving.arrival.data):
            self._strands.start(partial(self._answer, conn))
        else:
            self.enqueue_req(conn)

    @staticmethod
    def _is_quick(conn: Connection, data: bytearray) -> bool:
        """Whether to answer takes a moment and no wait but for the database: a small push, all of which is here.

        It is taken for one by its first bytes, which decide of nothing but where it is answered.
        """
        is_small_push = len(data) <= _SMALL and data.startswith(_PUSH)
        return is_small_push and conn.sock.is_whole and not conn.sock.has_unsent()

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

    # Requests are answered

    def _answer(self, conn: Connection) -> None:
        """Answer a request, in a strand or a thread, and see to what becomes of its connection."""
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
