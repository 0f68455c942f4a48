"""Overhead of the data centre (PUE) for an ended job: its own number, or its zone's.

A number of the job's spec counts before the settings of its zone. A query is asked once for the
running time, in a thread, with one deadline; whatever goes wrong leaves the factor unknown, with a
sentence, and never keeps the job's energy from being read.
"""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Final

from lowtide.grid.errors import GridError
from lowtide.grid.overhead import Overhead, RunSpan
from lowtide.grid.overhead_query import asked_overhead
from lowtide.grid.providers.factory import Throttles
from lowtide.trainingjob.overheads import stated_overhead
from lowtide.trainingjob.spec import TrainingJobSpec
from lowtide_operator.settings import OperatorSettings

LOG: Final = logging.getLogger(__name__)


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
        given = None if zone is None else settings.pue.get(zone)
        stated = stated_overhead(spec, given)
        if stated is not None or zone is None or given is None or given.prometheus is None:
            return stated
        if not spans:
            return Overhead(message="the PUE is not known, because no time of running is")
        loop = asyncio.get_running_loop()
        longest = settings.forecast.fetch_timeout_seconds
        try:
            async with asyncio.timeout(longest):
                return await loop.run_in_executor(
                    self._pool, asked_overhead, given.prometheus, zone, spans, self._throttles
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
