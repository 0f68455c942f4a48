"""Split of an interval in which the holder changed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowtide.energy.attribution import Owner
from lowtide.energy.attribution_boundary import (
    Holder,
    SlotShare,
    busy_ratio,
    settle_gap,
    settle_interval,
)

QUICK = settings(max_examples=60, deadline=None)  # many properties, one small budget
P, Q = Owner("uid-p", "main"), Owner("uid-q", "main")
START, END = 100.0, 101.0
TIMES = st.none() | st.floats(90, 110)


def test_one_holder_at_both_ends_gets_all():
    """Nothing changed: the whole interval is the holder's."""
    assert (SlotShare(P, 1.0, 1.0),) == settle_interval(Holder(P), Holder(P), START, END)


def test_a_free_slot_has_no_share():
    """No holder at either end means none in between."""
    assert settle_interval(None, None, START, END) == ()


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        pytest.param(None, Holder(P), id="started inside"),
        pytest.param(Holder(P), None, id="ended inside"),
    ],
)
def test_active_energy_belongs_to_the_only_candidate(older, newer):
    """A free GPU draws its floor: what is above it was the pod's, the time is halved."""
    assert (SlotShare(P, 1.0, 0.5),) == settle_interval(older, newer, START, END)


def test_known_times_decide_the_time_held():
    """Whole seconds: a start in [99.7, 100.7) met [100, 101] at 100.35 on average.

    Held for 0.65 of it; an end in [100.2, 101.2) lies at 100.6 on average: held for 0.6 of it.
    """
    early = settle_interval(None, Holder(P, started_at=99.7), START, END)
    late = settle_interval(Holder(P, finished_at=100.2), None, START, END)

    assert early == (SlotShare(P, 1.0, pytest.approx(0.65)),)
    assert late == (SlotShare(P, 1.0, pytest.approx(0.6)),)


def test_a_change_without_times_is_halved():
    """P then q, nothing known: half each, of energy and of time."""
    shares = settle_interval(Holder(P), Holder(Q), START, END)

    assert shares == (SlotShare(P, 0.5, 0.5), SlotShare(Q, 0.5, 0.5))


def test_a_change_is_split_by_the_times_known():
    """P ended in the first three quarters of the interval, q began in the last three.

    Held for 0.375 each, a quarter is free; active energy is theirs alone, half and half.
    """
    shares = settle_interval(Holder(P, finished_at=99.75), Holder(Q, started_at=100.25), START, END)

    assert shares == (SlotShare(P, 0.5, 0.375), SlotShare(Q, 0.5, 0.375))


def test_a_time_that_contradicts_the_answers_is_not_used():
    """A start an hour ago cannot be when the slot changed hands."""
    assert (SlotShare(P, 1.0, 0.5),) == settle_interval(
        None, Holder(P, started_at=START - 3600), START, END
    )


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        pytest.param(None, Holder(P), id="started inside"),
        pytest.param(Holder(P), None, id="ended inside"),
    ],
)
def test_a_load_that_ran_up_to_the_change_says_when_it_was(older, newer):
    """105 J above a floor of 75 W at 600 W: the load ran for 0.2 s of the second."""
    busy = busy_ratio(105_000, 1.0, load_watts=600.0, idle_watts=75.0)

    assert busy == pytest.approx(0.2)
    assert settle_interval(older, newer, START, END, busy=busy) == (
        SlotShare(P, 1.0, pytest.approx(0.2)),
    )


def test_known_times_bound_what_the_load_says():
    """A load of 0.2 s that began in second 100 of [99.6, 100.6]: held for at most 0.6 of it.

    One that ran for 0.9 of it contradicts the start, and one that idled at first is not below 0.
    """
    newer = Holder(P, started_at=100.0)

    held = [
        settle_interval(None, newer, 99.6, 100.6, busy=busy)[0].held_ratio
        for busy in (0.2, 0.9, 0.0)
    ]

    assert held == [pytest.approx(0.2), pytest.approx(0.6), 0.0]


@pytest.mark.parametrize(
    ("load", "idle", "seconds"),
    [(None, 75.0, 1.0), (600.0, None, 1.0), (140.0, 75.0, 1.0), (600, 75, 0)],
)
def test_without_a_visible_load_nothing_is_told(load, idle, seconds):
    """Power not known, floor not learnt, not twice the floor, or no time at all."""
    assert busy_ratio(1000, seconds, load_watts=load, idle_watts=idle) is None


@QUICK
@given(
    TIMES,
    TIMES,
    TIMES,
    TIMES,
    st.sampled_from([(P, Q), (P, P), (P, None), (None, Q)]),
    st.none() | st.floats(0, 1),
)
def test_shares_never_exceed_the_interval(a, b, c, d, ends, busy):
    """Active shares add up to one, time shares to at most one, none is negative."""
    first, second = ends
    older = Holder(first, a, b) if first else None
    newer = Holder(second, c, d) if second else None

    shares = settle_interval(older, newer, START, END, busy=busy)

    assert sum(share.active_ratio for share in shares) == pytest.approx(1.0)
    assert sum(share.held_ratio for share in shares) <= 1.0 + 1e-9
    assert all(share.active_ratio >= 0 and share.held_ratio >= 0 for share in shares)


@pytest.mark.parametrize(
    ("older", "newer", "shares"),
    [
        pytest.param(Holder(P), Holder(P), (SlotShare(P, 1.0, 1.0),), id="held throughout"),
        pytest.param(None, None, (), id="free throughout"),
        pytest.param(None, Holder(P, started_at=174.5), None, id="came"),
        pytest.param(Holder(P, finished_at=109.5), None, None, id="went"),
        pytest.param(Holder(P, finished_at=119.5), Holder(Q, started_at=149.5), None, id="changed"),
    ],
)
def test_a_gap_belongs_to_a_pod_that_held_at_both_ends_only(older, newer, shares):
    """Others may have come and gone in it, at other powers: known times do not help."""
    assert settle_gap(older, newer) == shares
