"""A large push that is overtaken while it is being stored: it came earlier, so what overtook it counts as later."""

from __future__ import annotations

from itertools import count

import uuid_utils

from receiver.app import utc_now
from receiver.fields import field_table
from receiver.intake.draft import Delivery
from receiver.intake.intake import Intake
from receiver.intake.spooling import Fallback
from receiver.spool import SpoolReply
from receiver.store import bookings
from receiver.wire import Limits
from tests.conftest import NewDatabase
from tests.support.corridor import corridor
from tests.support.pushes import cancellation, confirmation, element

RECORDS = 600  # more than are settled at once
LATE = "590"


def test_what_overtook_a_large_push_counts_as_later(new_postgres_database: NewDatabase) -> None:
    """No clock was moved here, though a stored arrival is later than the beginning of the transaction that meets it."""
    with corridor(new_postgres_database()) as here:
        numbers = count(1)

        def new_id() -> object:
            # The first part has been read and locked; the last has not.
            if next(numbers) == 400:
                assert here.push(cancellation(bookingId=LATE, changedDate=None)).reply.status == 200
            return uuid_utils.uuid7()

        assert here.push(confirmation(bookingId=LATE, changedDate=None, userId="A")).reply.status == 200
        records = [confirmation(bookingId=str(n), changedDate=None, userId="B") for n in range(1, RECORDS + 1)]
        fallback = Fallback(None, SpoolReply.UNAVAILABLE, Limits())
        slow = Intake(here.store, field_table(), Limits(), fallback, utc_now, new_id)
        delivery = Delivery(here.source, element("bookingConfirmations", "".join(records)).encode())
        assert slow.receive(delivery).reply.status == 200
        with here.store.reading() as connection:
            found = bookings.load(connection, here.store.tables, "drs", [LATE])
    assert found[LATE].status == "cancelled"
