"""Totals of a whole run from what was used and what is to come."""

from datetime import UTC, datetime, timedelta
from math import exp, log, sqrt
from statistics import fmean, stdev

import pytest

from lowtide.grid.forecast import Forecast, Source
from lowtide.grid.series import Signal
from lowtide.prediction.progress import Expected
from lowtide.prediction.totals import (
    IntensityAhead,
    from_earlier_runs,
    grams_ahead,
    intensity_ahead,
    stretches_of,
    with_used,
)

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def at(hour: float) -> datetime:
    """Return a time so many hours after noon."""
    return NOON + timedelta(hours=hour)


def forecast(*grams: float, spread: float = 0.0) -> Forecast:
    """Return a forecast by the hour from noon on."""
    return Forecast(
        zone="DE",
        signal=Signal.AVERAGE,
        start=NOON,
        slot_seconds=3600,
        grams_per_kwh=grams,
        spread_grams_per_kwh=(spread,) * len(grams),
        sources=(Source.PROVIDER,) * len(grams),
    )


def test_planned_pauses_are_part_of_the_time_until_the_end() -> None:
    """Two hours of work, of which one fits before the pause from one to three."""
    found = stretches_of(NOON, 7200, [(at(-2), at(1)), (at(3), at(5))])

    assert found == ((NOON, at(1)), (at(3), at(4)))


def test_work_beyond_the_plan_follows_its_last_stretch() -> None:
    """A run that is longer than planned goes on; without a plan it runs at once."""
    assert stretches_of(NOON, 7200, [(at(0), at(1))]) == ((NOON, at(2)),)
    assert stretches_of(NOON, 7200) == ((NOON, at(2)),)
    assert stretches_of(NOON, 0) == ((NOON, NOON),)


def test_intensity_is_the_mean_of_the_hours_that_are_run() -> None:
    """By hand: an hour at 100 and half an hour at 400: (100 + 200) / 1.5 = 200."""
    found = intensity_ahead(forecast(100, 900, 400), [(at(0), at(1)), (at(2), at(2.5))])

    assert found == IntensityAhead(200.0, 0.0, 0.0)


def test_hours_beyond_the_forecast_get_its_last_day() -> None:
    """One hour inside at 300, one beyond at the mean of both hours known, 200."""
    found = intensity_ahead(forecast(100, 300), [(at(1), at(3))])

    assert found == IntensityAhead(250.0, 0.0, 0.5)


def test_errors_of_energy_and_intensity_add_up_in_quadrature() -> None:
    """By hand: 10 kWh +/- 1 at 300 g/kWh, 90 % +/- 30: 3,000 +/- sqrt(300^2 + 300^2)."""
    joules = Expected(36e6, 32.4e6, 39.6e6)

    grams = grams_ahead(joules, IntensityAhead(300, 30 / 1.6448536, 0))

    assert grams.expected == pytest.approx(3000)
    assert grams.high - 3000 == pytest.approx(300 * sqrt(2), rel=1e-6)
    assert 3000 - grams.low == pytest.approx(300 * sqrt(2), rel=1e-6)


def test_no_end_is_below_what_was_already_used() -> None:
    """The meter shows 130, though the steps alone would allow 120."""
    assert with_used(Expected(30, 20, 50), 100, 130) == Expected(130, 130, 150)


def test_earlier_runs_give_the_interval_of_one_more() -> None:
    """Five runs, t(0.95, 4) = 2.1318 of a printed table, on logarithms."""
    runs = [100.0, 110.0, 95.0, 105.0, 102.0]
    logs = [log(run) for run in runs]
    half = 2.1318 * stdev(logs) * sqrt(1 + 1 / 5)

    found = from_earlier_runs(runs)

    assert found is not None
    assert found.expected == pytest.approx(exp(fmean(logs)))
    assert found.high == pytest.approx(exp(fmean(logs) + half), rel=1e-4)
    assert from_earlier_runs(runs[:4]) is None
