"""Who may see the figures, and why the receiver is not ready."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network

from werkzeug.wrappers import Request

from .proxies import Address, Network, Proxies, is_in

# Loopback, link-local, and what is private by RFC 1918 and RFC 4193.
_PRIVATE_4 = ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16")
_PRIVATE_6 = ("::1/128", "fc00::/7", "fe80::/10")


class Monitors:
    """Those whose address is in ``networks``, or where there are none, loopback and private addresses."""

    def __init__(self, proxies: Proxies, networks: Sequence[Network] | None) -> None:
        self._proxies = proxies
        self._networks = networks if networks is not None else [ip_network(text) for text in (*_PRIVATE_4, *_PRIVATE_6)]

    def may_look(self, request: Request) -> bool:
        """Whether the request comes from one of them, and not through a proxy that nobody named."""
        sender = self._proxies.sender(request)
        if sender.address is None or sender.is_behind_stranger:
            return False
        return is_in(sender.address, self._networks)

    def address(self, request: Request) -> Address | None:
        """Whose request it is, as far as that is known."""
        return self._proxies.sender(request).address
