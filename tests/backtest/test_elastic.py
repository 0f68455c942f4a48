"""Replayed jobs that change their size: the optimum against exhaustive search, and the account."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.backtest.elastic import ElasticJobs, elastic, optimum
from lowtide.backtest.trace import Views
from lowtide.planning.elastic import Elastic

CURVE = {1: 1.0, 2: 1.5}
intensities = st.lists(st.integers(1, 60), min_size=6, max_size=6)


def jobs_of(length, slack, resume, resize):
    sizes = Elastic.from_curve(1, 2, CURVE)
    return ElasticJobs(
        submissions=np.array([0]),
        length=length,
        slack=slack,
        elastic=sizes,
        resume=resume,
        resize=resize,
    )


def cost_of(sizes, values, work, resume, resize):
    """Return what a size in each slot costs in all, `None` where the work is not done."""
    left, total, before, started = float(work), 0.0, 0, False
    for size, value in zip(sizes, values, strict=True):
        if size and left > 1e-9:
            change = started and size != before
            burnt = 0.0 if not change else resume if before == 0 else resize
            total += value * size * (min(1.0, left / CURVE[size]) + burnt)
            left, started = left - CURVE[size], True
        before = size
    return total if left <= 1e-9 else None


@pytest.mark.slow
@given(
    values=intensities,
    length=st.integers(1, 4),
    resume=st.sampled_from([0.0, 0.25, 1.0]),
    resize=st.sampled_from([0.0, 0.25, 1.0]),
)
def test_the_optimum_is_the_cheapest_of_all_schedules(values, length, resume, resize):
    """Speeds of one and one and a half lie on the quarters of an hour that work is counted in."""
    known = np.array(values, dtype=float)
    costs = [
        cost_of(sizes, values, length, resume, resize) for sizes in product(range(3), repeat=6)
    ]

    found = optimum(known, jobs_of(length, 6 - length, resume, resize))

    assert found.unfinished == 0
    best = min(one for one in costs if one is not None)
    assert float((known * found.energy[0]).sum()) == pytest.approx(best, rel=1e-9)


@given(values=intensities, length=st.integers(1, 4))
def test_the_planner_with_a_perfect_forecast_is_the_optimum(values, length):
    """Without an error of the forecast deciding anew in every slot changes nothing."""
    known = np.array(values, dtype=float)
    rows = np.array([np.concatenate((known[t:], np.full(t, np.nan))) for t in range(6)])
    views = Views(first=0, expected=rows, spread=np.zeros_like(rows))
    jobs = jobs_of(length, 6 - length, 0.25, 0.25)

    planned, best = elastic(views, jobs, 1.0), optimum(known, jobs)

    assert (known * planned.energy[0]).sum() == pytest.approx((known * best.energy[0]).sum())
    assert planned.restarts == best.restarts or (planned.replicas != best.replicas).any()


def test_energy_counts_every_replica_and_every_restart():
    """Three hours of work in hours of 1, 60, 1: twice 1.5 at two replicas and a quarter to resume.

    By hand 2 * 1 + 2 * (1 + 0.25) * 1 = 4.5.
    """
    found = optimum(np.array([1.0, 60.0, 1.0]), jobs_of(3, 0, 0.25, 0.25))

    assert found.replicas.tolist() == [[2, 0, 2]]
    assert found.energy.tolist() == [[2.0, 0.0, 2.5]]
    assert found.restarts == 1
