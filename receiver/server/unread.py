"""Requests whose body the application did not read."""

from __future__ import annotations

from typing import Any

from receiver.web.body import IS_READ


def answer_and_close(application: Any, environ: dict[str, Any], start_response: Any) -> Any:
    """Call the application; the connection ends where the sender may still be sending what was not read.

    The reply says so, the thread is free, and the main loop reads what comes and forgets it.
    """
    answer = application(environ, start_response)
    if not environ["gunicorn.socket"].is_whole and IS_READ not in environ:
        start_response.__self__.force_close()  # gunicorn's own reply: it ignores what applications say of connections
    return answer
