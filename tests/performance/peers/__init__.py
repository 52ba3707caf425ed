"""Peers: the same job as others do it, each in an environment of its own under ``.bench/``."""

from .contenders import NodeSoap, Spyne

__all__ = ["NodeSoap", "Spyne"]
