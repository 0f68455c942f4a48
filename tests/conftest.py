"""Settings of all tests: their order, and how long and how hard Hypothesis tries.

No deadline per example: on a busy machine that measures the machine and not the code. The same
examples each time, so that a failure belongs to a change; `--hypothesis-profile=explore` looks
for new ones.
"""

import pytest
from hypothesis import settings

settings.register_profile("lowtide", max_examples=50, deadline=None, derandomize=True)
settings.register_profile("explore", max_examples=500, deadline=None)
settings.load_profile("lowtide")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what is slow: of two processes none then waits for a long last test."""

    def may_wait(item: pytest.Item) -> bool:
        is_slow = item.get_closest_marker("slow") is not None
        return not is_slow or item.get_closest_marker("cluster") is not None

    items.sort(key=may_wait)
