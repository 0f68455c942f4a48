"""Forecasts as the operator used them, from the series that it keeps of them in Prometheus.

A forecast is taken as it was some minutes after the start of each hour, and counts as known from
then on: a plan that is replayed sees nothing of its future.
"""

import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Final

from lowtide import names
from lowtide.cli.prometheus import SERIES, PrometheusApi
from lowtide.cli.stored_usage import OWNER_PIECE, RECORDED, floor_of, pieces
from lowtide.energy.profile import Span
from lowtide.grid.forecast import Forecast, Source
from lowtide.grid.series import Signal

TAKEN_AFTER: Final = timedelta(minutes=10)
"""How long after the start of an hour its forecast is taken."""


class RecordedForecasts:
    """Forecasts as the operator used them, hour by hour, from its own series."""

    def __init__(self, prometheus: PrometheusApi, zone: str, window: Span) -> None:
        """Read the forecasts of a time.

        Raises:
            PrometheusApiError: no answer in time, or an error.
        """
        self._zone = zone
        self._made: dict[datetime, Forecast] = {}
        for start, end in pieces(window.start, window.end, OWNER_PIECE, 3600):
            expected = self._read(prometheus, names.METRIC_FORECAST, start, end)
            spread = self._read(prometheus, names.METRIC_FORECAST_SPREAD, start, end)
            for moment, (signal, values) in expected.items():
                errors = spread.get(moment, (signal, {}))[1]
                self._keep(moment, signal, values, errors)

    def _read(
        self, prometheus: PrometheusApi, metric: str, start: datetime, end: datetime
    ) -> dict[datetime, tuple[str, dict[int, float]]]:
        """Return signal and values by hours ahead, by the hour in which they were stored."""
        stored = f"{metric}{{zone={json.dumps(self._zone)}}}"
        minutes = int(TAKEN_AFTER.total_seconds() // 60)
        query = f"max by (signal, ahead_hours) (last_over_time({stored}[{minutes}m]))"
        found: defaultdict[datetime, dict[int, float]] = defaultdict(dict)
        signals: dict[datetime, str] = {}
        for labels, samples in prometheus.matrix(
            query,
            start=floor_of(start, 3600).timestamp() + TAKEN_AFTER.total_seconds(),
            end=floor_of(end, 3600).timestamp() + TAKEN_AFTER.total_seconds(),
            step_seconds=3600,
        ):
            ahead = labels.get("ahead_hours", "")
            for at, value in samples:
                moment = datetime.fromtimestamp(at // 3600 * 3600, UTC)
                if ahead.isdecimal():
                    found[moment][int(ahead)] = value
                    signals[moment] = labels.get("signal", "")
        return {moment: (signals[moment], values) for moment, values in found.items()}

    def _keep(
        self, moment: datetime, signal: str, values: dict[int, float], errors: dict[int, float]
    ) -> None:
        count = next((hour for hour in range(len(values) + 1) if hour not in values), 0)
        if count == 0 or signal not in SERIES:
            return
        self._made[moment] = Forecast(
            zone=self._zone,
            signal=Signal(signal),
            start=moment,
            slot_seconds=3600,
            grams_per_kwh=tuple(values[hour] for hour in range(count)),
            spread_grams_per_kwh=tuple(errors.get(hour, 0.0) for hour in range(count)),
            sources=(Source.PROVIDER,) * count,
            provider=RECORDED,
            generated_at=moment,
        )

    @property
    def hours(self) -> int:
        """Return of how many hours a forecast is kept."""
        return len(self._made)

    def at(self, moment: datetime) -> Forecast | None:
        """Return the newest forecast that was kept before a moment, `None` where none is."""
        return self._made.get(floor_of(moment - TAKEN_AFTER, 3600))
