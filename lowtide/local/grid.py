"""Grid of a run: the forecast that it is planned with, the intensity and overhead that it met."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from lowtide.grid.errors import GridError
from lowtide.grid.estimates import with_estimates
from lowtide.grid.forecast import Forecast
from lowtide.grid.overhead import Overhead, RunSpan
from lowtide.grid.overhead_query import asked_overhead
from lowtide.grid.overhead_settings import OverheadSettings
from lowtide.grid.providers.factory import Throttles
from lowtide.grid.series import IntensitySeries
from lowtide.grid.settings import ZoneSettings
from lowtide.grid.zone import ZoneState, build_zones
from lowtide.trainingjob.overheads import stated_overhead
from lowtide.trainingjob.spec import TrainingJobSpec


class RunGrid:
    """One zone, asked when a run needs it; failures are in the last state."""

    def __init__(
        self,
        zone: str,
        settings: ZoneSettings,
        *,
        started: datetime,
        folder: Path | None,
        pue: OverheadSettings | None = None,
    ) -> None:
        self.zone, self._pue = zone, pue
        self._grid = build_zones({zone: settings}, started=started, folder=folder)[zone]
        self.state: ZoneState | None = None

    def forecast(self, now: datetime) -> Forecast | None:
        """Return the forecast, after asking for whatever is due; `None` where nothing is known."""
        self.state = self._grid.refresh(now)
        return self.state.forecast(now)

    def failures(self) -> tuple[str, ...]:
        """Return one sentence per source that failed when the forecast was last asked for."""
        return () if self.state is None else tuple(one.message for one in self.state.failures)

    def intensity(self, start: datetime, end: datetime, now: datetime) -> IntensitySeries | None:
        """Return the intensity in `[start, end)`: seen, or else expected and marked so."""
        seen = self._grid.actual_between(start, end, now)
        if self.state is None:
            self.state = self._grid.refresh(now)
        return with_estimates(seen, self.state.expected, start, end)

    def overhead(self, spec: TrainingJobSpec, spans: Sequence[RunSpan]) -> Overhead | None:
        """Return the data centre's factor for a run; `None` where neither spec nor zone has one."""
        stated, given = stated_overhead(spec, self._pue), self._pue
        if stated is not None or given is None or given.prometheus is None:
            return stated
        if not spans:
            return Overhead(message="the PUE is not known, because no time of running is")
        try:
            return asked_overhead(given.prometheus, self.zone, spans, Throttles())
        except GridError as error:
            return Overhead(message=f"the PUE is not known: {error}")
