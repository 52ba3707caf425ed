"""Who sent a request and at which address it was sent, where it came through proxies that are named in the settings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from werkzeug.wrappers import Request

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_FORWARDED = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP")
_HOP = re.compile(r"\[(?P<six>[^\]]+)\](:[0-9]{1,5})?|(?P<four>[0-9.]+)(:[0-9]{1,5})?|(?P<bare>[0-9A-Fa-f:.]+)")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")


@lru_cache(maxsize=256)
def read_address(text: str | None) -> Address | None:
    """The address, without an IPv6 zone, IPv4 where it is IPv4 mapped into IPv6; None for what is no address."""
    try:
        found = ip_address((text or "").partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def is_in(address: Address, networks: Sequence[Network]) -> bool:
    """Whether one of the networks holds the address."""
    return any(address in network for network in networks if network.version == address.version)


@dataclass(frozen=True)
class Sender:
    """Whose request it is. ``address`` is None where it is not known: never let in by address.

    ``is_behind_stranger``: it came through a proxy that is not named, so the address is the proxy's.
    """

    address: Address | None
    is_behind_stranger: bool = False


class Proxies:
    """The proxies that are believed. What anyone else says of a sender is not."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = networks

    def sender(self, request: Request) -> Sender:
        """The last hop of ``X-Forwarded-For`` that is not a named proxy, where the connection is from a named one.

        Each proxy adds the address that it was connected from at the end; what stands before the first stranger's
        is the stranger's own tale. A named proxy that says nothing, or no address, leaves the sender unknown: to
        take the proxy's address instead would let in whoever it serves.
        """
        peer = read_address(request.remote_addr)
        if peer is None or not is_in(peer, self._networks):
            return Sender(peer, is_behind_stranger=any(name in request.environ for name in _FORWARDED))
        hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",")]
        found: Address | None = None
        for hop in reversed([hop for hop in hops if hop]):
            found = _read_hop(hop)
            if found is None or not is_in(found, self._networks):
                break
        return Sender(found)

    def address(self, request: Request) -> str:
        """Scheme and host, ``https://push.example.org``, as the sender used them; a named proxy's word counts."""
        peer = read_address(request.remote_addr)
        scheme, host = request.scheme, request.host
        if peer is not None and is_in(peer, self._networks):
            told_scheme = request.headers.get("X-Forwarded-Proto", "").strip().lower()
            told_host = request.headers.get("X-Forwarded-Host", "").strip()
            scheme = told_scheme if told_scheme in ("http", "https") else scheme
            host = told_host if _HOST.fullmatch(told_host) else host
        return f"{scheme}://{host}"


def _read_hop(hop: str) -> Address | None:
    """An address with or without a port, in any of the ways that proxies write it."""
    found = _HOP.fullmatch(hop)
    return None if found is None else read_address(found["six"] or found["four"] or found["bare"])
