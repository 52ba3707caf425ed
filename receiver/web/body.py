"""Reading a request's body whole, or saying that it is not whole: nothing is ever cut short in silence."""

from __future__ import annotations

from typing import BinaryIO, cast

from werkzeug.wrappers import Request

from receiver.errors import CutShort, EncodedContent, TooLarge

_SLICE = 64 * 1024


def read_body(request: Request, most: int) -> bytes:
    """The body, byte for byte, of at most ``most`` bytes.

    Reads the server's stream itself: werkzeug's would end quietly where the limit or the connection does. Raises
    EncodedContent before reading, TooLarge as soon as that is known, CutShort when less came than was promised.
    """
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise EncodedContent(f"Content-Encoding {encoding[:40]} is not taken: send the XML as it is.")
    promised = request.content_length
    chunked = "chunked" in request.headers.get("Transfer-Encoding", "").lower()
    if promised is not None and promised > most:
        raise _too_large(most)
    if promised is None and not chunked:
        return b""
    body = _read(cast("BinaryIO", request.environ["wsgi.input"]), most if chunked or promised is None else promised)
    if len(body) > most:
        raise _too_large(most)
    if not chunked and promised is not None and len(body) < promised:
        raise CutShort(f"The body ended after {len(body)} of {promised} bytes.")
    return body


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"The push is larger than {most} bytes, the most that is taken.")


def _read(stream: BinaryIO, most: int) -> bytes:
    """Up to one byte more than ``most``, to tell a full body from one that goes on."""
    slices: list[bytes] = []
    left = most + 1
    try:
        while left > 0 and (found := stream.read(min(_SLICE, left))):
            slices.append(found)
            left -= len(found)
    except Exception:  # noqa: BLE001 - the server's reader has its own errors, not ours to import
        # Whatever the server's reader trips over (a bad chunk, a lost connection), the body is not whole.
        raise CutShort("The connection ended inside the body, or a chunk of it is malformed.") from None
    return b"".join(slices)
