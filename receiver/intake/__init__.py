"""The corridor's one page: a push received, and the transaction that holds all that came of it."""

from .intake import Delivery, Intake
from .receipt import Receipt
from .source import Source

__all__ = ["Delivery", "Intake", "Receipt", "Source"]
