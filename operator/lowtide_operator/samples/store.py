"""Samples that the operator scraped itself, in one SQLite file that outlives its process.

Values that do not change are stored once: a gauge at its first value, a final counter at its last,
so a page of a thousand ended pods costs nothing. The number of samples is bounded. At the bound,
every second sample of the longest counters is dropped: the timing of their energy becomes coarser
and its sum stays, because counters begin at zero and their last value is kept. Labels are
parameters of statements, never parts of them. Of a node's clock only the scrapes around a change
against the store's own time are stored. Several threads may use a store.
"""

import json
import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from lowtide.energy.samples import Series, StoredSample
from lowtide_operator.samples.exporter_page import CLOCK, COUNTERS, Page, PageSample
from lowtide_operator.samples.source import Selector

LOG: Final = logging.getLogger(__name__)

FILE_NAME: Final = "samples.sqlite"
_CLOCK_STEADY_SECONDS: Final = 0.5
"""A change of a node's clock against the store's own time that is stored."""
_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY, metric TEXT NOT NULL, labels TEXT NOT NULL, seen REAL NOT NULL,
    latest REAL NOT NULL, final INTEGER NOT NULL DEFAULT 0, UNIQUE (metric, labels)
);
CREATE TABLE IF NOT EXISTS sample (
    series INTEGER NOT NULL, time REAL NOT NULL, value REAL NOT NULL, PRIMARY KEY (series, time)
) WITHOUT ROWID;
"""


class SampleStore:
    """Samples by series; `directory` is where the file lies, `None` keeps them in memory.

    Raises:
        sqlite3.Error: the disk is full or cannot be written (all methods).
    """

    def __init__(
        self, directory: Path | None, *, keep_seconds: float, maximum_samples: int
    ) -> None:
        self._keep_seconds = keep_seconds
        self._maximum = maximum_samples
        self._lock = threading.Lock()
        self._database = _open(directory)

    def close(self) -> None:
        """Write everything and close the file."""
        with self._lock:
            self._database.close()

    def add(self, page: Page, *, instance: str, at_seconds: float) -> None:
        """Store the whole page that the exporter at `instance` gave at a Unix time, or nothing.

        A page older than the stored samples of a series adds nothing to it.
        """
        final_pods = page.final_pods
        with self._lock, self._database:
            for sample in page.samples:
                labels = json.dumps({**sample.labels, "instance": instance}, sort_keys=True)
                is_final = sample.labels.get("pod_uid") in final_pods  # "" is a pod without a uid
                identity = self._note(sample, labels, at_seconds, is_final)
                if identity is not None:
                    self._database.execute(
                        "INSERT OR REPLACE INTO sample VALUES (?, ?, ?)",
                        (identity, at_seconds, sample.value),
                    )

    def _note(
        self, sample: PageSample, labels: str, at_seconds: float, is_final: bool
    ) -> int | None:
        """Note that a series was seen; return its id if its value must be stored."""
        row = self._database.execute(
            "SELECT id, seen, latest, final FROM series WHERE metric = ? AND labels = ?",
            (sample.metric, labels),
        ).fetchone()
        if row is None:
            return self._database.execute(
                "INSERT INTO series (metric, labels, seen, latest, final) VALUES (?, ?, ?, ?, ?)",
                (sample.metric, labels, at_seconds, sample.value, is_final),
            ).lastrowid
        identity, seen, latest, was_final = row
        if at_seconds <= seen:
            return None
        self._database.execute(
            "UPDATE series SET seen = ?, latest = ?, final = ? WHERE id = ?",
            (at_seconds, sample.value, is_final, identity),
        )
        if sample.metric == CLOCK:
            return self._note_clock(int(identity), StoredSample(seen, latest), at_seconds, sample)
        is_steady = sample.metric not in COUNTERS or (was_final and is_final)
        return None if is_steady and latest == sample.value else int(identity)

    def _note_clock(
        self, identity: int, before: StoredSample, at_seconds: float, sample: PageSample
    ) -> int | None:
        """Return the id if the clock was set or drifted; then store how it went before, too."""
        (stored_at, stored), *_ = self._database.execute(
            "SELECT time, value FROM sample WHERE series = ? ORDER BY time DESC LIMIT 1",
            (identity,),
        ).fetchall()
        if abs((sample.value - at_seconds) - (stored - stored_at)) <= _CLOCK_STEADY_SECONDS:
            return None
        self._database.execute(
            "INSERT OR REPLACE INTO sample VALUES (?, ?, ?)",
            (identity, before.time_seconds, before.value),
        )
        return identity

    def read(self, selector: Selector, start: float, end: float) -> tuple[Series, ...]:
        """Return the series of a selector with their samples in `(start, end]`, Unix times.

        A gauge seen after `start` includes the value that held at `start`; a final series ends with
        its value at the time it was last seen, as if stored then.
        """
        with self._lock:
            return tuple(self._read(selector, start, end))

    def _read(self, selector: Selector, start: float, end: float) -> Iterator[Series]:
        matches = selector.matcher()
        rows = self._database.execute(
            "SELECT id, labels, seen, final, latest FROM series WHERE metric = ? AND seen > ?",
            (selector.metric, start),
        ).fetchall()
        first = start if selector.metric in COUNTERS else float("-inf")
        for identity, text, seen, is_final, latest in rows:
            labels: dict[str, str] = json.loads(text)
            if not matches(labels):
                continue
            samples = [
                StoredSample(at, value)
                for at, value in self._database.execute(
                    "SELECT time, value FROM sample WHERE series = ? AND time > ? AND time <= ?"
                    " ORDER BY time",
                    (identity, first, end),
                )
            ]
            if not samples:
                continue
            if is_final and samples[-1].time_seconds < min(seen, end):
                samples.append(StoredSample(min(seen, end), samples[-1].value))
            if selector.metric == CLOCK and samples[-1].time_seconds < seen <= end:
                samples.append(StoredSample(seen, latest))
            yield Series({**labels, "__name__": selector.metric}, tuple(samples))

    def prune(self, now: float) -> None:
        """Delete series not seen for long, and thin the longest ones above the bound."""
        with self._lock, self._database as database:
            old = [
                (identity,)
                for (identity,) in database.execute(
                    "SELECT id FROM series WHERE seen < ?", (now - self._keep_seconds,)
                )
            ]
            database.executemany("DELETE FROM sample WHERE series = ?", old)
            database.executemany("DELETE FROM series WHERE id = ?", old)
            counts = dict(
                database.execute("SELECT series, count(*) FROM sample GROUP BY series").fetchall()
            )
            excess = sum(counts.values()) - self._maximum
            if excess <= 0:
                return
            LOG.warning(
                "more than %d samples are kept: every second one of the longest runs is dropped; "
                "their energy stays exact and its timing becomes coarser",
                self._maximum,
            )
            for identity in _longest(counts, excess):
                database.executemany(
                    "DELETE FROM sample WHERE series = ? AND time = ?",
                    [(identity, at) for at in self._every_second(identity)],
                )

    def _every_second(self, identity: int) -> Iterator[float]:
        """Yield the times of every second sample, never the first or the last."""
        times = [
            at
            for (at,) in self._database.execute(
                "SELECT time FROM sample WHERE series = ? ORDER BY time", (identity,)
            )
        ]
        yield from times[1:-1:2]


def _longest(counts: dict[int, int], excess: int) -> Iterable[int]:
    """Return the longest series, as many as must be thinned to lose about `excess` samples."""
    chosen = []
    for identity, count in sorted(counts.items(), key=lambda item: -item[1]):
        if excess <= 0 or count < 3:
            break
        chosen.append(identity)
        excess -= (count - 1) // 2
    return chosen


def _open(directory: Path | None) -> sqlite3.Connection:
    """Open the file; a damaged one is put aside, and without a usable disk memory is used."""
    if directory is None:
        return _connect(":memory:")
    path = directory / FILE_NAME
    try:
        directory.mkdir(parents=True, exist_ok=True)
        try:
            return _connect(str(path))
        except sqlite3.OperationalError:  # the disk is at fault, not the content
            raise
        except sqlite3.DatabaseError as error:
            LOG.warning("%s is put aside as %s: %s", path, _put_aside(path), error)
            return _connect(str(path))
    except (OSError, sqlite3.Error) as error:
        LOG.warning("samples are kept in memory only, %s cannot be used: %s", path, error)
        return _connect(":memory:")


def _put_aside(path: Path) -> Path:
    aside = path.with_suffix(".damaged")
    path.replace(aside)
    for ending in ("-wal", "-shm"):  # they belong to the old file
        path.with_name(path.name + ending).unlink(missing_ok=True)
    return aside


def _connect(place: str) -> sqlite3.Connection:
    """Open a database and check its version.

    Raises:
        sqlite3.DatabaseError: the file is damaged, or has another version.
    """
    database = sqlite3.connect(place, check_same_thread=False, timeout=5)
    try:
        version: int = database.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _VERSION):
            raise sqlite3.DatabaseError(f"it has version {version}, not {_VERSION}")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(_SCHEMA)
        database.execute(f"PRAGMA user_version = {_VERSION}")
        database.execute("SELECT count(*) FROM series").fetchone()
    except BaseException:
        database.close()
        raise
    return database
