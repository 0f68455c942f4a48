"""Joules in time become grams slot by slot."""

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.energy.carbon import (
    CarbonReason,
    counterfactual,
    operational_grams,
    saving,
)
from lowtide.energy.profile import EnergyInterval, EnergyProfile, Span
from lowtide.grid.series import AverageSeries, MarginalSeries, MixedSignalsError, Point

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
KWH = 3.6e6


def at(hours: float) -> datetime:
    return MIDNIGHT + timedelta(hours=hours)


def hourly(*values: float | None, estimated: bool = False) -> AverageSeries:
    points = tuple(Point(at(h), at(h + 1), v, estimated) for h, v in enumerate(values))
    return AverageSeries("DE", "test grid", points)


def profile(*rows: tuple[float, float, float]) -> EnergyProfile:
    return EnergyProfile(tuple(EnergyInterval(at(a), at(b), kwh * KWH) for a, b, kwh in rows))


def test_energy_meets_the_intensity_of_its_own_hour() -> None:
    """E = 1, 2, 3 kWh and I = 100, 400, 200 give 1500 g, not 1400 g."""
    result = operational_grams(profile((0, 1, 1), (1, 2, 2), (2, 3, 3)), hourly(100, 400, 200))

    assert result.grams == pytest.approx(1500, rel=1e-12)
    assert (result.reason, result.covered_ratio, result.resolution_seconds) == (None, 1, 3600)


def test_an_interval_across_a_boundary_is_split_by_time() -> None:
    """4 kWh from 0:45 to 1:45: a quarter at 100, three quarters at 400 g/kWh are 1300 g."""
    result = operational_grams(profile((0.75, 1.75, 4)), hourly(100, 400))

    assert result.grams == pytest.approx(1300, rel=1e-12)


def test_missing_intensity_leaves_no_total_but_a_covered_share() -> None:
    """One of four kWh has no intensity: no total, 75 % covered, 600 g of it known."""
    result = operational_grams(profile((0, 1, 1), (1, 2, 1), (2, 3, 2)), hourly(200, None, 200))

    assert result.grams is None
    assert result.reason is CarbonReason.INTENSITY_MISSING
    assert result.covered_ratio == pytest.approx(0.75)
    assert result.covered_grams == pytest.approx(600)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        pytest.param(-1, 0.5, id="before the series"),
        pytest.param(1.5, 2.5, id="after the series"),
        pytest.param(5, 6, id="far behind the series"),
    ],
)
def test_time_outside_the_series_is_missing(start: float, end: float) -> None:
    """A series says nothing about hours it does not hold."""
    assert operational_grams(profile((start, end, 1)), hourly(100, 100)).grams is None


def test_a_gap_without_energy_does_no_harm() -> None:
    """Intensity may be missing while the job paused."""
    result = operational_grams(profile((0, 1, 1), (1, 2, 0), (2, 3, 1)), hourly(100, None, 300))

    assert result.grams == pytest.approx(400)


def test_nothing_measured_is_not_zero_grams() -> None:
    """An empty profile has no emissions to report; a measured zero has zero."""
    assert operational_grams(EnergyProfile(), hourly(100)).reason is CarbonReason.NO_ENERGY
    assert operational_grams(profile((0, 1, 0)), hourly(100)).grams == 0


def test_the_estimated_share_is_reported() -> None:
    """The source calls its values estimates: a report must say so."""
    result = operational_grams(profile((0, 1, 1)), hourly(100, estimated=True))

    assert result.estimated_ratio == 1


def test_run_now_uses_the_measured_profile_without_pause_or_restart_work() -> None:
    """Hand calculation.

    Measured: 2 kWh in 2:00-3:00 and, after a pause, 1.5 kWh in 5:00-6:00 of which the first
    20 min (0.5 kWh) reloaded a checkpoint. At submission, 0:00: 2 kWh * 500 + 1 kWh * 400 =
    1400 g. Really: 2 * 100 + 1.5 * 50 = 275 g. Avoided: 1125 g, 80.36 %.
    """
    series = hourly(500, 400, 100, 300, 300, 50)
    run = profile((2, 3, 2), (5, 6, 1.5))

    baseline = counterfactual(
        run, start=at(0), series=series, restart_work=[Span(at(5), at(5) + timedelta(minutes=20))]
    )
    avoided = saving(actual=operational_grams(run, series), run_now=baseline)

    assert baseline.grams == pytest.approx(1400, rel=1e-12)
    assert avoided.avoided_grams == pytest.approx(1125, rel=1e-12)
    assert avoided.percent == pytest.approx(1125 / 1400 * 100, rel=1e-12)


def test_a_negative_saving_stays_negative() -> None:
    """Waiting into a dirtier hour is shown as what it is."""
    series = hourly(100, 300)
    run = profile((1, 2, 1))

    avoided = saving(
        actual=operational_grams(run, series),
        run_now=counterfactual(run, start=at(0), series=series),
    )

    assert (avoided.avoided_grams, avoided.percent) == (pytest.approx(-200), pytest.approx(-200))


def test_no_saving_without_both_figures() -> None:
    """A missing hour at submission leaves the saving unknown."""
    series = hourly(None, 300)
    run = profile((1, 2, 1))

    avoided = saving(
        actual=operational_grams(run, series),
        run_now=counterfactual(run, start=at(0), series=series),
    )

    assert (avoided.avoided_grams, avoided.percent) == (None, None)


def test_average_and_marginal_never_meet_in_a_saving() -> None:
    """One signal per figure."""
    run = profile((0, 1, 1))
    marginal = MarginalSeries("DE", "other", (Point(at(0), at(1), 700),))

    with pytest.raises(MixedSignalsError, match="use the same series for both"):
        saving(
            actual=operational_grams(run, hourly(100)),
            run_now=operational_grams(run, marginal),
        )


rows = st.lists(
    st.tuples(st.integers(0, 300), st.integers(1, 300), st.floats(0, 100)), min_size=1, max_size=8
)
intensities = st.lists(st.floats(0, 1000), min_size=12, max_size=12)


@given(rows, intensities)
def test_emissions_lie_between_the_cleanest_and_the_dirtiest_hour(
    parts: list[tuple[int, int, float]], values: list[float]
) -> None:
    """No split may invent energy: E * min(I) <= O <= E * max(I)."""
    run = profile(*((a / 60, (a + length) / 60, kwh) for a, length, kwh in parts))

    result = operational_grams(run, hourly(*values))

    kwh = run.total_joules / KWH
    assert result.grams is not None
    slack = 1e-9 * (1 + kwh * max(values))
    assert kwh * min(values) - slack <= result.grams <= kwh * max(values) + slack


@given(rows, st.floats(1, 1000))
def test_a_flat_grid_makes_timing_irrelevant(
    parts: list[tuple[int, int, float]], intensity: float
) -> None:
    """On a flat grid the counterfactual equals the actual emissions."""
    run = profile(*((a / 60, (a + length) / 60, kwh) for a, length, kwh in parts))
    series = hourly(*[intensity] * 40)

    avoided = saving(
        actual=operational_grams(run, series),
        run_now=counterfactual(run, start=at(0), series=series),
    )

    assert avoided.avoided_grams == pytest.approx(0, abs=1e-6)


BERLIN = ZoneInfo("Europe/Berlin")
CHANGES = (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC))


@given(
    st.sampled_from(CHANGES),
    st.integers(-180, 120),
    st.integers(1, 180),
    st.lists(st.integers(1, 900), min_size=8, max_size=8),
)
def test_local_times_across_a_change_of_summer_time_give_the_grams_of_utc(
    change: datetime, first: int, length: int, intensities: list[int]
) -> None:
    """A clock face that repeats or jumps neither moves energy nor stretches it."""
    start = change + timedelta(minutes=first)
    end = start + timedelta(minutes=length)
    hours = [change + timedelta(hours=h - 4) for h in range(9)]

    def grams(zone: tzinfo) -> tuple[float | None, float | None]:
        points = tuple(
            Point(a.astimezone(zone), b.astimezone(zone), float(value))
            for a, b, value in zip(hours[:-1], hours[1:], intensities, strict=True)
        )
        series = AverageSeries("DE", "test grid", points)
        run = EnergyProfile((EnergyInterval(start.astimezone(zone), end.astimezone(zone), KWH),))
        moved = counterfactual(
            run, start=(change - timedelta(minutes=200)).astimezone(zone), series=series
        )
        return operational_grams(run, series).grams, moved.grams

    assert grams(BERLIN) == grams(UTC)
