"""Loading modules without looking for garbage among what they make."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """For imports: nothing is collected meanwhile, and nothing that is there at the end is looked through again.

    Modules make hundreds of thousands of objects that stay, and to search them over and over takes a fifth of a
    start. Processes forked later share them, as their search would write to all of them.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
