"""Scaling efficiency: given, learnt from attempts at several sizes, or assumed; power likewise."""

from datetime import timedelta
from math import log2

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowtide.planning import RequestError, plan
from lowtide.planning.elastic import Elastic
from lowtide.planning.scaling import (
    ASSUMED_EFFICIENCY,
    Scaling,
    ScalingSource,
    SizedAttempt,
    learnt_exponent,
    scaling_of,
)

HOUR = timedelta(hours=1)
sizes = st.integers(1, 64)
noisy_runs = st.lists(st.lists(st.tuples(sizes, st.floats(0.01, 1e6)), max_size=8), max_size=4)


def attempts(*pairs: tuple[int, float], unit: str = "Samples") -> tuple[SizedAttempt, ...]:
    """Return attempts of one run: replicas, and units per second."""
    return tuple(SizedAttempt(replicas=size, paces=((unit, pace),)) for size, pace in pairs)


def test_two_attempts_at_each_of_two_sizes_teach_the_efficiency():
    """1.6 times as fast with twice the replicas, without scatter: 0.8.

    By hand: the spread is the least one, log2(1.02) = 0.028569; the centred logarithms of the
    replicas are -0.5 and 0.5, twice each, so the sum of squares is 1; Student's t for 95 % and two
    degrees of freedom is 2.919986. The exponent is log2(1.6) -+ 0.083421: 2^-0.083421 = 0.943818.
    """
    found = scaling_of(None, [attempts((2, 100), (4, 160), (2, 100), (4, 160))])

    assert (found.source, found.attempts) == (ScalingSource.LEARNT, 4)
    assert found.efficiency == pytest.approx(0.8)
    assert found.low == pytest.approx(0.8 * 0.943818, rel=1e-5)
    assert found.high == pytest.approx(0.8 / 0.943818, rel=1e-5)
    assert "0.80, learnt from 4 attempts (0.76 to 0.85)" in found.sentence


@pytest.mark.parametrize(
    "runs",
    [
        (),
        [attempts((2, 100))],
        [attempts((2, 100), (4, 10))],
        [attempts((2, 100), (4, 10), (2, 100))],
        [attempts((2, 100), (2, 101), (2, 99), (2, 98))],
        [attempts((2, 100), (2, 99)), attempts((4, 100), (4, 99))],
    ],
    ids=["none", "one", "one of each", "one odd attempt", "one size", "a size in each run"],
)
def test_too_few_attempts_teach_nothing(runs):
    """The assumed efficiency counts, and its bounds are all that is possible."""
    found = scaling_of(None, runs)

    assert (found.source, found.attempts) == (ScalingSource.ASSUMED, 0)
    assert (found.low, found.efficiency, found.high) == (0.5, ASSUMED_EFFICIENCY, 1.0)
    assert "0.80, assumed" in found.sentence


def test_a_size_counts_from_two_attempts_of_different_runs_on():
    """A run at four once, and another: each with one at two."""
    found = scaling_of(None, [attempts((2, 100), (4, 160)), attempts((2, 10), (4, 16))])

    assert (found.source, found.attempts) == (ScalingSource.LEARNT, 4)
    assert found.efficiency == pytest.approx(0.8)


def test_a_given_efficiency_counts_whatever_the_attempts_show():
    """What a person states is certain, and the sentence says that it is given."""
    found = scaling_of(0.9, [attempts((2, 100), (4, 110), (2, 100), (4, 110))])

    assert (found.low, found.efficiency, found.high) == (0.9, 0.9, 0.9)
    assert "0.90, given" in found.sentence


def test_the_unit_that_most_attempts_of_a_run_have_counts():
    """Epochs of one attempt do not meet samples of others."""
    run = (*attempts((2, 100), (4, 160), (2, 100), (4, 160)), *attempts((4, 1), unit="Epochs"))

    assert scaling_of(None, [run]).attempts == 4


def test_power_is_learnt_from_the_energy_of_sizes_and_said_to_be():
    """Twice the replicas draw 1.9 times as much."""
    run = [SizedAttempt(replicas=n, watts=w) for n, w in [(1, 400), (2, 760), (1, 400), (2, 760)]]
    found = scaling_of(0.9, [run])

    assert found.power_exponent == pytest.approx(log2(1.9))
    assert (found.power(2), found.power_attempts) == (pytest.approx(1.9), 4)
    assert "draw 1.90 times the power, by the energy of 4 attempts" in found.sentence
    assert "power assumed proportional" in scaling_of(0.9).sentence


@given(
    efficiency=st.floats(0.5, 1.0),
    run_sizes=st.lists(st.lists(sizes, min_size=2, max_size=6), min_size=1, max_size=3),
    levels=st.lists(st.floats(0.001, 1e6), min_size=3, max_size=3),
)
def test_a_law_without_scatter_is_found_whatever_the_unit_of_each_run(
    efficiency, run_sizes, levels
):
    """Runs on other hardware differ by a factor, which is of no account."""
    exponent = 1 + log2(efficiency)
    runs = [
        [(size, level * size**exponent) for size in [*some, *some]]
        for some, level in zip(run_sizes, levels, strict=False)
    ]
    found = learnt_exponent(runs, most=1.0)

    if not any(len(set(some)) > 1 for some in run_sizes):
        assert found is None
        return
    assert found is not None
    assert found.value == pytest.approx(exponent, abs=1e-6)


@given(runs=noisy_runs, order=st.randoms(use_true_random=False))
def test_whatever_is_reported_the_learnt_efficiency_is_one_to_plan_with(runs, order):
    """Bounded and in order, the same for every order of the attempts."""
    listed = [attempts(*run) for run in runs]
    found = scaling_of(None, listed)
    shuffled = [tuple(order.sample(run, len(run))) for run in listed]

    assert 0.5 <= found.low <= found.efficiency <= found.high <= 1.0
    again = scaling_of(None, shuffled)
    assert again.efficiency == pytest.approx(found.efficiency)
    assert again.attempts == found.attempts


@given(runs=noisy_runs, odd=st.tuples(st.integers(65, 128), st.floats(0.01, 1e6)))
def test_a_single_attempt_at_a_new_size_changes_nothing(runs, odd):
    """However fast it was."""
    before = learnt_exponent(runs, most=1.0)

    assert learnt_exponent([[*run, odd] if run is runs[0] else run for run in runs], most=1.0) == (
        before
    )


@pytest.mark.slow
@given(runs=st.lists(st.lists(st.tuples(sizes, st.floats(1, 2)), min_size=4), min_size=1))
def test_the_same_attempts_twice_are_no_less_certain(runs):
    """More of the same evidence never widens the bounds."""
    once, twice = learnt_exponent(runs, most=9.0), learnt_exponent([*runs, *runs], most=9.0)
    if once is None or twice is None or once.attempts * 2 != twice.attempts:
        return

    assert twice.high - twice.low <= once.high - once.low + 1e-9


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"efficiency": 0.4}, "from 0.5"),
        ({"efficiency": 0.8, "low": 0.9}, "outside of its bounds"),
        ({"power_exponent": 2.0}, "exponent of power is 2"),
    ],
)
def test_a_scaling_that_cannot_be_is_refused(values, said):
    with pytest.raises(RequestError, match=said):
        Scaling(**values)


def test_an_assumed_efficiency_is_planned_with_and_not_relied_upon():
    """Above the base the deadline counts no gain, below it the whole loss."""
    elastic = Elastic.scaled(1, 4, Scaling(), base=2, guard=2)

    assert elastic.sizes == (1, 2, 3, 4)
    assert elastic.speed(4) == pytest.approx(1.6)
    assert elastic.speed(1) == pytest.approx(1 / 1.6)
    assert [elastic.sure_speed(size) for size in (1, 2, 4)] == [0.5, 1.0, 1.0]


@settings(max_examples=60)
@given(
    values=st.lists(st.integers(1, 60), min_size=6, max_size=10),
    slack=st.floats(0.0, 3.0),
    truth=st.floats(0.5, 1.0),
)
def test_an_hour_of_any_choice_leaves_the_deadline_to_the_base(
    now, forecast, job, values, slack, truth
):
    """Whatever the efficiency really is: what is left fits at the base, with a change of size."""
    work, resize = len(values) - slack - 1.0, 0.25
    elastic = Elastic.scaled(1, 4, Scaling(), base=2, guard=2, resize_cost_seconds=resize * 3600)
    request = job(
        interruptible=True,
        elastic=elastic,
        work_hours=work,
        window_hours=len(values),
        restart_cost_seconds=resize * 3600,
        minimum_saving_ratio=0.0,
        latency_seconds=0.0,
        margin_seconds=0.0,
    )
    answer = plan(now, request, forecast(values))

    size = answer.replicas or 0
    real = (size / 2) ** (1 + log2(truth)) if size else 0.0
    left = work - real
    back = resize if size not in (0, 2) else 0.0
    assert left + back <= len(values) - 1 + 1e-6
