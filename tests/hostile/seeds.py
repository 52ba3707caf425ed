"""Where hostile documents begin: valid ones of every wire form, SOAP version, kind and encoding."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.support.documents import Document, documents


def seeds(count: int, of: int) -> list[bytes]:
    """``count`` valid pushes as Hypothesis makes them, the same for the same ``of``."""
    found: list[bytes] = []

    @seed(of)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=False,
    )
    @given(documents(most=2))
    def collect(document: Document) -> None:
        found.append(document.body)

    collect()
    return found
