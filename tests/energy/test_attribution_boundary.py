"""Who gets an interval in which the holder changed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowtide.energy.attribution import Owner
from lowtide.energy.attribution_boundary import Holder, SlotShare, settle_interval

QUICK = settings(max_examples=60, deadline=None)  # many properties, one small budget
P, Q = Owner("uid-p", "main"), Owner("uid-q", "main")
START, END = 100.0, 101.0
TIMES = st.none() | st.floats(90, 110)


def test_one_holder_at_both_ends_gets_all():
    """Nothing changed: the whole interval is the holder's."""
    assert (SlotShare(P, 1.0, 1.0),) == settle_interval(Holder(P), Holder(P), START, END)


def test_a_free_slot_has_no_share():
    """Nobody at both ends: nobody in between."""
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
    """Started in second 100, so at 100.5 on average: held for half of [100, 101]."""
    early = settle_interval(None, Holder(P, started_at=99.7), START, END)
    late = settle_interval(Holder(P, finished_at=100.2), None, START, END)

    assert early == (SlotShare(P, 1.0, pytest.approx(0.8)),)
    assert late == (SlotShare(P, 1.0, pytest.approx(0.7)),)


def test_a_change_without_times_is_halved():
    """P then q, nothing known: half each, of energy and of time."""
    shares = settle_interval(Holder(P), Holder(Q), START, END)

    assert shares == (SlotShare(P, 0.5, 0.5), SlotShare(Q, 0.5, 0.5))


def test_a_change_is_split_by_the_times_known():
    """P ended 0.25 into the interval (99.75 cut off to half), q began 0.75 into it.

    Held for a quarter each, a half is free; active energy is theirs alone, half and half.
    """
    shares = settle_interval(Holder(P, finished_at=99.75), Holder(Q, started_at=100.25), START, END)

    assert shares == (SlotShare(P, 0.5, 0.25), SlotShare(Q, 0.5, 0.25))


def test_a_time_that_contradicts_the_answers_is_not_used():
    """A start an hour ago cannot be when the slot changed hands."""
    assert (SlotShare(P, 1.0, 0.5),) == settle_interval(
        None, Holder(P, started_at=START - 3600), START, END
    )


@QUICK
@given(TIMES, TIMES, TIMES, TIMES, st.sampled_from([(P, Q), (P, P), (P, None), (None, Q)]))
def test_shares_never_exceed_the_interval(a, b, c, d, ends):
    """Active shares add up to one, time shares to at most one, none is negative."""
    first, second = ends
    older = Holder(first, a, b) if first else None
    newer = Holder(second, c, d) if second else None

    shares = settle_interval(older, newer, START, END)

    assert sum(share.active_ratio for share in shares) == pytest.approx(1.0)
    assert sum(share.held_ratio for share in shares) <= 1.0 + 1e-9
    assert all(share.active_ratio >= 0 and share.held_ratio >= 0 for share in shares)
