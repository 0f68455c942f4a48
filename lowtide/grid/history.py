"""Intensity that was actually seen, kept for the profile and for honest counterfactuals.

One history holds one zone, one signal and one source: values of another source or signal never
enter it, because a step between two methods would look like a change of the grid. It is bounded in
slots, so memory and disk stay flat. Final values replace estimates and are never replaced by them.
"""

import logging
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from lowtide.grid.series import (
    Factor,
    IntensitySeries,
    Point,
    SeriesError,
    Signal,
    require_same_signal,
    same_factor,
)
from lowtide.grid.storage import (
    StorageError,
    file_name,
    read_text,
    series_from_text,
    series_to_text,
    write_atomically,
)

SLOTS_MAX: Final = 60 * 288
"""60 days of five-minute slots; the forecast looks no further back."""

log = logging.getLogger(__name__)


def observed(
    known: IntensitySeries | None,
    newer: IntensitySeries,
    now: datetime,
    *,
    slots_max: int = SLOTS_MAX,
) -> IntensitySeries:
    """Return `known` with the finished slots of `newer` laid over it, newest `slots_max` only.

    A slot that is not over at `now` is left out, an estimate does not replace a final value, and
    a missing value replaces nothing.

    Raises:
        MixedSignalsError: the two are of different signals.
        SeriesError: they are of different zones or sources.
    """
    base = replace(newer, points=()) if known is None else known
    require_same_signal(base, newer)
    if (base.zone, base.source) != (newer.zone, newer.source):
        raise SeriesError(
            f"history of {base.source} for zone {base.zone} cannot take values of {newer.source} "
            f"for zone {newer.zone}"
        )
    finished = [p for p in newer.points if p.grams_per_kwh is not None and p.end <= now]
    old = base.points
    accepted = [p for p in finished if not (p.estimated and _has_final(old, p))]
    kept = [p for p in old if not _overlaps(accepted, p)]
    points = sorted([*kept, *accepted], key=lambda point: point.start)
    return replace(
        base,
        points=tuple(points[-slots_max:]),
        factor=newer.factor,
        fetched_at=newer.fetched_at or base.fetched_at,
    )


def _has_final(points: Sequence[Point], point: Point) -> bool:
    return any(not other.estimated for other in _overlapping(points, point))


def _overlaps(points: Sequence[Point], point: Point) -> bool:
    return bool(_overlapping(points, point))


def _overlapping(points: Sequence[Point], point: Point) -> Sequence[Point]:
    """Return those of the ordered, disjoint `points` that share time with `point`."""
    low = bisect_right(points, point.start, key=lambda other: other.end)
    high = bisect_left(points, point.end, key=lambda other: other.start)
    return points[low:high]


class HistoryStore:
    """Histories by zone, signal and source: in memory, and in one file each below a folder.

    Without a folder they last as long as the process. A damaged file is set aside with the
    suffix `.damaged` and its history begins anew.
    """

    def __init__(self, folder: Path | None = None, *, slots_max: int = SLOTS_MAX) -> None:
        """Use `folder`, which may not exist yet."""
        self._folder = folder
        self._slots_max = slots_max
        self._known: dict[tuple[str, Signal, str], IntensitySeries] = {}
        self._lock = threading.Lock()
        if folder is not None:
            for path in sorted(folder.glob("*.json")):
                self._load(path)

    def of(
        self,
        zone: str,
        signal: Signal,
        source: str | None = None,
        factor: Factor = Factor.UNKNOWN,
    ) -> IntensitySeries | None:
        """Return a zone's history; without `source` the one that reaches furthest in time.

        Histories of another known factor than `factor` are left out, where that is known.
        """
        with self._lock:
            found = [
                series
                for (its_zone, its_signal, its_source), series in self._known.items()
                if (its_zone, its_signal) == (zone, signal)
                and source in (None, its_source)
                and same_factor(series.factor, factor)
                and series.points
            ]
        return max(found, key=lambda series: (series.points[-1].end, series.source), default=None)

    def add(self, newer: IntensitySeries, now: datetime) -> IntensitySeries:
        """Take what is new and finished, keep it on disk, and return the whole history.

        A disk that cannot be written costs persistence, not the history in memory.
        """
        key = (newer.zone, newer.signal, newer.source)
        with self._lock:
            known = self._known.get(key)
            whole = observed(known, newer, now, slots_max=self._slots_max)
            self._known[key] = whole
            if self._folder is not None and (known is None or whole.points != known.points):
                self._save(whole)
        return whole

    def texts(self) -> dict[str, str]:
        """Return every history as text by a name that a ConfigMap key may have."""
        with self._lock:
            return {
                file_name(series.zone, series.signal, series.source): series_to_text(series)
                for series in self._known.values()
            }

    def restore(self, texts: dict[str, str]) -> None:
        """Take histories that `texts` gave; what cannot be read is left out with a warning."""
        for name, text in texts.items():
            try:
                series = series_from_text(text)
            except StorageError as error:
                log.warning("history %s is left out: %s", name, error)
                continue
            with self._lock:
                self._known[series.zone, series.signal, series.source] = series

    def _load(self, path: Path) -> None:
        try:
            text = read_text(path)
            series = None if text is None else series_from_text(text)
        except StorageError as error:
            log.warning("history %s is set aside: %s", path.name, error)
            path.replace(path.with_suffix(".damaged"))
            return
        except OSError as error:
            log.warning("history %s cannot be read: %s", path.name, error.strerror)
            return
        if series is not None:
            self._known[series.zone, series.signal, series.source] = series

    def _save(self, series: IntensitySeries) -> None:
        assert self._folder is not None
        try:
            write_atomically(
                self._folder / file_name(series.zone, series.signal, series.source),
                series_to_text(series),
            )
        except OSError as error:
            log.warning("history of zone %s cannot be kept: %s", series.zone, error.strerror)
