"""Cache of a provider's answers: asked no more often than needed, kept over restarts.

An answer is reused for the provider's refresh time (five minutes at least for public services).
After a failure the provider is left alone for a while and the same error is raised again. The last
good forecast stays available by name, so that a chain can fall back on it knowingly: a failure is
never hidden behind an old answer here.
"""

import hashlib
import logging
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from lowtide.grid.errors import GridError
from lowtide.grid.pauses import FailurePauses
from lowtide.grid.providers.base import FORECAST_MAX_AGE, Provider, checked_forecast
from lowtide.grid.series import IntensitySeries, Signal
from lowtide.grid.storage import StorageError, read_text, series_from_text, series_to_text
from lowtide.grid.storage import write_atomically as write

ENTRIES_MAX: Final = 256

log = logging.getLogger(__name__)


class SeriesCache:
    """Series by key, in memory and, where a folder is given, on disk; the oldest files go first."""

    def __init__(self, folder: Path | None = None, *, entries_max: int = ENTRIES_MAX) -> None:
        """Use `folder`; it is made at the first write, and may be lost without harm."""
        self._folder = folder
        self._entries_max = entries_max
        self._known: dict[str, IntensitySeries] = {}
        self._lock = threading.Lock()

    def get(self, key: str) -> IntensitySeries | None:
        """Return the series of `key`; a damaged file counts as absent."""
        with self._lock:
            if key in self._known or self._folder is None:
                return self._known.get(key)
            try:
                text = read_text(self._path(key))
                series = None if text is None else series_from_text(text)
            except (StorageError, OSError) as error:
                log.warning("a cached forecast is ignored: %s", error)
                return None
            if series is not None:
                self._remember(key, series)
            return series

    def put(self, key: str, series: IntensitySeries) -> None:
        """Keep `series`; a disk that is full or read-only costs the copy and nothing else."""
        with self._lock:
            self._remember(key, series)
            if self._folder is None:
                return
            try:
                write(self._path(key), series_to_text(series))
                self._evict()
            except OSError as error:
                log.warning("a forecast cannot be cached on disk: %s", error.strerror)

    def _remember(self, key: str, series: IntensitySeries) -> None:
        self._known.pop(key, None)
        self._known[key] = series
        while len(self._known) > self._entries_max:
            self._known.pop(next(iter(self._known)))

    def _path(self, key: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"

    def _evict(self) -> None:
        assert self._folder is not None
        files = sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        for path in files[: -self._entries_max]:
            path.unlink(missing_ok=True)


class CachedProvider:
    """A provider that is asked once per `refresh` and left alone after failures.

    `label` tells providers of one kind apart in files, metrics and scores; `identity` stands for
    what they were configured with, so that changed settings do not find the old ones' answers.
    """

    def __init__(
        self,
        provider: Provider,
        cache: SeriesCache,
        *,
        refresh: timedelta,
        label: str = "",
        identity: str = "",
    ) -> None:
        """Wrap `provider`; several wrappers may share one cache under different labels."""
        self.provider = provider
        self.label = label or provider.name
        self._identity = identity
        self._cache = cache
        self._refresh = refresh
        self._pauses = FailurePauses(refresh)
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The wrapped provider's name."""
        return self.provider.name

    @property
    def signal(self) -> Signal:
        """The wrapped provider's signal."""
        return self.provider.signal

    def forecast(self, zone: str, now: datetime) -> IntensitySeries:
        """Return a forecast that was fetched less than `refresh` ago.

        Threads that ask for the same zone at once wait for one request.

        Raises:
            GridError: as the provider did, also while it is left alone after a failure.
        """
        with self._lock_of(zone):
            held = self._held(zone)
            if held is not None and _age(held, now) < self._refresh:
                return checked_forecast(held, now)
            self._pauses.raise_if_paused(zone, now)
            try:
                fresh = self.provider.forecast(zone, now)
            except GridError as error:
                self._pauses.begin(zone, now, error)
                raise
            self._cache.put(self._key(zone), fresh)
            return fresh

    def actuals(self, zone: str, start: datetime, end: datetime) -> IntensitySeries:
        """Return the provider's own answer; what was seen is kept by the history, not here.

        Raises:
            GridError: as the provider did.
        """
        return self.provider.actuals(zone, start, end)

    def last_forecast(self, zone: str, now: datetime) -> IntensitySeries | None:
        """Return the last forecast that was received, if it is usable at all, however old."""
        held = self._held(zone)
        if held is None or _age(held, now) > FORECAST_MAX_AGE:
            return None
        try:
            return checked_forecast(held, now)
        except GridError:
            return None

    def _held(self, zone: str) -> IntensitySeries | None:
        held = self._cache.get(self._key(zone))
        if held is None or held.zone != zone or held.signal is not self.signal:
            return None
        return held

    def _key(self, zone: str) -> str:
        return "\n".join((self.label, self.signal, zone, self._identity))

    def _lock_of(self, zone: str) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault(zone, threading.Lock())


def _age(series: IntensitySeries, now: datetime) -> timedelta:
    """Return how long ago the series was fetched; one from the future (clock set back) is old."""
    if series.fetched_at is None or series.fetched_at > now:
        return timedelta.max
    return now - series.fetched_at
