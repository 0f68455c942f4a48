"""The overhead of a data centre: which factors are believed, and what a run's factor is."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from lowtide.grid.overhead import OverheadKind, mean_overhead, with_overhead
from lowtide.grid.overhead_settings import OverheadSettings
from lowtide.grid.raw_values import RawValue
from lowtide.grid.series import AverageSeries, Point

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def values(*factors: object) -> list[RawValue]:
    """Return hourly factors from the start on."""
    return [RawValue(START + k * HOUR, factor) for k, factor in enumerate(factors)]


def test_the_mean_counts_only_the_time_of_running() -> None:
    """Half an hour at 1.2, a pause at 9, an hour at 1.5: (0.5 * 1.2 + 1.5) / 1.5 = 1.4."""
    spans = [(START + HOUR / 2, START + HOUR), (START + 2 * HOUR, START + 3 * HOUR)]
    found = mean_overhead(values(1.2, 9.0, 1.5), HOUR, spans, "test")
    assert found.pue == pytest.approx(1.4)
    assert (found.kind, found.source, found.message) == (OverheadKind.MEASURED, "test", None)


@pytest.mark.parametrize("nonsense", [0.99, 0, -1, 10.01, 125, float("nan"), None, "1.2", True])
def test_one_impossible_value_is_missing_for_itself_alone(nonsense: object) -> None:
    """The two hours that are known stand for three."""
    spans = [(START, START + 3 * HOUR)]
    found = mean_overhead(values(1.2, nonsense, 1.4), HOUR, spans, "test")
    assert found.pue == pytest.approx(1.3)


def test_a_factor_of_less_than_half_the_run_is_unknown_and_says_so() -> None:
    """One hour of three: the sentence has the share and what was seen instead."""
    spans = [(START, START + 3 * HOUR)]
    found = mean_overhead(values(1.2, 0.5, 125.0), HOUR, spans, "Prometheus, zone DE")
    assert found.pue is None
    assert found.message == (
        "the PUE of Prometheus, zone DE is known for 33.3 % of the running time only, as numbers "
        "from 1 to 10; 2 values, such as 0.5, are not"
    )


def test_without_any_value_the_factor_is_unknown_and_never_one() -> None:
    """An empty answer is no overhead of zero."""
    found = mean_overhead([], HOUR, [(START, START + HOUR)], "test")
    assert found.pue is None
    assert found.message is not None
    assert "0 % of the running time" in found.message


def test_the_overhead_raises_what_is_known_and_leaves_gaps() -> None:
    """300 g/kWh of the grid are 375 at the computer where the factor is 1.25."""
    points = (Point(START, START + HOUR, 300.0), Point(START + HOUR, START + 2 * HOUR, None))
    series = AverageSeries("DE", "grid", points)
    found = with_overhead(series, 1.25)
    assert found is not None
    assert [point.grams_per_kwh for point in found.points] == [375.0, None]
    assert found.signal is series.signal
    assert with_overhead(series, None) is series


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "exactly one of value and prometheus"),
        (
            {"value": 1.2, "prometheus": {"url": "http://p:9090", "query": "pue"}},
            "exactly one of value and prometheus",
        ),
        ({"value": 0.9}, "greater than or equal to 1"),
        ({"value": 120}, "less than or equal to 10"),
        ({"value": float("nan")}, "finite number"),
        ({"value": 1.2, "kind": "Guessed"}, "'Measured' or 'Assumed'"),
        (
            {"prometheus": {"url": "http://p:9090", "query": "pue"}, "kind": "Assumed"},
            "what a query answers is measured",
        ),
        ({"prometheus": {"url": "http://user:pw@p:9090", "query": "pue"}}, "credentials"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(given: dict[str, object], said: str) -> None:
    """Each with what would be right."""
    with pytest.raises(ValidationError, match=said):
        OverheadSettings.model_validate(given)


def test_a_number_is_an_assumption_unless_the_settings_say_measured() -> None:
    """Only whoever writes the settings knows which one it is."""
    stated = OverheadSettings.model_validate({"value": 1.2}).stated
    assert stated is not None
    assert (stated.kind, stated.source) == (OverheadKind.ASSUMED, "settings")
    measured = {"value": 1.2, "kind": "Measured", "source": "yearly report 2025"}
    told = OverheadSettings.model_validate(measured).stated
    assert told is not None
    assert (told.kind, told.source) == (OverheadKind.MEASURED, "yearly report 2025")
