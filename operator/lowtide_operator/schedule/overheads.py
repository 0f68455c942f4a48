"""Overhead of the data centre (PUE) for an ended job: its own number, or its zone's.

A number of the job's spec counts before the settings of its zone. A query is asked once for the
running time, in a thread, with one deadline; whatever goes wrong leaves the factor unknown, with a
sentence, and never keeps the job's energy from being read.
"""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from datetime import timedelta
from math import ceil
from typing import Final

from lowtide.grid.errors import GridError
from lowtide.grid.overhead import Overhead, OverheadKind, RunSpan, mean_overhead
from lowtide.grid.provider_settings import QuerySettings
from lowtide.grid.providers.factory import Throttles, client_of
from lowtide.grid.providers.prometheus_queries import PrometheusQueries
from lowtide.trainingjob.spec import TrainingJobSpec
from lowtide_operator.settings import OperatorSettings

LOG: Final = logging.getLogger(__name__)
OWN_SOURCE: Final = "spec.grid.pue"
SLOTS_MAX: Final = 1_000
"""A longer run is asked for in longer slots, so that every answer is bounded."""


class Overheads:
    """Asks for the factors of ended jobs."""

    def __init__(self, pool: Executor | None = None) -> None:
        """Keep the threads that queries are asked from; default: the event loop's own."""
        self._pool = pool
        self._throttles = Throttles()

    async def of_run(
        self,
        spec: TrainingJobSpec,
        zone: str | None,
        spans: Sequence[RunSpan],
        settings: OperatorSettings,
    ) -> Overhead | None:
        """Return the factor of a run, or `None` where neither spec nor settings give one."""
        if spec.grid.pue is not None:
            return Overhead(pue=float(spec.grid.pue), kind=OverheadKind.ASSUMED, source=OWN_SOURCE)
        given = None if zone is None else settings.pue.get(zone)
        if zone is None or given is None:
            return None
        if given.prometheus is None:
            return given.stated
        if not spans:
            return Overhead(message="the PUE is not known, because no time of running is")
        loop = asyncio.get_running_loop()
        longest = settings.forecast.fetch_timeout_seconds
        try:
            async with asyncio.timeout(longest):
                return await loop.run_in_executor(
                    self._pool, self._asked, given.prometheus, zone, spans
                )
        except TimeoutError:
            return Overhead(
                message=f"the PUE is not known: Prometheus gave no answer within {longest:g} s"
            )
        except GridError as error:
            return Overhead(message=f"the PUE is not known: {error}")
        except Exception:
            # A fault in an extra figure must not keep the energy from being read.
            LOG.exception("zone %s: asking for its PUE failed in an unforeseen way", zone)
            return Overhead(message="the PUE is not known: asking failed, see the operator's log")

    def _asked(self, given: QuerySettings, zone: str, spans: Sequence[RunSpan]) -> Overhead:
        """Return the mean of what the query answers for the running time; blocks."""
        begin, end = min(start for start, _ in spans), max(end for _, end in spans)
        slots = ceil((end - begin).total_seconds() / given.step_seconds / SLOTS_MAX)
        queries = PrometheusQueries(
            client=client_of("prometheus", given, self._throttles),
            step=timedelta(seconds=given.step_seconds),
            headers=given.headers,
            credential=given.credential,
        )
        queries = replace(queries, step=queries.step * max(1, slots))
        values = queries.over(given.query, zone, zone, begin, end)
        return mean_overhead(values, queries.step, spans, f"Prometheus, zone {zone}")
