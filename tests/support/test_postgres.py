"""The clusters that other tests rely on: data outlives a stop, and nothing outlives the tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from .postgres import Cluster, StopMode
from .waiting import wait_until

_OWNER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background starts with it ignored
from tests.support.postgres import Cluster
with Cluster() as cluster:
    print(cluster.folder, cluster.url, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_what_was_committed_is_there_after_a_stop(private_cluster: Cluster, mode: StopMode) -> None:
    url = private_cluster.url
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1")

    private_cluster.stop(mode)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)

    private_cluster.start()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT * FROM kept").fetchall() == [(1,)]


def test_the_server_syncs_what_it_commits(private_cluster: Cluster) -> None:
    with psycopg.connect(private_cluster.url) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert connection.execute("SELECT current_setting(%s)", (setting,)).fetchone() == ("on",)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_cluster_goes_with_its_owner(ending: signal.Signals) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    with owner:
        assert owner.stdout is not None
        folder, url = owner.stdout.readline().split()
        server = int((Path(folder) / "data/postmaster.pid").read_text().splitlines()[0])
        psycopg.connect(url).close()
        owner.send_signal(ending)

    wait_until(lambda: not Path(folder).exists(), timeout=60, describe="the cluster's folder is removed")
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)


def test_each_database_is_new_and_empty(database_url: str, sqlite_url: str) -> None:
    if database_url == sqlite_url:
        assert not Path(database_url.removeprefix("sqlite:///")).exists()
        return
    with psycopg.connect(database_url) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        assert found == []
