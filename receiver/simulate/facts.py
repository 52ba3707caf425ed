"""What DRS knows, by the field table's names: which of it a record tells is the table's choice (see ``sheet``).

Values are text, whole numbers, naive local times, lists of texts, or mappings and lists of mappings for groups. None
is a field that DRS leaves out, empty text one that it sends empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from .job import Absence, Booking, Order

Facts = Mapping[str, object]

_COMPLETE = "COMPLETED"
_VISIT = timedelta(minutes=45)


def facts_of(what: Booking | Absence) -> Facts:
    """All that is known of a booking or an absence as it stands."""
    return _absence(what) if isinstance(what, Absence) else _booking(what)


def _absence(absence: Absence) -> Facts:
    return {
        "Action": absence.action,
        "ResourceId": absence.worker.resource,
        "OperativeId": absence.worker.external,
        "PeriodStart": absence.window.start,
        "PeriodEnd": absence.window.end,
        "Reason": absence.reason,
        "Comments": absence.comments,
    }


def _booking(booking: Booking) -> Facts:
    order = booking.order
    return {
        "bookingId": booking.booking_id,
        "primaryOrderNumber": order.number,
        "secondaryOrderNumber": order.secondary,
        "tertiaryOrderNumber": order.tertiary,
        "orderId": order.order_id,
        "tokenId": booking.token,
        "planningWindowStart": booking.window.start,
        "planningWindowEnd": booking.window.end,
        "targetDate": order.target,
        "bookingReason": booking.reason,
        "bookingSequence": booking.sequence,
        "originalBookingId": booking.original or "",
        "numberOfOperatives": order.operatives,
        "userId": booking.user,
        "changedDate": booking.changed,
        "contract": order.contract,
        "locationID": order.place.location,
        "theBookingCodes": _codes(booking),
        **_outcome(booking),
    }


def _codes(booking: Booking) -> list[Facts]:
    order = booking.order
    return [
        {
            "orderId": order.order_id,
            "bookingId": int(booking.booking_id),
            "bookingCodeSORCode": rate.code,
            "primaryOrderNumber": order.number,
            "quantity": ("1", "1.0", "1.00")[position % 3],
            "standardMinuteValue": rate.minutes,
            "itemNumberWithinBooking": str(position),
            "itemValue": rate.value,
            "trade": order.trade.name,
            "bookingCodeDescription": rate.description,
            "comments": order.comments,
            "reference": f"{order.number}/{position}",
            "quantityUsed": "1.00",
            "timeRemaining": "0" if booking.outcome == "CO" else rate.minutes,
        }
        for position, rate in enumerate(order.rates, start=1)
    ]


def _outcome(booking: Booking) -> Facts:
    """What only a completion tells (facts, section 4)."""
    order = booking.order
    return {
        "taskLifeCycleStatus": _COMPLETE,
        "taskCompletionStatus": booking.outcome,
        "taskCompletionDate": booking.ended,
        "assignedStart": booking.ended - _VISIT if booking.ended else None,
        "assignedEnd": booking.ended,
        "operatorComments": booking.comments,
        "plannerComments": order.comments,
        "theResources": [
            {
                "resourceID": booking.worker.resource,
                "externalResourceCode": booking.worker.external,
                "resourceName": booking.worker.name,
            }
        ],
        "theBusinessData": [
            _business("ARRIVED", "Time of arrival", "DateTime", f"{booking.changed:%d/%m/%Y %H:%M:%S}"),
            {**_business("RISKS", "Risks found", "List", ""), "values": ["Dog", "Low light"]},
        ],
        "theOrder": _order(order, done=booking.outcome == "CO"),
    }


def _order(order: Order, *, done: bool) -> Facts:
    """The order around a completed booking: it may say PLANNED while a visit of it is over (facts, section 4)."""
    return {
        "orderId": order.order_id,
        "primaryOrderNumber": order.number,
        "secondaryOrderNumber": order.secondary,
        "tertiaryOrderNumber": order.tertiary,
        "contract": order.contract,
        "locationID": order.place.location,
        "priority": order.priority,
        "targetDate": order.target,
        "earliestBookingDate": order.raised,
        "orderComments": order.comments,
        "userId": order.user,
        "message": "" if done else f"Order {order.number} stays open",
        "orderComplete": "true" if done else "false",
        "status": _COMPLETE if done else "PLANNED",
        "theLocation": {
            "locationId": order.place.location,
            "name": order.place.name,
            "address1": order.place.name,
            "address2": order.place.street,
            "address3": "Hackney",
            "address4": "Greater London",
            "address5": "England",
            "postCode": order.place.post_code,
            "city": "London",
            "country": "GB",
            "contract": order.contract,
            "agency": "Estate office",
            "latitude": order.place.latitude,
            "longitude": order.place.longitude,
            "workflowType": "STANDARD",
        },
        "theBusinessData": [
            _business("ASBESTOS", "Asbestos register checked", "Boolean", "Y"),
            {**_business("KEYS", "Keys held", "List", ""), "values": ["Front door"]},
        ],
    }


def _business(name: str, description: str, kind: str, value: str) -> dict[str, object]:
    return {
        "name": name,
        "description": description,
        "mandatory": "false",
        "defaultValue": {"Boolean": "N", "List": "None"}.get(kind, ""),
        "dataTypeList": "RISKS" if kind == "List" else "",
        "type": kind,
        "value": value,
        "values": None,
    }
