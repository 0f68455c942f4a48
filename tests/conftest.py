"""Settings of all tests: their order, and how long and how hard Hypothesis tries.

No deadline per example: on a busy machine that measures the machine and not the code. The same
examples each time, so that a failure belongs to a change; `--hypothesis-profile=explore` looks
for new ones.
"""

from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("lowtide", max_examples=50, deadline=None, derandomize=True)
settings.register_profile("explore", max_examples=500, deadline=None)
settings.load_profile("lowtide")


@pytest.fixture(scope="session", autouse=True)
def store_of_runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep runs that tests measure away from those of the person who tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what is slow: of two processes none then waits for a long last test."""

    def may_wait(item: pytest.Item) -> bool:
        is_slow = item.get_closest_marker("slow") is not None
        return not is_slow or item.get_closest_marker("cluster") is not None

    items.sort(key=may_wait)
