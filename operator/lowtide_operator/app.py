"""The parts of the running operator, put together once; everything else gets them from here."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from lowtide_operator.bookings import Bookings
from lowtide_operator.cache import Cache
from lowtide_operator.cluster import Cluster
from lowtide_operator.exporters import Exporters
from lowtide_operator.forecasts import Forecasts
from lowtide_operator.live import LiveEnergy
from lowtide_operator.measure import Measurer
from lowtide_operator.settings import Settings
from lowtide_operator.tally import Tally
from lowtide_operator.workqueue import WorkQueue


def utc_now() -> datetime:
    """Return the time; the only place where the operator reads the wall clock."""
    return datetime.now(UTC)


@dataclass(slots=True, kw_only=True)
class App:
    """What the handlers, the workers and the servers share. All of it belongs to one event loop."""

    settings: Settings
    cluster: Cluster
    cache: Cache
    queue: WorkQueue
    forecasts: Forecasts
    measurer: Measurer
    exporters: Exporters | None
    live: LiveEnergy
    bookings: Bookings
    tally: Tally
    instance: str
    clock: Callable[[], datetime] = utc_now
    random: Callable[[], float] = random.random

    def plan_again(self, zone: str) -> None:
        """Look at every job of a zone whose plan may change with its forecast."""
        for record in self.cache.records():
            if record.summary.plans_with_forecast and record.summary.zone in (zone, None):
                self.queue.add(record.key)
