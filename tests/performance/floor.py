"""The floor: what it costs to take a push in over HTTP and put its bytes on disk, and nothing else.

A bare Flask handler under gunicorn (gthread) that stores id, arrival and raw bytes, commits, and says success. It
reads nothing of the push. On PostgreSQL each thread keeps a connection with a prepared statement, and insert and commit
are one round trip; on SQLite one connection is written through a lock, each insert a commit with synchronous=FULL.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
import uuid_utils
from flask import Flask, Response, request

_REPLY = b"<?xml version='1.0' encoding='UTF-8'?>\n<return><id>0</id><status>success</status></return>"
TABLE = "CREATE TABLE IF NOT EXISTS floor (id text PRIMARY KEY, received_at {time} NOT NULL, body {bytes} NOT NULL)"
_POSTGRESQL = "INSERT INTO floor (id, received_at, body) VALUES (%b, %b, %b)"
_SQLITE = "INSERT INTO floor (id, received_at, body) VALUES (?, ?, ?)"

Keep = Callable[[bytes], None]


def create_app() -> Flask:
    """The application, for the database in BENCH_DSN or the SQLite file in BENCH_SQLITE."""
    dsn = os.environ.get("BENCH_DSN")
    keep = _postgresql(dsn) if dsn else _sqlite(os.environ["BENCH_SQLITE"])
    app = Flask(__name__)

    @app.post("/push/drs")
    def push() -> Response:
        keep(request.get_data(cache=False))
        return Response(_REPLY, content_type="text/xml; charset=utf-8")

    return app


def _postgresql(dsn: str) -> Keep:
    local = threading.local()

    def keep(body: bytes) -> None:
        try:
            cursor = local.cursor
        except AttributeError:
            connection = psycopg.connect(dsn, autocommit=True)
            cursor = local.cursor = connection.cursor()
        cursor.execute(_POSTGRESQL, (str(uuid_utils.uuid7()), datetime.now(UTC), body), prepare=True)

    return keep


def _sqlite(path: str) -> Keep:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode = WAL", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute(TABLE.format(time="text", bytes="blob"))
    lock = threading.Lock()

    def keep(body: bytes) -> None:
        row = (str(uuid_utils.uuid7()), datetime.now(UTC).isoformat(), body)
        with lock:
            connection.execute(_SQLITE, row)

    return keep
