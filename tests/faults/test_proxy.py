"""A network between receiver and PostgreSQL that breaks connections at any moment, a commit's answer included."""

from __future__ import annotations

from sqlalchemy import make_url

from tests.conftest import NewDatabase, StartReceiver
from tests.support.processes import workers
from tests.support.waiting import wait_until

from .auditor import assert_whole
from .proxy import Proxy
from .scale import campaign, is_full, report
from .sending import Load
from .traffic import Traffic

PUSHES = 4_000 if is_full() else 150
EACH = 50 if is_full() else 2


@campaign
def test_a_network_that_breaks(new_postgres_database: NewDatabase, start_receiver: StartReceiver) -> None:
    url = make_url(new_postgres_database())
    assert url.port is not None
    with Proxy(url.port, seed=50) as proxy:
        through = url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
        receiver = start_receiver(through, env={"RECEIVER_DATABASE_TIMEOUT": "2"})
        before = workers(receiver)
        with Load(receiver.port, Traffic(50, undated=False).stories(PUSHES), clients=6) as load:
            proxy.one_in = 50
            wait_until(lambda: load.done or min(proxy.met.values()) >= EACH, 600, "every fault has been met")
            proxy.one_in = 0
        assert min(proxy.met.values()) >= EACH, "too few pushes to meet every fault"
        assert load.ledger.settled == load.pushes
        assert workers(receiver) == before
        receiver.database_url = url.render_as_string(hide_password=False)
        assert_whole(load.ledger, receiver.rows)
        faults = {fault.name.lower(): number for fault, number in proxy.met.items()}
        report("network breaks (postgresql)", **faults, **load.ledger.figures())
