"""Grid of a run: the forecast that it is planned with and the intensity that it met."""

from datetime import datetime
from pathlib import Path

from lowtide.grid.estimates import with_estimates
from lowtide.grid.forecast import Forecast
from lowtide.grid.series import IntensitySeries
from lowtide.grid.settings import ZoneSettings
from lowtide.grid.zone import ZoneState, build_zones


class RunGrid:
    """One zone, asked when a run needs it; failures are in the last state."""

    def __init__(
        self, zone: str, settings: ZoneSettings, *, started: datetime, folder: Path | None
    ) -> None:
        self.zone = zone
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
