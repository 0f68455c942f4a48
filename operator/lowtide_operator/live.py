"""What running jobs have used so far, asked for all of them at once.

For people only: the figures that count are read from raw samples after the end. One query per
interval whatever the number of jobs; a Prometheus that does not answer only leaves the last
values standing.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from lowtide import names
from lowtide_operator.prometheus import Prometheus, PrometheusError

LOG: Final = logging.getLogger(__name__)

QUERY: Final = (
    "sum by (pod_uid) (max by (pod_uid, container, component, part, method, quality) "
    f"({names.METRIC_POD_ENERGY}))"
)
"""The inner maximum takes one of several replicas; the sum adds a pod's components."""


class LiveEnergy:
    """Joules of pods by uid, as of the last query."""

    def __init__(self, prometheus: Prometheus | None, clock: Callable[[], datetime]) -> None:
        self._prometheus = prometheus
        self._clock = clock
        self.joules: Mapping[str, float] = {}

    async def run(self, period_seconds: float) -> None:
        """Ask again and again until cancelled."""
        while True:
            if self._prometheus is not None:
                await self._ask(self._prometheus)
            await asyncio.sleep(period_seconds)

    async def _ask(self, prometheus: Prometheus) -> None:
        try:
            self.joules = await prometheus.instant(QUERY, self._clock())
        except PrometheusError as error:
            LOG.info("energy of running jobs: %s", error)
