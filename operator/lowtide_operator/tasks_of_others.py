"""Tasks of an event loop that do not belong to a package.

At its end kopf takes every task that began after it for a task of its own: it waits five seconds
for those that go on, then cancels them. Ours are stopped in their own order, after kopf.
"""

import asyncio
from collections.abc import Collection, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any


class TasksOfOthers(Collection["asyncio.Task[Any]"]):
    """All tasks of the running loop but those whose coroutine a package defines."""

    def __init__(self, package: ModuleType) -> None:
        """Leave out the tasks of an imported package."""
        self._folder = Path(str(package.__file__)).parent

    def __contains__(self, task: object) -> bool:
        """Whether a task belongs to others than the package."""
        if not isinstance(task, asyncio.Future):
            return False
        get_coroutine = getattr(task, "get_coro", lambda: None)
        code = getattr(get_coroutine(), "cr_code", None)
        return code is None or not Path(code.co_filename).is_relative_to(self._folder)

    def __iter__(self) -> Iterator["asyncio.Task[Any]"]:
        """Yield the tasks of others."""
        return (task for task in asyncio.all_tasks() if task in self)

    def __len__(self) -> int:
        """Return how many there are."""
        return sum(1 for _ in self)
