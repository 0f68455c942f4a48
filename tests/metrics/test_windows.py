"""Time-weighted averages of intensity."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.metrics.result import MetricError
from lowtide.metrics.windows import IntensitySlot, average_over, best_window, rolling_averages
from lowtide.units import lb_per_mwh_to_grams_per_kwh

Vectors = Callable[[str], dict[str, Any]]
MINUTE = 60


def five_minute(values: list[float]) -> list[IntensitySlot]:
    step = 5 * MINUTE
    return [IntensitySlot(i * step, (i + 1) * step, value) for i, value in enumerate(values)]


def test_reproduces_the_rolling_averages(vectors: Vectors) -> None:
    """Carbon Aware SDK unit tests."""
    data = vectors("carbon_windows")
    assert data["data_step_min"] == 5
    for row in data["rolling"]:
        means = rolling_averages(
            five_minute(data["data"]),
            window_seconds=row["window_min"] * MINUTE,
            tick_seconds=row["tick_min"] * MINUTE,
        )
        assert means == pytest.approx(row["out"], rel=1e-12), row


def test_reproduces_the_averages_over_a_period(vectors: Vectors) -> None:
    """Minutes 4 to 20 average 28.75."""
    data = vectors("carbon_windows")
    for row in data["average_over_period"]:
        mean = average_over(
            five_minute(data["data"]),
            start_seconds=row["start_min"] * MINUTE,
            end_seconds=row["end_min"] * MINUTE,
        )
        assert mean == pytest.approx(row["average"], rel=1e-12), row


def test_the_best_window_is_the_earliest_minimum(vectors: Vectors) -> None:
    """Equal windows: the first."""
    for row in vectors("carbon_windows")["best_window"]:
        sizes = {
            "window_seconds": row["window_min"] * MINUTE,
            "tick_seconds": row["tick_min"] * MINUTE,
        }
        slots = five_minute(row["data"])
        assert rolling_averages(slots, **sizes) == pytest.approx(row["rolling"], rel=1e-12)
        assert best_window(slots, **sizes) == row["best_start_index"]


def test_pounds_convert_by_the_exact_pound(vectors: Vectors) -> None:
    """1 lb/MWh is 0.45359237 g/kWh."""
    for row in vectors("carbon_windows")["unit_conversion"]:
        grams = lb_per_mwh_to_grams_per_kwh(row["lb_per_MWh"])
        assert grams == pytest.approx(row["g_per_kWh"], rel=1e-12)


def test_a_window_longer_than_the_data_does_not_exist() -> None:
    """Only windows fully inside the data count."""
    slots = five_minute([1, 2])

    assert rolling_averages(slots, window_seconds=900, tick_seconds=300) == ()
    assert best_window(slots, window_seconds=900, tick_seconds=300) is None


@pytest.mark.parametrize(
    "slots",
    [
        pytest.param([], id="empty"),
        pytest.param([IntensitySlot(0, 10, 1), IntensitySlot(20, 30, 1)], id="gap"),
        pytest.param([IntensitySlot(0, 10, 1), IntensitySlot(5, 15, 1)], id="overlap"),
        pytest.param([IntensitySlot(10, 20, 1), IntensitySlot(0, 10, 1)], id="order"),
        pytest.param([IntensitySlot(0, 0, 1)], id="empty slot"),
        pytest.param([IntensitySlot(0, 10, -1)], id="negative"),
        pytest.param([IntensitySlot(0, 10, float("nan"))], id="not a number"),
    ],
)
def test_data_that_is_not_whole_is_refused(slots: list[IntensitySlot]) -> None:
    """Gaps are never bridged."""
    with pytest.raises(MetricError):
        rolling_averages(slots, window_seconds=5, tick_seconds=5)


def test_a_period_outside_the_data_is_refused() -> None:
    """The message names the data's range."""
    with pytest.raises(MetricError, match="must lie inside the data, 0 s to 600 s"):
        average_over(five_minute([1, 2]), start_seconds=0, end_seconds=601)


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=20), st.integers(1, 100))
def test_a_mean_lies_between_the_extremes(values: list[float], end: int) -> None:
    """Whatever the period."""
    slots = five_minute(values)
    mean = average_over(slots, start_seconds=0, end_seconds=slots[-1].end_seconds * end / 100)

    assert min(values) - 1e-9 <= mean <= max(values) + 1e-9
