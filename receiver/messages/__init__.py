"""Records judged and understood: canonical form, validity, time, identity, and what a booking becomes. Pure."""

from .absence import Absence, AbsenceKey
from .booking import Booking, BookingEvent, BookingFold, BookingStatus, Change
from .finding import Finding
from .judge import Judge, Notification
from .rules import Action, OnInvalid, Rules
from .schemas import Schemas

__all__ = [
    "Absence",
    "AbsenceKey",
    "Action",
    "Booking",
    "BookingEvent",
    "BookingFold",
    "BookingStatus",
    "Change",
    "Finding",
    "Judge",
    "Notification",
    "OnInvalid",
    "Rules",
    "Schemas",
]
