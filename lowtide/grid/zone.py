"""Zone of a grid: everything known about its intensity, kept up to date.

A zone joins a provider chain, the history of what was seen and the vintages of what was expected.
`refresh` asks the network (from a worker thread, at most once per refresh time) and returns a
state; planning from a state is pure. No provider, no key and no network still give a state: that
of the history. Values of different sources are never joined into one series, and a forecast of
life-cycle emissions is not corrected by a history of direct ones.
"""

import contextlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from lowtide.grid.assembly import build_chain, load_climatology, shortest_refresh
from lowtide.grid.cache import SeriesCache
from lowtide.grid.chain import Chain, ChainAnswer
from lowtide.grid.climatology import Climatology
from lowtide.grid.errors import Exhausted, Failure, GridError, NotOffered
from lowtide.grid.forecast import Forecast
from lowtide.grid.fusion import HORIZON_DAYS, fuse
from lowtide.grid.history import HistoryStore
from lowtide.grid.providers.factory import Throttles
from lowtide.grid.providers.file import FileProvider
from lowtide.grid.scoring import ForecastScore, preferred_order, score
from lowtide.grid.series import Factor, IntensitySeries, Point, Signal
from lowtide.grid.settings import ZoneSettings
from lowtide.grid.vintages import SPACING, VintageStore

PROFILE_DAYS: Final = 15
"""Days of actual values asked for at first: 14 for the profile and one for a late start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneState:
    """What is known of a zone at one moment."""

    zone: str
    """Lowtide's name of the zone."""
    signal: Signal
    """Average or marginal."""
    actual: IntensitySeries | None
    """What was seen."""
    expected: IntensitySeries | None
    """What the provider expects, after what it expected of slots that are over (for its bias)."""
    provider: str | None
    """Label of the provider that gave the forecast."""
    failures: tuple[Failure, ...]
    """Providers that could not answer, preferred first."""
    is_old: bool
    """Whether the forecast is the last one before an outage."""
    slots_per_day: int | None
    """Slots that make a day of the data; `None`: those of 24 hours."""
    climatology: Climatology | None = None
    """The usual intensity, for a zone without provider and history."""

    @property
    def generated_at(self) -> datetime | None:
        """When the forecast was made, or received where its provider does not say."""
        if self.expected is None:
            return None
        return self.expected.generated_at or self.expected.fetched_at

    def forecast(self, now: datetime, *, horizon_slots: int | None = None) -> Forecast | None:
        """Return the fused forecast from `now` on, or `None` where nothing at all is known."""
        usual = None
        if self.climatology is not None and self.slots_per_day is None:
            end = now + timedelta(days=HORIZON_DAYS, hours=1)
            usual = self.climatology.series(self.zone, self.signal, now, end)
        return fuse(
            now,
            self.actual,
            self.expected,
            climatology=usual,
            generated_at=self.generated_at,
            horizon_slots=horizon_slots,
            slots_per_day=self.slots_per_day,
        )


class ZoneGrid:
    """One zone's providers, history and vintages; safe to use from several threads."""

    def __init__(
        self,
        zone: str,
        signal: Signal,
        chain: Chain,
        *,
        history: HistoryStore,
        vintages: VintageStore,
        refresh: timedelta,
        slots_per_day: int | None = None,
        climatology: Climatology | None = None,
    ) -> None:
        """Join the parts; `refresh` is how often actual values are asked for at most."""
        self.zone = zone
        self.signal = signal
        self.chain = chain
        self._history = history
        self._vintages = vintages
        self._refresh = refresh
        self._slots_per_day = slots_per_day
        self._climatology = climatology
        self._asked_at: datetime | None = None
        self._filled = False
        self._lock = threading.Lock()

    def refresh(self, now: datetime) -> ZoneState:
        """Return the state at `now`, after asking for whatever is due. Raises nothing of its own.

        Providers that fail are named in the state; their absence degrades it and never stops it.
        """
        with self._lock:
            answer, failures = self._expected(now)
            self._see_actuals(now, answer)
            factor = Factor.UNKNOWN if answer is None else answer.series.factor
            history = self._history.of(self.zone, self.signal, factor=factor)
            return ZoneState(
                zone=self.zone,
                signal=self.signal,
                actual=history,
                expected=None if answer is None else self._with_past(answer, now),
                provider=None if answer is None else answer.provider,
                failures=failures,
                is_old=answer is not None and answer.is_old,
                slots_per_day=self._slots_per_day,
                climatology=self._climatology,
            )

    def actual_between(
        self, start: datetime, end: datetime, now: datetime
    ) -> IntensitySeries | None:
        """Return actual intensity in the finished slots of `[start, end)`, from one source.

        History is enough where it has no gap; otherwise the chain is asked, and the source that
        knows more of the time is returned. `None` where nothing is known.
        """
        end = min(end, now)
        if end <= start:
            return None
        held = self._history.of(self.zone, self.signal)
        if held is not None and known_seconds(held, start, end) >= (end - start).total_seconds():
            return held.between(start, end)
        try:
            asked = self.chain.actuals(self.zone, start, end).series
        except GridError:
            return None if held is None else held.between(start, end)
        finished = self._history.add(asked, now).between(start, end)
        if held is None or known_seconds(finished, start, end) >= known_seconds(held, start, end):
            return finished
        return held.between(start, end)

    def compare(self, now: datetime) -> tuple[ForecastScore, ...]:
        """Return how well plans by each provider's forecasts would have done, and order by it.

        Every provider is asked (through its cache), also those that `refresh` does not reach, so
        that their forecasts are on record. The chain changes only by `preferred_order`'s rule.
        Call it about once an hour of the data.
        """
        with self._lock:
            for provider in self.chain.providers:
                with contextlib.suppress(GridError):
                    self._vintages.add(provider.label, provider.forecast(self.zone, now))
            actual = self._history.of(self.zone, self.signal)
            if actual is None:
                return ()
            hour = self._day([actual]) / 24
            labels = [provider.label for provider in self.chain.providers]
            scores = tuple(
                one
                for label in labels
                for one in score(
                    label,
                    self._vintages.of(self.zone, label, self.signal).items,
                    actual,
                    hour=hour,
                )
            )
            self.chain = self.chain.reordered(preferred_order(labels, scores))
            return scores

    def _expected(self, now: datetime) -> tuple[ChainAnswer | None, tuple[Failure, ...]]:
        try:
            answer = self.chain.forecast(self.zone, now)
        except Exhausted as error:
            return None, error.failures
        except NotOffered:
            return None, ()
        if not answer.is_old:
            self._vintages.add(answer.provider, answer.series)
        return answer, answer.failures

    def _see_actuals(self, now: datetime, answer: ChainAnswer | None) -> None:
        if self._asked_at is not None and timedelta(0) <= now - self._asked_at < self._refresh:
            return
        self._asked_at = now
        known = self._history.of(self.zone, self.signal)
        day = self._day([series for series in (known, answer and answer.series) if series])
        start = now - PROFILE_DAYS * day
        if self._filled and known is not None:
            # The last day again: estimates are replaced by final values within it.
            start = max(start, known.points[-1].end - day)
        try:
            self._history.add(self.chain.actuals(self.zone, start, now).series, now)
        except GridError:
            return
        self._filled = True

    def _day(self, series: Sequence[IntensitySeries]) -> timedelta:
        """Return the length of the data's day: 24 h, or less in an accelerated replay."""
        if self._slots_per_day is None:
            return timedelta(days=1)
        lengths = [point.end - point.start for one in series for point in one.points[:1]]
        return self._slots_per_day * lengths[0] if lengths else timedelta(days=1)

    def _with_past(self, answer: ChainAnswer, now: datetime) -> IntensitySeries:
        """Return the forecast with what was expected of earlier slots before it."""
        ahead = answer.series.points
        past = self._past_points(answer, ahead[0].start, now)
        before = tuple(point for point in past if point.end <= ahead[0].start)
        return replace(answer.series, points=before + ahead)

    def _past_points(
        self, answer: ChainAnswer, first: datetime, now: datetime
    ) -> tuple[Point, ...]:
        for provider in self.chain.providers:
            file = provider.provider
            if provider.label == answer.provider and isinstance(file, FileProvider):
                try:
                    begin = first - 2 * PROFILE_DAYS * self._day([answer.series])
                    return file.forecast_column(self.zone, begin, first).points
                except GridError:
                    return ()
        return self._vintages.of(self.zone, answer.provider, self.signal).past(now)


def known_seconds(series: IntensitySeries, start: datetime, end: datetime) -> float:
    """Return how much of `[start, end)` the series has values for, in seconds."""
    return sum(
        (min(point.end, end) - max(point.start, start)).total_seconds()
        for point in series.between(start, end).points
        if point.grams_per_kwh is not None
    )


def build_zones(
    zones: Mapping[str, ZoneSettings],
    *,
    started: datetime,
    folder: Path | None = None,
    history: HistoryStore | None = None,
) -> dict[str, ZoneGrid]:
    """Return the zones that the settings describe; clients of one host share one limit.

    `folder` keeps history, vintages and cached answers over restarts; without it they last as
    long as the process. `history` replaces the one in the folder, for callers that keep it
    elsewhere, such as in a ConfigMap. `started` is when replays begin that do not name a time
    themselves. A climatology that cannot be read is left out with a warning.
    """
    throttles = Throttles()
    cache = SeriesCache(None if folder is None else folder / "cache")
    seen = (
        history
        if history is not None
        else HistoryStore(None if folder is None else folder / "history")
    )
    return {
        zone: ZoneGrid(
            zone,
            settings.signal,
            build_chain(zone, settings, started=started, cache=cache, throttles=throttles),
            history=seen,
            vintages=VintageStore(
                None if folder is None else folder / "vintages",
                # A replay's hours are shorter than the clock's, so nothing is thinned there.
                spacing=SPACING if settings.slots_per_day is None else timedelta(0),
            ),
            refresh=shortest_refresh(settings),
            slots_per_day=settings.slots_per_day,
            climatology=load_climatology(zone, settings),
        )
        for zone, settings in zones.items()
    }
