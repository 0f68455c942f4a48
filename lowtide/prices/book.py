"""Prices that were published, by zone and source: kept over restarts and never out of date.

A published price is final, so the book is history, cache and the fallback of an outage in one. It
is bounded in slots. Prices of different sources or currencies never enter one series.
"""

import logging
import threading
from bisect import bisect_left
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from lowtide.grid.storage import StorageError, file_name, read_text, write_atomically
from lowtide.prices.series import PricePoint, PriceSeries
from lowtide.prices.storage import prices_from_text, prices_to_text

SLOTS_MAX: Final = 70 * 96
"""70 days of quarter-hours: 60 of the past and what is published ahead."""

log = logging.getLogger(__name__)


class PriceBook:
    """Published prices in memory, and in one file each below a folder."""

    def __init__(self, folder: Path | None = None, *, slots_max: int = SLOTS_MAX) -> None:
        """Use `folder`, which may not exist yet; without it prices last as long as the process."""
        self._folder = folder
        self._slots_max = slots_max
        self._known: dict[str, PriceSeries | None] = {}
        self._lock = threading.Lock()

    def of(self, zone: str, label: str, currency: str) -> PriceSeries | None:
        """Return what one provider published for a zone, or `None`."""
        with self._lock:
            return self._get(file_name(zone, label, currency))

    def add(self, label: str, newer: PriceSeries) -> PriceSeries:
        """Take what is newly published and return everything that is known.

        A disk that cannot be written costs persistence, not the prices in memory.
        """
        name = file_name(newer.zone, label, newer.currency)
        with self._lock:
            known = self._get(name)
            points = newer.points if known is None else laid_over(known, newer)
            whole = replace(newer, points=points[-self._slots_max :])
            self._known[name] = whole
            if self._folder is not None and (known is None or known.points != whole.points):
                try:
                    write_atomically(self._folder / name, prices_to_text(whole))
                except OSError as error:
                    log.warning("prices %s cannot be kept: %s", name, error.strerror)
            return whole

    def _get(self, name: str) -> PriceSeries | None:
        if name not in self._known and self._folder is not None:
            try:
                text = read_text(self._folder / name)
                self._known[name] = None if text is None else prices_from_text(text)
            except (StorageError, OSError) as error:
                log.warning("prices %s begin anew: %s", name, error)
                self._known[name] = None
        return self._known.get(name)


def laid_over(known: PriceSeries, newer: PriceSeries) -> tuple[PricePoint, ...]:
    """Return the points of both in order; newer ones replace all that they share time with.

    A missing price replaces nothing, also where the slots changed their length in between.
    """
    fresh = [point for point in newer.points if point.per_kwh is not None]
    starts = [point.start for point in fresh]
    kept = [point for point in known.points if not _overlaps(fresh, starts, point)]
    return tuple(sorted([*kept, *fresh], key=lambda point: point.start))


def _overlaps(points: list[PricePoint], starts: list[datetime], point: PricePoint) -> bool:
    index = bisect_left(starts, point.end) - 1
    return index >= 0 and points[index].end > point.start
