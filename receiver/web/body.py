"""Reading a request's body whole, or saying that it is not whole: nothing is ever cut short in silence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import Any, BinaryIO, cast

from werkzeug.wrappers import Request

from receiver.errors import CutShort, EncodedContent, TooLarge

# In the environment of a request: its body was read to the end, so the connection can carry another request.
IS_READ = "receiver.body_is_read"

_SLICE = 64 * 1024
_SILENCE = 30.0


def read_body(request: Request, most: int, silence: float = _SILENCE) -> bytes:
    """The body, byte for byte, of at most ``most`` bytes.

    Reads the server's stream itself: werkzeug's would end quietly where the limit or the connection does. Raises
    EncodedContent before reading, TooLarge as soon as that is known, CutShort when less came than was promised, or
    nothing for ``silence`` seconds.
    """
    codings = _refuse_codings(request)
    # Of a body that tells no length, one byte more than may come shows that it goes on.
    promised, chunked = request.content_length, "chunked" in codings
    if promised is not None and promised > most:
        raise _too_large(most)
    if promised is None and not chunked:
        return b""
    with _patience(request.environ, silence):
        body = _read(_stream(request.environ), most + 1 if chunked or promised is None else promised)
    if len(body) > most:
        raise _too_large(most)
    if not chunked and promised is not None and len(body) < promised:
        raise CutShort(f"The body ended after {len(body)} of {promised} bytes.")
    request.environ[IS_READ] = True
    return body


def _refuse_codings(request: Request) -> set[str]:
    """The transfer codings, when there are none that would have to be undone."""
    if not request.environ.keys() & {"HTTP_CONTENT_ENCODING", "HTTP_TRANSFER_ENCODING"}:
        return set()
    content, transfer = (_codings(request, name) for name in ("Content-Encoding", "Transfer-Encoding"))
    for name, found in (("Content-Encoding", content), ("Transfer-Encoding", transfer - {"chunked"})):
        if found:
            raise EncodedContent(f"{name} {', '.join(sorted(found))[:40]} is not taken: send the XML as it is.")
    return transfer


def _codings(request: Request, header: str) -> set[str]:
    return {c.strip().lower() for c in request.headers.get(header, "").split(",")} - {"", "identity"}


def _stream(environ: Mapping[str, Any]) -> BinaryIO:
    return cast("BinaryIO", environ["wsgi.input"])


@contextmanager
def _patience(environ: Mapping[str, Any], seconds: float) -> Iterator[None]:
    """Bound each wait for the sender: one that has gone silent would keep a thread for good."""
    connection = environ.get("gunicorn.socket")
    if connection is None:
        yield
        return
    before = connection.gettimeout()
    connection.settimeout(seconds)
    try:
        yield
    finally:
        with suppress(OSError):
            connection.settimeout(before)


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"The push is larger than {most} bytes, the most that is taken.")


def _read(stream: BinaryIO, most: int) -> bytes:
    """What comes, up to ``most`` bytes."""
    found = BytesIO()  # a list of slices would be twice the body by the time they are joined
    left = most
    try:
        while left > 0 and (part := stream.read(min(_SLICE, left))):
            found.write(part)
            left -= len(part)
    except Exception:  # noqa: BLE001 - the server's reader has its own errors, not ours to import
        # Whatever the server's reader trips over (a bad chunk, a lost connection), the body is not whole.
        raise CutShort("The body ended early, did not arrive in time, or has a malformed chunk.") from None
    return found.getvalue()
