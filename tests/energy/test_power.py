"""Energy from power samples and counter readings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.energy.power import PowerError, Rule, counter_energy, integrate_power

TIMES, POWERS = [0, 1, 2, 4], [100, 200, 300, 400]


@pytest.mark.parametrize(
    ("rule", "joules"),
    [
        pytest.param(Rule.TRAPEZOID, 1100, id="trapezoid, the default"),
        pytest.param(Rule.RIGHT_RECTANGLE, 1300, id="right rectangle, Fischer et al. 2022"),
    ],
)
def test_reproduces_both_rules(rule: Rule, joules: float) -> None:
    """Samples at 0, 1, 2, 4 s and 100, 200, 300, 400 W: 1100 J and 1300 J."""
    result = integrate_power(TIMES, POWERS, rule=rule)

    assert (result.energy_joules, result.covered_ratio, result.gaps) == (joules, 1, 0)


@pytest.mark.parametrize(
    ("start", "end", "joules"),
    [pytest.param(1000, 5000, 0.004, id="no wrap"), pytest.param(9000, 2000, 0.003, id="one wrap")],
)
def test_a_counter_may_wrap_once(start: float, end: float, joules: float) -> None:
    """RAPL in microjoules with a range of 10,000."""
    assert counter_energy(start, end, max_range=10000) / 1e6 == pytest.approx(joules, rel=1e-12)


def test_a_counter_that_fell_without_a_range_was_reset() -> None:
    """Begin a new segment instead of guessing."""
    with pytest.raises(PowerError, match="it was reset"):
        counter_energy(9000, 2000)


def test_a_long_gap_is_left_out_and_said() -> None:
    """Ten one-second steps at 10 W, then 20 s without samples: 100 J, a third covered."""
    result = integrate_power([*range(11), 31], [10] * 12)

    assert (result.energy_joules, result.gaps) == (100, 1)
    assert result.covered_ratio == pytest.approx(10 / 31)


def test_one_sample_gives_no_energy() -> None:
    """Power without time is not known energy, and not zero."""
    assert integrate_power([0], [100]).energy_joules is None


@pytest.mark.parametrize(
    ("seconds", "power"),
    [
        ([0, 0], [1, 1]),
        ([1, 0], [1, 1]),
        ([0, 1], [1, -1]),
        ([0, 1], [1, float("nan")]),
        ([0, float("inf")], [1, 1]),
        ([0, 1], [1]),
    ],
)
def test_impossible_samples_are_refused(seconds: list[float], power: list[float]) -> None:
    """Time increases, power is a finite number of at least zero."""
    with pytest.raises(PowerError):
        integrate_power(seconds, power)


@pytest.mark.parametrize(("start", "end"), [(-1, 5), (0, float("nan")), (0, 20000)])
def test_impossible_readings_are_refused(start: float, end: float) -> None:
    """Readings lie between zero and the range."""
    with pytest.raises(PowerError):
        counter_energy(start, end, max_range=10000)


@given(st.floats(0, 1000), st.lists(st.floats(0.1, 0.4), min_size=1, max_size=20))
def test_constant_power_is_power_times_time(power: float, steps: list[float]) -> None:
    """All rules agree where nothing changes."""
    times = [0.0]
    for step in steps:
        times.append(times[-1] + step)
    for rule in Rule:
        result = integrate_power(times, [power] * len(times), rule=rule)
        assert result.energy_joules == pytest.approx(power * times[-1], rel=1e-9, abs=1e-12)
