"""Forecasts as they were made: what a provider said, and when.

Only with these can a forecast be compared with what came true: its bias, its head error, and what
plans based on it would have saved. A vintage is a series with `generated_at` and `fetched_at`.
They are thinned to one per interval and bounded in number, so a month costs a few hundred
kilobytes. Nothing here looks into the future: at a given time only vintages fetched by then exist.
"""

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from lowtide.grid.series import IntensitySeries, Point, SeriesError, Signal
from lowtide.grid.storage import (
    StorageError,
    file_name,
    read_text,
    series_from_text,
    series_to_text,
    write_atomically,
)

KEPT_MAX: Final = 28 * 24
SPACING: Final = timedelta(hours=1)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Vintages:
    """Forecasts of one provider for one zone, oldest first, at most one per `spacing`.

    `spacing` is an hour of the data; a replay at higher speed has shorter hours.
    """

    items: tuple[IntensitySeries, ...] = ()
    spacing: timedelta = SPACING
    kept_max: int = KEPT_MAX

    def with_added(self, forecast: IntensitySeries) -> "Vintages":
        """Return the vintages with `forecast`, unless it is one that is already there.

        The newest one is always kept; the one before it gives way if it is less than `spacing`
        later than its own predecessor.

        Raises:
            SeriesError: it does not say when it was fetched, or is of another zone or signal.
        """
        if forecast.fetched_at is None:
            raise SeriesError(f"a forecast of {forecast.source} does not say when it was fetched")
        if not self.items:
            return replace(self, items=(forecast,))
        last = self.items[-1]
        if (last.zone, last.signal) != (forecast.zone, forecast.signal):
            raise SeriesError("vintages of different zones or signals cannot be kept together")
        if forecast.fetched_at <= made_at(last) or _same_issue(last, forecast):
            return self
        items = self.items
        if len(items) > 1 and made_at(last) - made_at(items[-2]) < self.spacing:
            items = items[:-1]
        return replace(self, items=(*items, forecast)[-self.kept_max :])

    def past(self, now: datetime) -> tuple[Point, ...]:
        """Return, for every slot that began before `now`, its last forecast before it began.

        A slot that no vintage foretold is left out. A forecast that was made while its slot was
        already running counts for that slot only where nothing earlier did.
        """
        told: dict[datetime, Point] = {}
        late: dict[datetime, Point] = {}
        for vintage in self.items:
            fetched = made_at(vintage)
            if fetched > now:
                break
            for point in vintage.points:
                if point.start >= now or point.grams_per_kwh is None:
                    continue
                (told if point.start >= fetched else late)[point.start] = point
        merged = late | told
        return _disjoint(merged[start] for start in sorted(merged))


def made_at(vintage: IntensitySeries) -> datetime:
    """Return when a vintage was received, which is when plans could begin to use it."""
    assert vintage.fetched_at is not None
    return vintage.fetched_at


def _same_issue(last: IntensitySeries, forecast: IntensitySeries) -> bool:
    """Return whether a forecast says again what the last one said, perhaps a slot later."""
    if last.generated_at is not None and last.generated_at == forecast.generated_at:
        return True
    return forecast.points == last.points


def _disjoint(points: Iterable[Point]) -> tuple[Point, ...]:
    """Return the points without those that begin before the one before them ends."""
    kept: list[Point] = []
    for point in points:
        if not kept or point.start >= kept[-1].end:
            kept.append(point)
    return tuple(kept)


class VintageStore:
    """Vintages by zone and provider label: in memory, and in one file each below a folder."""

    def __init__(self, folder: Path | None = None, *, spacing: timedelta = SPACING) -> None:
        """Use `folder`, which may not exist yet; `spacing` as in `Vintages`."""
        self._folder = folder
        self._spacing = spacing
        self._known: dict[str, Vintages] = {}
        self._lock = threading.Lock()

    def of(self, zone: str, label: str, signal: Signal) -> Vintages:
        """Return what one provider said about one zone; empty where nothing is kept."""
        with self._lock:
            return self._get(file_name(zone, signal, label))

    def add(self, label: str, forecast: IntensitySeries) -> Vintages:
        """Keep a forecast, on disk too if it is a new issue, and return all that are kept."""
        name = file_name(forecast.zone, forecast.signal, label)
        with self._lock:
            before = self._get(name)
            after = before.with_added(forecast)
            if after is not before:
                self._known[name] = after
                self._save(name, after)
            return after

    def _get(self, name: str) -> Vintages:
        if name not in self._known:
            self._known[name] = Vintages(self._read(name), self._spacing)
        return self._known[name]

    def _read(self, name: str) -> tuple[IntensitySeries, ...]:
        if self._folder is None:
            return ()
        try:
            lines = (read_text(self._folder / name) or "").splitlines()
            return tuple(series_from_text(line) for line in lines)
        except (StorageError, OSError) as error:
            log.warning("vintages %s begin anew: %s", name, error)
            return ()

    def _save(self, name: str, vintages: Vintages) -> None:
        if self._folder is None:
            return
        try:
            text = "\n".join(series_to_text(one) for one in vintages.items)
            write_atomically(self._folder / name, text)
        except OSError as error:
            log.warning("vintages %s cannot be kept: %s", name, error.strerror)
