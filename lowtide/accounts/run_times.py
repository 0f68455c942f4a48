"""Times of pods' runs that the kubelet told, by the store's clock.

The kubelet tells starts and ends by its node's clock, like the exporter beside it. Where that clock
was wrong, a run would lie beside its own samples. Pure.
"""

from collections.abc import Sequence
from datetime import datetime

from lowtide.energy.node_clock import Ahead, NodeClocks
from lowtide.energy.samples import Series

RunSeconds = tuple[float | None, float | None]
"""Start and end, Unix seconds; `None` where it was not told or is right."""


class RunTimes:
    """Runs as they were told; `clocks` has looked at what is put right by it."""

    def __init__(self, clocks: NodeClocks) -> None:
        self._clocks = clocks
        self._told: dict[str, RunSeconds] = {}
        self._latest_ends: dict[str, float] = {}
        self._starts: dict[str, float | None] = {}
        self._at_end: dict[str, Ahead] = {}

    def note(
        self,
        uid: str,
        start: datetime | None,
        end: datetime | None,
        latest_end: datetime | None = None,
    ) -> None:
        """Note a pod's start and end as its node told them, `None` where it did not.

        `latest_end` is when all pods of the run had ended, by another clock than the node's.
        """
        self._told[uid] = (
            None if start is None else start.timestamp(),
            None if end is None else end.timestamp(),
        )
        self._latest_ends[uid] = 0.0 if latest_end is None else latest_end.timestamp()

    def righted(
        self, uid: str, energy: Sequence[Series], end_marker: Sequence[Series]
    ) -> RunSeconds | None:
        """Return start and end of a pod's run, `None` where the node's clock was right.

        A clock that was set near an end leaves two times possible: then the run is the longer one,
        so that coverage does not claim too much.
        """
        seen = [(s.time_seconds, series) for series in energy for s in series.samples]
        if not seen:
            return None
        by_time = {at: series.scraper for at, series in seen}
        first, last = min(by_time), max(by_time)
        start, end = self._told.get(uid, (None, None))
        if uid not in self._starts:
            self._starts[uid] = self._righted_start(by_time[first], first, start)
        marked = [(s.time_seconds, series.scraper) for series in end_marker for s in series.samples]
        if marked:
            at, scraper = min(marked, key=lambda one: one[0])
            self._at_end.setdefault(uid, self._clocks.ahead(scraper, at))
        at_end = self._at_end.get(uid) or self._clocks.ahead(by_time[last], last)
        if self._starts[uid] == start and at_end.is_right:
            return None
        if start is not None and end is not None and end <= start:
            # The clock was set back during the run, so the end that it told says nothing.
            ends = [s.value for series in end_marker for s in series.samples]
            end = max(ends, default=max(last, self._latest_ends.get(uid, 0.0)))
        elif end is not None:
            # The clock may have been set between the end and the scrape that first told it.
            after = self._starts[uid] or 0.0
            possible = [at for at in self._clocks.possible(by_time[last], end) if at > after]
            end = max((at for at in possible if at <= last), default=end - at_end.least)
        return self._starts[uid], end

    def _righted_start(
        self, scraper: frozenset[tuple[str, str]], first: float, start: float | None
    ) -> float | None:
        """Return a told start by the store's clock; the clock may have been set before `first`."""
        if start is None:
            return None
        possible = self._clocks.possible(scraper, start)
        latest = start - self._clocks.ahead(scraper, first).most
        return min((at for at in possible if at <= first), default=latest)
