"""A simulated DRS: it stands for the other side, and knows of the receiver only its address and the field table.

Everything it tells is invented, and the same for the same seed and day. Its times are Europe/London wall time, as those
of a DRS site are (facts, section 2).
"""

from .activity import ActivityRow, ActivityTable, RowState
from .dialect import Dialect, Encoding, Form, SoapVersion
from .ends import AbsenceEnd, BookingEnd
from .faults import Faults
from .sender import Credentials, Sender
from .sheet import suppressible
from .simulation import Plan, Progress, Simulation
from .story import stories_of_day, story_names

__all__ = [
    "AbsenceEnd",
    "ActivityRow",
    "ActivityTable",
    "BookingEnd",
    "Credentials",
    "Dialect",
    "Encoding",
    "Faults",
    "Form",
    "Plan",
    "Progress",
    "RowState",
    "Sender",
    "Simulation",
    "SoapVersion",
    "stories_of_day",
    "story_names",
    "suppressible",
]
