"""A source of pushes, as the corridor needs to know it."""

from __future__ import annotations

from dataclasses import dataclass

from receiver.messages import Judge, Rules
from receiver.wire import RootNames


@dataclass(frozen=True)
class Source:
    """One sender: the names it uses, the rules it is judged by, and the judge that has them."""

    name: str
    names: RootNames
    rules: Rules
    judge: Judge
