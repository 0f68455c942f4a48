"""Measured speeds of a job that follows no one efficiency."""

from dataclasses import replace

import pytest
from exhaustive import planned_and_least_cost
from hypothesis import given, settings
from hypothesis import strategies as st

from lowtide.planning import RequestError
from lowtide.planning.elastic import Elastic
from lowtide.planning.rates import Rates
from lowtide.planning.scaling import SizedAttempt, scaling_of

KNEE = {1: 1.0, 2: 1.9, 4: 3.6, 8: 4.4}
noisy_runs = st.lists(
    st.lists(st.tuples(st.integers(1, 16), st.floats(0.01, 1e4)), max_size=12), max_size=3
)


def measured(curve, *, times=2, level=100.0):
    """Return attempts of one run without scatter, each size so many times."""
    return [
        SizedAttempt(replicas=size, paces=(("Samples", level * speed),))
        for size, speed in curve.items()
        for _ in range(times)
    ]


def test_each_of_three_sizes_or_more_has_the_speed_that_it_was_measured_at():
    """A knee at four replicas, which one efficiency of 0.83 takes for a slope.

    The least scatter takes 0.6 % of each size's deviation back: log2(1.02)^2 / log2(1.2)^2 attempts
    that say nothing (0.0118) beside two that do.
    """
    known = scaling_of(None, [measured(KNEE)])
    elastic = Elastic.scaled(1, 8, known)

    assert known.efficiency == pytest.approx(0.83, abs=0.01)
    assert dict(known.rates.points) == pytest.approx(KNEE, rel=0.002)
    assert elastic.speed(4) == pytest.approx(3.6, rel=0.002)
    # Between two sizes the efficiency is constant: 3 lies at log2(1.5) = 0.585 from 2 to 4.
    assert elastic.speed(3) == pytest.approx(1.9 * (3.6 / 1.9) ** 0.58496, rel=0.002)
    assert "each of 4 sizes at its measured speed" in known.sentence


def test_two_sizes_are_one_efficiency_and_a_given_one_counts_as_it_is():
    two = {size: KNEE[size] for size in (1, 2)}

    assert scaling_of(None, [measured(two)]).rates is None
    assert scaling_of(0.9, [measured(KNEE)]).rates is None


def test_beyond_the_measured_sizes_the_worse_of_two_laws_counts():
    """Above: as flat as the last part; below: as steep as the first one. By hand."""
    rates = Rates(((2, 1.0), (4, 1.9), (8, 2.1)))

    assert rates.speed(16, 0.8) == pytest.approx(2.1 * 2.1 / 1.9)
    assert rates.speed(1, 0.8) == pytest.approx(1 / 1.9)
    assert rates.speed(1, 0.99) == pytest.approx(2**-0.99)


def test_what_scatter_explains_is_taken_back_to_one_efficiency():
    """The mean of a size that is off by a third counts less, the less its attempts agree."""
    law = {1: 1.0, 2: 1.6, 4: 2.56, 8: 4.096}
    steady = [measured(law | {4: 1.9})]
    loose = [measured(law | {4: 1.9 * factor}, times=1) for factor in (0.5, 2.0)]

    def deviation(runs):
        known = scaling_of(None, runs)
        return known.rates.speed(4, 0.7) / (known.efficiency * 2) ** 2

    assert abs(deviation(loose) - 1) < 0.5 * abs(deviation(steady) - 1)


@given(runs=noisy_runs, base=st.integers(1, 16))
def test_whatever_was_measured_speeds_rise_and_the_deadline_counts_on_no_more(runs, base):
    """No size is slower than a smaller one, or faster than its share."""
    listed = [
        [SizedAttempt(replicas=size, paces=(("Samples", pace),)) for size, pace in run]
        for run in runs
    ]
    elastic = Elastic.scaled(1, 16, scaling_of(None, listed), base=base)

    assert elastic.speed(base) == 1.0
    assert elastic.sure_speed(base) == 1.0
    for size, speed, sure in zip(elastic.sizes, elastic.speeds, elastic.sure_speeds, strict=True):
        assert sure <= speed
        proportional = size / base
        assert min(1.0, proportional) - 1e-9 <= speed <= max(1.0, proportional) + 1e-9


@pytest.mark.parametrize("base", [1, 2, 8])
def test_a_measured_size_that_is_slower_than_the_law_is_not_relied_upon(base):
    """What the deadline counts on lies below each true speed, on both sides of the base."""
    elastic = Elastic.scaled(1, 8, scaling_of(None, [measured(KNEE, times=4)]), base=base)

    for size, speed in KNEE.items():
        assert elastic.sure_speed(size) <= speed / KNEE[base] * 1.002


@settings(max_examples=40)
@given(
    values=st.lists(st.integers(1, 60), min_size=3, max_size=5),
    work=st.integers(1, 3),
    resume=st.sampled_from([0.0, 0.5]),
)
def test_a_plan_by_measured_speeds_costs_what_the_best_of_all_sizes_costs(
    now, forecast, job, values, work, resume
):
    """Three replicas are no faster than two, which one efficiency cannot say.

    A last dear hour keeps the deadline out of it: that is kept by the choice and not by the values.
    """
    values = [*values, 61]
    known = scaling_of(None, [measured({1: 1.0, 2: 2.0, 3: 2.0})])
    learnt = replace(Elastic.scaled(1, 3, known), sure_speeds=())

    costs = planned_and_least_cost(now, forecast, job, values, work, learnt, 3, resume, 0.0)

    if costs is not None:
        planned, least = costs
        assert planned == pytest.approx(least, rel=0.02)


@pytest.mark.parametrize(
    ("points", "said"),
    [
        (((1, 1.0), (2, 1.5)), "3 to 32 must"),
        (((1, 1.0), (4, 2.0), (2, 1.5)), "must rise"),
        (((1, 1.0), (2, 1.5), (4, 1.4)), "must be above 0 and not fall"),
        (((1, 1.0), (2, 1.5), (4, float("nan"))), "must be above 0 and not fall"),
    ],
)
def test_speeds_that_cannot_be_are_refused(points, said):
    with pytest.raises(RequestError, match=said):
        Rates(points)
