"""Who runs a command, as the trail has it."""

from __future__ import annotations

import os
import pwd

from receiver.store.people.chain import By


def by_command() -> By:
    """The operating system's user, ``cli:NAME``: nothing else is known of whoever has a shell."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    return By(f"cli:{name}")
