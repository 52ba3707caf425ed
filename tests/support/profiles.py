"""How much Hypothesis tries: the same short run each time, or, with HYPOTHESIS_PROFILE=long, a long new one.

The long one takes some tests past pytest's time limit: ``HYPOTHESIS_PROFILE=long pytest --timeout 0``.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Generated documents are large, and no test of ours is about time.
_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)


def load_profile() -> None:
    """Register both profiles, and load the one that the environment names."""
    common = settings(deadline=None, suppress_health_check=_SLOW, print_blob=True)
    settings.register_profile("short", common, max_examples=60, derandomize=True, database=None)
    settings.register_profile("long", common, max_examples=2_000)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))


def examples(share: float) -> int:
    """A share of the profile's examples, for tests that cost more or less than most."""
    return max(1, int(settings().max_examples * share))
