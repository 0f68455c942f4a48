"""A last page that is stored while a pod is read: its end counts only with its last values."""

from datetime import UTC, datetime, timedelta

import pytest

from lowtide import names
from lowtide.energy.samples import Series, StoredSample
from lowtide_operator.samples.of_pods import PIECE_METRICS, read_pods
from lowtide_operator.samples.source import Selector

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
LAST = 7200.0


class Store:
    """A store in which the last page appears before its query of a number."""

    def __init__(self, appears: int) -> None:
        self._appears = appears
        self._asked = 0

    async def samples(
        self, selector: Selector, start: datetime, end: datetime
    ) -> tuple[Series, ...]:
        """Return the samples of two pages, or of the first one."""
        is_stored = self._asked >= self._appears
        self._asked += 1
        first, last = NOON.timestamp() - 60, NOON.timestamp() - 1
        points = {names.METRIC_POD_ENERGY: [(first, 3600.0), (last, LAST)]}
        points[names.METRIC_POD_END] = [(last, last)]
        found = [
            StoredSample(at, value)
            for at, value in points.get(selector.metric, [])
            if at == first or is_stored
        ]
        labels = {"namespace": "ml", "pod": "net-1-x", "pod_uid": "u"}
        return (Series(labels, tuple(found)),) if found else ()

    async def started_at(self) -> datetime | None:
        """Return that the store has always been there."""
        return None

    async def pod_joules(self, at: datetime) -> dict[tuple[str, str], float]:
        """Return nothing."""
        return {}


@pytest.mark.parametrize("appears", range(len(PIECE_METRICS) + 1))
async def test_an_end_is_never_seen_without_the_last_values(appears: int) -> None:
    """Found by an episode: 35,209 of 54,261 J were called final, for good."""
    pieces = [
        piece
        async for piece in read_pods(Store(appears), "ml", ["u"], NOON - timedelta(hours=1), NOON)
    ]
    ends = any(series.samples for piece in pieces for series in piece.end_marker)
    energy = [sample.value for piece in pieces for s in piece.energy for sample in s.samples]
    assert not ends or energy[-1] == LAST
    assert ends or appears > 0
