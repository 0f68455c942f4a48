"""A CSV file as a provider: measured values, expected values, or both.

The file is read again when it changes; a version that cannot be read is reported and the last
good one stays in use. A trace of the past can be replayed from a chosen moment on, also faster.
A replayed trace never tells the future: without a forecast column it offers no forecast.
"""

import logging
import threading
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from lowtide.grid.errors import BadAnswer, GridError, NotOffered, Unavailable
from lowtide.grid.providers.answers import Origin, RawValue, usual_step
from lowtide.grid.providers.base import checked_actuals, checked_forecast
from lowtide.grid.series import IntensitySeries, Signal
from lowtide.grid.trace import (
    GridTrace,
    IntensityUnit,
    Replay,
    TraceFileError,
    TraceRow,
    read_trace,
)

FILE_MAX_BYTES: Final = 64 * 1024 * 1024

log = logging.getLogger(__name__)


class FileProvider:
    """Provider for one CSV file, which holds one zone; see `lowtide.grid.trace` for its layout."""

    def __init__(
        self,
        path: Path,
        *,
        zone: str,
        origin: Origin,
        unit: IntensityUnit = IntensityUnit.GRAMS_PER_KWH,
        times_are_utc: bool = False,
        replay: Replay | None = None,
    ) -> None:
        """Remember where the file is; it is read at the first question, so it may come later."""
        self._path = path
        self._zone = zone
        self._unit = unit
        self._times_are_utc = times_are_utc
        self._replay = replay
        moved = replay is not None and replay != Replay(replay.trace_start, replay.trace_start)
        remark = f"{path.name}{', replayed' if moved else ''}"
        self._origin = replace(origin, remark=remark)
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._good: GridTrace | None = None
        self._problem: GridError | None = None

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
        return self._problem

    def forecast(self, zone: str, now: datetime) -> IntensitySeries:
        """Return the forecast column from `now` on.

        Without that column the values after `now` are themselves what the file expects, except
        in a replay, where they are the future that nobody can know.
        """
        trace = self._trace(zone)
        if not trace.has_forecast and self._replay is not None:
            raise NotOffered(f"{self._path.name} is replayed and has no forecast column")
        readings = [
            RawValue(self._wall(row), row.forecast if trace.has_forecast else row.actual)
            for row in trace.rows
        ]
        return checked_forecast(self._series(zone, readings, fetched_at=now), now)

    def forecast_column(self, zone: str, start: datetime, end: datetime) -> IntensitySeries:
        """Return the forecast column's values in `[start, end)`, also those of the past.

        Raises:
            NotOffered: the file has no such column.
            GridError: as for `forecast`.
        """
        trace = self._trace(zone)
        if not trace.has_forecast:
            raise NotOffered(f"{self._path.name} has no forecast column")
        readings = [RawValue(self._wall(row), row.forecast) for row in trace.rows]
        return checked_actuals(self._series(zone, readings), start, end)

    def actuals(self, zone: str, start: datetime, end: datetime) -> IntensitySeries:
        """Return the values that overlap `[start, end)`."""
        readings = [RawValue(self._wall(row), row.actual) for row in self._trace(zone).rows]
        return checked_actuals(self._series(zone, readings), start, end)

    def _wall(self, row: TraceRow) -> datetime:
        return row.start if self._replay is None else self._replay.wall(row.start)

    def _series(
        self, zone: str, readings: list[RawValue], fetched_at: datetime | None = None
    ) -> IntensitySeries:
        if usual_step([reading.start for reading in readings]) is None:
            raise BadAnswer(f"{self._path.name} needs at least two times to tell the slot's length")
        return self._origin.series(zone, readings, fetched_at=fetched_at)

    def _trace(self, zone: str) -> GridTrace:
        """Return the newest version that could be read.

        Raises:
            NotOffered: the file is about another zone.
            Unavailable: there is no readable file.
            BadAnswer: it has never been a valid trace.
        """
        if zone != self._zone:
            raise NotOffered(f"{self._path.name} holds zone {self._zone}, not {zone}")
        with self._lock:
            self._reload_if_changed()
            if self._good is not None:
                return self._good
            problem = self._problem or Unavailable(f"{self._path.name} was never read")
        raise type(problem)(str(problem))

    def _reload_if_changed(self) -> None:
        try:
            state = self._path.stat()
            version = (state.st_mtime_ns, state.st_size, state.st_ino)
            if version == self._seen:
                return
            self._seen = version
            if state.st_size > FILE_MAX_BYTES:
                raise TraceFileError(f"it is larger than {FILE_MAX_BYTES} bytes")
            lines = self._path.read_text(encoding="utf-8-sig").splitlines()
            self._good = read_trace(lines, unit=self._unit, times_are_utc=self._times_are_utc)
            self._problem = None
        except OSError as error:
            self._seen = None
            self._reject(Unavailable(f"{self._path.name} cannot be read: {error.strerror}"))
        except (TraceFileError, UnicodeDecodeError) as error:
            self._reject(BadAnswer(f"{self._path.name} is not a valid trace: {error}"))

    def _reject(self, problem: GridError) -> None:
        if self._good is not None and str(problem) != str(self._problem):
            log.warning("%s; the last good version stays in use", problem)
        self._problem = problem
