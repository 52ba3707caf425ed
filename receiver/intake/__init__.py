"""The corridor's one page: a push received, and the transaction that holds all that came of it."""

from .draft import Delivery
from .intake import Intake
from .receipt import Receipt
from .source import Source
from .spooling import Fallback

__all__ = ["Delivery", "Fallback", "Intake", "Receipt", "Source"]
