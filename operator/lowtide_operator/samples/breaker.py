"""Breaker between the jobs and a store that is away: one job finds it out, the others need not ask.

While the store is away, every question fails at once with the words of the last real failure, and
one question at growing intervals finds out whether it is back. A store that hangs therefore costs
one query at a time, however many jobs wait for it.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final, TypeVar

from lowtide.energy.samples import Series
from lowtide_operator.samples.source import Samples, SamplesUnavailableError, Selector

FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 60.0

_Result = TypeVar("_Result")


class Breaker:
    """A store of samples that all jobs share; belongs to one event loop."""

    def __init__(self, samples: Samples, clock: Callable[[], float]) -> None:
        self._samples = samples
        self._clock = clock
        self._failure: SamplesUnavailableError | None = None
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._asked_again_at = 0.0
        self._is_trying = False

    async def samples(
        self, selector: Selector, start: datetime, end: datetime
    ) -> tuple[Series, ...]:
        """Return the raw samples of a selector that were stored in `(start, end]`.

        Raises:
            SamplesUnavailableError: there is no usable answer, or the store is away.
        """
        return await self._ask(lambda: self._samples.samples(selector, start, end))

    async def started_at(self) -> datetime | None:
        """Return since when samples have been stored, or `None` if that is not known.

        Raises:
            SamplesUnavailableError: there is no usable answer, or the store is away.
        """
        return await self._ask(self._samples.started_at)

    async def pod_joules(self, at: datetime) -> Mapping[tuple[str, str], float]:
        """Return the joules that pods have used so far, by namespace and uid.

        Raises:
            SamplesUnavailableError: there is no usable answer, or the store is away.
        """
        return await self._ask(lambda: self._samples.pod_joules(at))

    async def _ask(self, question: Callable[[], Awaitable[_Result]]) -> _Result:
        failure = self._failure
        if failure is not None and (self._is_trying or self._clock() < self._asked_again_at):
            raise type(failure)(*failure.args)
        self._is_trying = failure is not None
        try:
            answer = await question()
        except SamplesUnavailableError as error:
            if error.is_outage:
                self._pause_after(error)
            raise
        finally:
            self._is_trying = False
        self._failure, self._pause_seconds = None, FIRST_PAUSE_SECONDS
        return answer

    def _pause_after(self, error: SamplesUnavailableError) -> None:
        """Let no question through for a while; of several that fail together one counts."""
        now = self._clock()
        if self._failure is not None and now < self._asked_again_at:
            return
        self._failure = error
        self._asked_again_at = now + self._pause_seconds
        self._pause_seconds = min(2 * self._pause_seconds, LONGEST_PAUSE_SECONDS)
