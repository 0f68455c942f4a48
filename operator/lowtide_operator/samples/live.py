"""Energy of running jobs so far, asked for all of them at once.

For display only: the figures that count are read from raw samples after the end. There is one
query per interval however many jobs run; while the store does not answer, the last values stay.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final

from lowtide_operator.samples.source import Samples, SamplesUnavailableError

LOG: Final = logging.getLogger(__name__)


class LiveEnergy:
    """Joules of pods by namespace and uid, as of the last answer."""

    def __init__(self, samples: Samples | None, clock: Callable[[], datetime]) -> None:
        self._samples = samples
        self._clock = clock
        self._joules: Mapping[tuple[str, str], float] = {}

    def of_pods(self, namespace: str, uids: Iterable[str]) -> dict[str, float]:
        """Return the joules of those of these pods of a namespace that are known, by uid."""
        known = self._joules
        return {uid: known[namespace, uid] for uid in uids if (namespace, uid) in known}

    async def run(self, period_seconds: float) -> None:
        """Ask at this period until cancelled."""
        while True:
            if self._samples is not None:
                await self._ask(self._samples)
            await asyncio.sleep(period_seconds)

    async def _ask(self, samples: Samples) -> None:
        try:
            self._joules = await samples.pod_joules(self._clock())
        except SamplesUnavailableError as error:
            LOG.info("energy of running jobs: %s", error)
