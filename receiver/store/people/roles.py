"""What a person may do, by role."""

from __future__ import annotations

from enum import Enum
from functools import total_ordering


@total_ordering
class Role(Enum):
    """Roles in order: each may do all that those before it may.

    Viewers see what came in, with personal data masked. Operators see that too, and put things right. Administrators
    look after people, and see the trail.
    """

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Role):
            return NotImplemented
        order = list(Role)
        return order.index(self) < order.index(other)
