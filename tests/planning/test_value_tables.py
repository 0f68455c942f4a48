"""The dynamic programme against exhaustive search, its limits, and the chain of deviations."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.planning.deviation import MIDDLE, deviated, transition
from lowtide.planning.interruptible import PLAIN, Problem, solve, step_costs
from lowtide.planning.stopping import value_of_waiting, window_costs

prices = st.lists(st.integers(1, 60), min_size=4, max_size=8)


def table(values, work, *, resume_cost=0.0, spread=0.0, hours=1.0, **more):
    """Solve for one group over all of `values`; the first is the free first step."""
    expected = np.array([0.0, *values])[:, None]
    return solve(
        Problem(
            costs=step_costs(expected, np.full_like(expected, spread)),
            ends=np.array([len(expected)]),
            work=work,
            step_hours=hours,
            resume_costs=np.array([resume_cost]),
            fresh_work=np.array([work]),
            fresh_groups=np.array([0]),
            **more,
        )
    )


def cost_of(slots, values, resume_cost):
    """Return what running in `slots` costs, with a resume at the start of every later stretch."""
    total = 0.0
    for place, slot in enumerate(slots):
        resumes = place > 0 and slot != slots[place - 1] + 1
        total += values[slot] * (1 + resume_cost * resumes)
    return total


@given(values=prices, work=st.integers(1, 4), resume_cost=st.sampled_from([0.0, 0.25, 1.0, 3.0]))
def test_the_plain_value_is_the_cheapest_of_all_schedules(values, work, resume_cost):
    """No choice of slots is cheaper than the table says, and one costs exactly that."""
    best = min(cost_of(c, values, resume_cost) for c in combinations(range(len(values)), work))

    found = table(values, work, resume_cost=resume_cost)

    assert found.fresh[1, 0] == pytest.approx(best, rel=1e-12)


@given(values=prices, work=st.integers(1, 4))
def test_without_restart_cost_the_cheapest_slots_are_taken(values, work):
    """R = 0 leaves the sum of the lowest values."""
    found = table(values, work, resume_cost=0.0)

    assert found.fresh[1, 0] == pytest.approx(sum(sorted(values)[:work]), rel=1e-12)


@given(values=prices, work=st.integers(1, 4))
def test_with_a_prohibitive_restart_cost_the_plan_is_one_piece(values, work):
    """R without bound leaves the cheapest contiguous window."""
    windows = [sum(values[s : s + work]) for s in range(len(values) - work + 1)]

    found = table(values, work, resume_cost=1e6)

    assert found.fresh[1, 0] == pytest.approx(min(windows), rel=1e-12)


@given(
    values=prices,
    work=st.integers(1, 3),
    costs=st.tuples(st.floats(0, 2), st.floats(0, 2)),
)
def test_a_dearer_restart_never_makes_a_plan_cheaper(values, work, costs):
    """The value rises with r."""
    low, high = (table(values, work, resume_cost=cost).fresh[1, 0] for cost in sorted(costs))

    assert low <= high + 1e-9


@given(values=prices, work=st.integers(1, 4), resume=st.integers(0, 2))
def test_a_resume_that_takes_time_puts_its_ticks_back_on_the_work(values, work, resume):
    """Exhaustive search over run and rest, each later stretch having `resume` ticks to repeat."""
    best = 1e15
    for pattern in product((False, True), repeat=len(values)):
        left, total, on, started = work, 0.0, False, False
        for runs, value in zip(pattern, values, strict=True):
            if runs and left > 0:
                left += resume if started and not on else 0
                left, total, started = left - 1, total + value, True
            on = runs
        best = min(best, total) if left == 0 else best

    found = table(values, work, resume_ticks=resume)

    assert found.fresh[1, 0] == pytest.approx(best, rel=1e-12)


@given(
    values=st.lists(st.integers(1, 60), min_size=2, max_size=4),
    work=st.integers(1, 8),
    resume=st.integers(0, 2),
)
def test_steps_of_several_ticks_agree_with_ticks_planned_one_by_one(values, work, resume):
    """Planning by slot restricts pauses to slot boundaries: never cheaper, and equal without r."""
    ticks = 3
    fine = [value for value in values for _ in range(ticks)]
    work = min(work, len(fine))

    by_tick = table(fine, work, resume_ticks=resume).fresh[1, 0]
    by_slot = table(values, work, resume_ticks=resume, ticks=ticks).fresh[1, 0]

    assert by_slot >= by_tick - 1e-9
    whole = table(fine, work - work % ticks, resume_ticks=0) if work >= ticks else None
    if whole is not None:
        rounded = table(values, work - work % ticks, ticks=ticks).fresh[1, 0]
        assert rounded == pytest.approx(whole.fresh[1, 0], rel=1e-12)


def test_the_tail_of_a_window_may_still_be_used():
    """Two ticks of the last slot belong to the window: 1 tick at 5 beats 1 tick at 9."""
    expected = np.array([[0.0], [9.0], [5.0]])
    problem = Problem(
        costs=step_costs(expected, np.zeros_like(expected)),
        ends=np.array([2]),
        tails=np.array([2]),
        ticks=4,
        work=3,
        step_hours=1.0,
        resume_costs=np.zeros(1),
        fresh_work=np.array([1, 3]),
        fresh_groups=np.array([0, 0]),
    )

    found = solve(problem)

    assert found.fresh[1, 0] == 5.0
    # Three ticks do not fit into the tail alone: one at 9, then two at 5.
    assert found.fresh[1, 1] == 19.0


@given(values=prices, work=st.integers(1, 4), resume_cost=st.floats(0, 2))
def test_without_spread_the_decision_is_the_plain_one(values, work, resume_cost):
    """A forecast that is never wrong leaves nothing to wait for."""
    found = table(values, work, resume_cost=resume_cost, spread=0.0)

    np.testing.assert_allclose(found.fresh[0], found.fresh[1], rtol=1e-12)
    np.testing.assert_allclose(found.off[0], found.off[1], rtol=1e-12)


@given(
    values=st.lists(st.integers(100, 400), min_size=4, max_size=8),
    work=st.integers(1, 3),
    spreads=st.tuples(st.floats(0, 40), st.floats(0, 40)),
)
def test_waiting_is_worth_more_the_larger_the_error_may_be(values, work, spreads):
    """The plan can still be changed, so expected cost falls with the spread."""
    low, high = (table(values, work, spread=spread).fresh[0, 0] for spread in sorted(spreads))

    assert high <= low + 1e-9


def test_groups_do_not_see_each_other():
    """Two windows in one table have the values of two tables."""
    values = [30.0, 10.0, 20.0, 5.0]
    both = np.array([[0.0], *[[v] for v in values]])
    shared = solve(
        Problem(
            costs=step_costs(both, np.full_like(both, 3.0)),
            ends=np.array([5, 3]),
            work=2,
            step_hours=1.0,
            resume_costs=np.array([0.5, 0.5]),
            fresh_work=np.array([2, 2]),
            fresh_groups=np.array([0, 1]),
        )
    )

    long = table(values, 2, resume_cost=0.5, spread=3.0)
    short = table(values[:2], 2, resume_cost=0.5, spread=3.0)

    np.testing.assert_allclose(shared.fresh[:, 0], long.fresh[:, 0])
    np.testing.assert_allclose(shared.fresh[:, 1], short.fresh[:, 0])
    np.testing.assert_allclose(shared.off[:, :, 1], short.off[:, :, 0])


def test_the_chain_is_a_chain():
    """Rows sum to one, a corner stays with p^4, and the expected deviation fades by 0.95 an hour.

    p = (1 + 0.95) / 2 = 0.975 for one hour
    (docs/explanation/planning.md#deviation-of-the-forecast).
    """
    moves = transition(1.0)

    np.testing.assert_allclose(moves.sum(axis=1), 1.0)
    assert moves[0, 0] == pytest.approx(0.975**4)
    np.testing.assert_allclose(moves @ [-2, -1, 0, 1, 2], 0.95 * np.array([-2, -1, 0, 1, 2]))


def test_the_chain_of_a_quarter_hour_is_the_fourth_root_of_an_hour():
    """Decays are per hour, whatever the step."""
    np.testing.assert_allclose(np.linalg.matrix_power(transition(0.25), 4), transition(1.0))


def test_a_deviated_slot_never_costs_less_than_a_fiftieth():
    """100 with a spread of 80: 100 - 160 is lifted to 2."""
    assert deviated(np.array([100.0]), np.array([80.0]))[:, 0].tolist() == [2, 20, 100, 180, 260]


def test_the_plain_row_takes_the_forecast_as_certain():
    """It holds the forecast itself, barred steps excepted."""
    costs = step_costs(np.array([[100.0], [np.inf]]), np.array([[10.0], [10.0]]))

    assert costs[0, :, 0].tolist() == [80, 90, 100, 110, 120, 100]
    assert (costs[1] == 1e15).all()
    assert PLAIN == 5


def test_optimal_stopping_by_hand():
    """Two starts, one slot each: 100 now; later 100 with spread 10 and the same chain.

    Waiting once and then having to start costs the expectation, 100: a tie.
    """
    windows = window_costs(np.array([[100.0], [100.0]]), np.array([[0.0], [10.0]]), 1, 1.0)

    assert windows[:, MIDDLE, 0].tolist() == [100, 100]
    assert value_of_waiting(windows, 1.0)[0] == pytest.approx(100)


def test_a_later_choice_is_worth_waiting_for():
    """Three equal starts with spread 10: after one hour the cheaper of two can be taken.

    At z = 1 the next start is expected at 0.95 z, so E min(110, 109.5) and so on; by hand:
    V(1, z) = min(100 + 10 z, 100 + 9.5 z) = 100 + 9.5 z for z > 0 and 100 + 10 z for z < 0, whose
    expectation from 0 is 100 - 0.25 E|z|, with E|z| from the chain's middle row.
    """
    windows = window_costs(np.full((3, 1), 100.0), np.full((3, 1), 10.0), 1, 1.0)
    distance = float(transition(1.0)[MIDDLE] @ [2, 1, 0, 1, 2])

    assert value_of_waiting(windows, 1.0)[0] == pytest.approx(100 - 0.25 * distance)


def test_the_floor_holds_inside_windows():
    """Two slots of 100 with spreads of 80 and 0: at z = -2 the first costs 2, not -60."""
    windows = window_costs(np.array([[100.0], [100.0]]), np.array([[80.0], [0.0]]), 2, 1.0)

    assert windows[0, 0, 0] == pytest.approx(2 + 100)


def test_half_a_slot_counts_half():
    """A window of 1.5 slots over 100 and 40."""
    windows = window_costs(np.array([[100.0], [40.0]]), np.zeros((2, 1)), 1.5, 1.0)

    assert windows[0, MIDDLE, 0] == pytest.approx(120)
