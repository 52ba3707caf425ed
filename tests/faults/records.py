"""Records as XML, each with the event that it is: what the receiver must make of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Final

from tests.support.pushes import CANCELLATION, CODE, CONFIRMATION, UNAVAILABILITY, element, fields, record
from tests.support.values import london_utc

from .events import Arrival, Event

_START: Final = datetime(2026, 3, 2, 8)
_MINUTE: Final = timedelta(minutes=1)
_TRADES: Final = ("CARPENTER", "PLUMBER", "ÉLECTRICIEN", "GAS & HEATING", "<ROOFER>")


class Records:
    """Records by a seed. ``number`` is of the story that they are for, and in all their ids."""

    def __init__(self, seed: int, chance: Random) -> None:
        self._seed, self._random = seed, chance
        self.number = 0

    def _moment(self, step: int) -> datetime:
        """Local; never near a change of the clocks, where later is not always later."""
        return _START + (self.number % 30_000 + step) * _MINUTE

    def key(self, part: int = 0) -> str:
        """A booking's id of its own: digits only."""
        return str(((self._seed % 1000) * 10_000_000 + self.number) * 1_000 + part)

    def confirmation(self, key: str, step: int, change: str, *, dated: bool = True) -> tuple[Event, str]:
        chance = self._random
        start = _START + chance.randrange(300_000) * _MINUTE
        changed = self._moment(step)
        mark = f"P{key}.{step}"
        said = {
            "primaryOrderNumber": f"L0{key}",
            "planningWindowStart": start.isoformat(),
            "planningWindowEnd": (start + timedelta(hours=4)).isoformat(),
            "bookingReason": chance.choice(["FIRST", "TENANT REQUEST", "Überfüllt & <spät>"]),
            "userId": mark,
        }
        codes = [self._code(key, n) for n in range(1, chance.randint(2, 7))]
        inner = record(
            CONFIRMATION,
            codes=[sent for sent, _ in codes],
            bookingId=key,
            changedDate=changed.isoformat() if dated else None,
            **said,
        )
        state: dict[str, object] = {
            "primary_order_number": said["primaryOrderNumber"],
            "planning_window_start": london_utc(start),
            "planning_window_end": london_utc(start + timedelta(hours=4)),
            "booking_reason": said["bookingReason"],
            "user_id": mark,
            "contract": CONFIRMATION["contract"],
            "location_id": CONFIRMATION["locationID"],
            "token_id": CONFIRMATION["tokenId"],
            "number_of_operatives": 1,
            "status": "confirmed",
            "cancelled_at": None,
        }
        if dated:
            state["changed_at"] = london_utc(changed)
        stored = tuple(row for _, row in codes)
        return Event("confirmation", key, mark, state, stored, change), element("bookingConfirmation", inner)

    def _code(self, key: str, position: int) -> tuple[dict[str, str], dict[str, object]]:
        said = {
            "bookingCodeSORCode": f"{self._random.randrange(10**7):07d}",
            "comments": f"code {position} of {key}",
            "quantity": self._random.choice(["1", "1.0", "1.00"]),
            "trade": self._random.choice(_TRADES),
        }
        sent = {**CODE, **said, "bookingId": key}
        row: dict[str, object] = {
            "position": position,
            "sor_code": said["bookingCodeSORCode"],
            "comments": said["comments"],
            "quantity": said["quantity"],
            "trade": said["trade"],
            "order_id": int(CODE["orderId"]),
            "standard_minute_value": CODE["standardMinuteValue"],
        }
        return sent, row

    def cancellation(self, key: str, step: int, *, dated: bool = True) -> tuple[Event, str]:
        changed = self._moment(step)
        mark = f"P{key}.{step}"
        said = {"bookingId": key, "primaryOrderNumber": f"L0{key}", "userId": mark}
        inner = fields({**CANCELLATION, **said, "changedDate": changed.isoformat() if dated else None})
        state: dict[str, object] = {"status": "cancelled", "user_id": mark}
        state["cancelled_at"] = london_utc(changed) if dated else Arrival.TIME
        if dated:
            state["changed_at"] = london_utc(changed)
        return Event("cancellation", key, mark, state, None, "cancelled"), element("bookingCancellation", inner)

    def completion(self, key: str, step: int) -> tuple[Event, str]:
        ended = self._moment(step)
        mark = f"P{key}.{step}"
        said = {
            "bookingId": key,
            "primaryOrderNumber": f"L0{key}",
            "userId": mark,
            "taskLifeCycleStatus": "COMPLETED",
            "taskCompletionStatus": self._random.choice(["CO", "REFUSAL"]),
            "taskCompletionDate": ended.isoformat(),
        }
        state: dict[str, object] = {
            "status": "completed",
            "user_id": mark,
            "completed_at": london_utc(ended),
            "completion_status": said["taskCompletionStatus"],
        }
        worker = element("theResources", fields({"resourceID": "W1", "resourceName": "A. Person"}))
        return Event("completion", key, mark, state, None, "completed"), element(
            "bookingCompletion", fields(said) + worker
        )

    def unavailability(self, resource: str, step: int, action: str, change: str) -> tuple[Event, str]:
        start = _START + self.number % 500_000 * _MINUTE
        period = start, start + timedelta(hours=8)
        mark = f"P{resource}.{step}"
        said = {
            **UNAVAILABILITY,
            "Action": action,
            "ResourceId": resource,
            "PeriodStart": period[0].isoformat(),
            "PeriodEnd": period[1].isoformat(),
            "Comments": mark,
        }
        state: dict[str, object] = {
            "comments": mark,
            "action_text": action,
            "status": "removed" if change == "removed" else "active",
            "operative_id": UNAVAILABILITY["OperativeId"],
            "reason": UNAVAILABILITY["Reason"],
        }
        utc = london_utc(period[0]), london_utc(period[1])
        event = Event("unavailability", resource, mark, state, None, change, utc)
        return event, element("unavailability", fields(said))

    def invalid(self, key: str) -> tuple[Event, str]:
        mark = f"P{key}.0"
        inner = record(CONFIRMATION, bookingId=key, userId=mark, planningWindowStart="after lunch")
        return Event("confirmation", key, mark), element("bookingConfirmation", inner)
