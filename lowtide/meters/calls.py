"""Count of the calls into drivers and services, and of the time they took.

Polling must not slow the workload that it measures, so what it costs is a metric of its own.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any


class CallLog:
    """Counts calls by (api, code) and sums their seconds by api; one writer thread per api."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.counts: Counter[tuple[str, str]] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def call(self, api: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call `function(*arguments)` under the name `api`; its error is logged and raised."""
        began = self._clock()
        code = "ok"
        try:
            return function(*arguments)
        except Exception as error:
            code = type(error).__name__
            raise
        finally:
            self.seconds[api] += self._clock() - began
            self.counts[api, code] += 1
