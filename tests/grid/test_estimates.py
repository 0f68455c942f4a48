"""Estimates fill what was not seen, marked, and never with another signal."""

from datetime import UTC, datetime, timedelta

from lowtide.grid.estimates import with_estimates
from lowtide.grid.series import AverageSeries, MarginalSeries, Point

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)

HOUR = timedelta(hours=1)


def series(values: dict[int, float | None], kind: type = AverageSeries) -> AverageSeries:
    """Return hourly values by hours from noon."""
    points = tuple(
        Point(NOON + h * HOUR, NOON + (h + 1) * HOUR, value) for h, value in sorted(values.items())
    )
    made: AverageSeries = kind("DE", "grid", points)
    return made


def test_what_was_seen_is_never_replaced_and_gaps_are_marked_estimates() -> None:
    """Two seen hours, one missing, one expected: the expected ones say that they are."""
    filled = with_estimates(
        series({0: 100.0, 1: None}), series({0: 1.0, 1: 200.0, 2: 300.0}), NOON, NOON + 3 * HOUR
    )
    assert filled is not None
    assert [(p.grams_per_kwh, p.estimated) for p in filled.points] == [
        (100.0, False),
        (200.0, True),
        (300.0, True),
    ]
    assert "estimates" in filled.source


def test_estimates_of_another_signal_are_not_used() -> None:
    """Average and marginal never meet."""
    seen = series({0: 100.0})
    assert with_estimates(seen, series({1: 5.0}, MarginalSeries), NOON, NOON + 2 * HOUR) is seen
