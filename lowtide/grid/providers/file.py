"""A CSV file as a provider: measured values, expected values, or both.

The file is read again when it changes; a version that cannot be read is reported and the last
good one stays in use. A trace of the past can be replayed from a chosen moment on, also faster.
A replayed trace never tells the future: without a forecast column it offers no forecast.
"""

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from lowtide.grid.errors import BadAnswer, GridError, NotOffered
from lowtide.grid.providers.answers import Origin
from lowtide.grid.providers.base import checked_actuals, checked_forecast
from lowtide.grid.raw_values import RawValue, usual_step
from lowtide.grid.series import IntensitySeries, Signal
from lowtide.grid.trace import GridTrace, Replay, read_trace
from lowtide.grid.trace_columns import IntensityUnit
from lowtide.grid.watched_file import WatchedFile

log = logging.getLogger(__name__)


class FileProvider:
    """Provider for one CSV file, which holds one zone; see `lowtide.grid.trace` for its layout."""

    def __init__(
        self,
        path: Path,
        *,
        zone: str,
        origin: Origin,
        unit: IntensityUnit | None = None,
        times_are_utc: bool = False,
        replay: Replay | None = None,
        known: GridTrace | None = None,
    ) -> None:
        """Remember where the file is; it is read at the first question, so it may come later.

        With `known`, what was read of it before, the file is not read again.
        """
        self._zone = zone
        self._known = known
        self._replay = replay
        moved = replay is not None and replay != Replay(replay.trace_start, replay.trace_start)
        remark = f"{path.name}{', replayed' if moved else ''}"
        self._origin = replace(origin, remark=remark)

        def read(lines: Iterable[str]) -> GridTrace:
            trace = read_trace(lines, unit=unit, factor=origin.factor, times_are_utc=times_are_utc)
            for note in trace.notes:
                log.info("%s: %s", path.name, note)
            return trace

        self._file = WatchedFile(path, read, "trace")

    @property
    def name(self) -> str:
        """The provider's kind in settings and metrics; its series name the file too."""
        return "file"

    @property
    def signal(self) -> Signal:
        """What the file's values describe, as configured."""
        return self._origin.signal

    @property
    def problem(self) -> GridError | None:
        """Why the file's present version is not in use, or `None` where it is."""
        return self._file.problem

    def forecast(self, zone: str, now: datetime) -> IntensitySeries:
        """Return the forecast column from `now` on.

        Without that column the values after `now` are themselves what the file expects, except
        in a replay, where they are the future, which cannot be known.
        """
        trace = self._trace(zone)
        if not trace.has_forecast and self._replay is not None:
            raise NotOffered(f"{self._file.path.name} is replayed and has no forecast column")
        column = trace.forecasts() if trace.has_forecast else trace.actuals()
        return checked_forecast(self._series(trace, column, fetched_at=now), now)

    def forecast_column(self, zone: str, start: datetime, end: datetime) -> IntensitySeries:
        """Return the forecast column's values in `[start, end)`, also those of the past.

        Raises:
            NotOffered: the file has no such column.
            GridError: as for `forecast`.
        """
        trace = self._trace(zone)
        if not trace.has_forecast:
            raise NotOffered(f"{self._file.path.name} has no forecast column")
        return checked_actuals(self._series(trace, trace.forecasts()), start, end)

    def actuals(self, zone: str, start: datetime, end: datetime) -> IntensitySeries:
        """Return the values that overlap `[start, end)`."""
        trace = self._trace(zone)
        return checked_actuals(self._series(trace, trace.actuals()), start, end)

    def _series(
        self, trace: GridTrace, values: list[RawValue], fetched_at: datetime | None = None
    ) -> IntensitySeries:
        if usual_step([value.start for value in values]) is None:
            name = self._file.path.name
            raise BadAnswer(f"{name} needs at least two times to tell the slot's length")
        if self._replay is not None:
            values = [replace(value, start=self._replay.wall(value.start)) for value in values]
        origin = replace(self._origin, factor=trace.factor)
        return origin.series(self._zone, values, fetched_at=fetched_at)

    def _trace(self, zone: str) -> GridTrace:
        """Return the newest version that could be read.

        Raises:
            NotOffered: the file is about another zone.
            Unavailable: the file cannot be read.
            BadAnswer: it has never been a valid trace.
        """
        if zone != self._zone:
            raise NotOffered(f"{self._file.path.name} holds zone {self._zone}, not {zone}")
        return self._file.content() if self._known is None else self._known
