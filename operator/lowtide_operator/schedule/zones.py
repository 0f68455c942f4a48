"""Grid zones as the event loop sees them: what is known of each, and since when.

What is asked of providers blocks and belongs into a thread; what is read here does not.
"""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime

from lowtide.grid.estimates import with_estimates
from lowtide.grid.forecast import Forecast, Source
from lowtide.grid.scoring import ForecastScore
from lowtide.grid.series import Factor, IntensitySeries
from lowtide.grid.zone import ZoneGrid, ZoneState


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a zone since its last refresh at `at`."""

    state: ZoneState
    forecast: Forecast | None
    at: datetime


class Zone:
    """One zone as the event loop sees it; the grid behind it is asked from threads."""

    def __init__(self, grid: ZoneGrid) -> None:
        self.grid = grid
        self.known: Known | None = None
        self.failures: Counter[tuple[str, str]] = Counter()
        self.scores: tuple[ForecastScore, ...] = ()

    @property
    def provider_order(self) -> tuple[str, ...]:
        """The providers in the order in which they are asked."""
        return tuple(provider.label for provider in self.grid.chain.providers)

    @property
    def has_provider_forecast(self) -> bool:
        """Whether a provider's forecast is in use."""
        forecast = None if self.known is None else self.known.forecast
        return forecast is not None and Source.PROVIDER in forecast.sources

    def ask(self, now: datetime) -> Known:
        """Return what is known after asking for whatever is due; blocks."""
        state = self.grid.refresh(now)
        return Known(state, state.forecast(now), now)

    def compare(self, now: datetime) -> None:
        """Score every provider by what plans based on it would have saved; blocks.

        The chain is reordered where the evidence is long and clear.
        """
        self.scores = self.grid.compare(now)

    def intensity_between(
        self, start: datetime, end: datetime, now: datetime
    ) -> IntensitySeries | None:
        """Return the intensity in `[start, end)`, seen or else expected; blocks."""
        seen = self.grid.actual_between(start, end, now)
        expected = None if self.known is None else self.known.state.expected
        return with_estimates(seen, expected, start, end)

    def learn(self, news: Known) -> bool:
        """Take news in; return whether jobs of this zone should be planned again."""
        before = self.known
        if before is not None and _says_the_same(before.forecast, news.forecast):
            # The same object: plans made with it need not be made again.
            news = replace(news, forecast=before.forecast)
        self.known = news
        for failure in news.state.failures:
            self.failures[failure.provider, failure.reason] += 1
        return before is None or _told(before) != _told(news)

    def intensity_at(self, moment: datetime) -> float | None:
        """Return the intensity at `moment`, seen or else expected, in g/kWh."""
        if self.known is None:
            return None
        for series in (self.known.state.actual, self.known.state.expected):
            value = None if series is None else series.at(moment)
            if value is not None:
                return value
        return None

    @property
    def factor(self) -> Factor:
        """Which emissions the zone's values include, as far as it is known."""
        state = None if self.known is None else self.known.state
        for series in () if state is None else (state.actual, state.expected):
            if series is not None:
                return series.factor
        return Factor.UNKNOWN

    def forecast_age_seconds(self, now: datetime) -> float | None:
        """Return how long ago the forecast in use was made, if there is one."""
        made = None if self.known is None else self.known.state.generated_at
        return None if made is None else max(0.0, (now - made).total_seconds())

    def forecast_horizon_seconds(self, now: datetime) -> float | None:
        """Return how far ahead the provider's own forecast reaches, if there is one."""
        expected = None if self.known is None else self.known.state.expected
        if expected is None or not expected.points:
            return None
        return max(0.0, (expected.points[-1].end - now).total_seconds())


def _says_the_same(old: Forecast | None, new: Forecast | None) -> bool:
    """Return whether two forecasts differ at most in when they were made."""
    if old is None or new is None:
        return old is new
    return replace(old, generated_at=new.generated_at) == new


def _told(known: Known) -> tuple[object, ...]:
    """Return what plans depend on: which forecast it is, and what else was seen meanwhile."""
    forecast, actual = known.forecast, known.state.actual
    return (
        None if forecast is None else (forecast.provider, forecast.generated_at),
        None if actual is None or not actual.points else actual.points[-1].end,
        tuple(failure.reason for failure in known.state.failures),
    )
