"""The cross-check of counter and power, the idle floor, and the claims of sharers."""

import pytest

from lowtide.energy.attribution import Method, Owner
from lowtide.energy.attribution_boundary import SlotShare
from lowtide.energy.attribution_sharing import SettledSlot, Utilisation, claim_slots
from lowtide.energy.idle import IdleFloor
from lowtide.energy.quality import CrossCheck, Quality

P, Q = Owner("uid-p", "main"), Owner("uid-q", "main")


def watch(check, windows, ratio):
    """Let `check` see windows of five minutes in which power is `ratio` times the counter."""
    for _ in range(int(windows * 300)):
        check.observe(1.0, 300_000 * ratio, 300_000)


def test_joules_are_unchecked_until_a_window_is_full():
    """Five minutes of agreement are needed before a counter counts as checked."""
    check = CrossCheck()

    watch(check, 0.99, 1.0)
    before = check.quality
    watch(check, 0.02, 1.0)

    assert (before, check.quality) == (Quality.UNCHECKED, Quality.COUNTER)
    assert check.ratio == pytest.approx(1.0)


def test_three_bad_windows_make_a_counter_suspect_and_one_good_window_heals_it():
    """187 J counted for 327 J drawn is a ratio of 1.75."""
    check = CrossCheck()

    watch(check, 1, 1.0)
    watch(check, 2, 1.75)
    after_two = check.quality
    watch(check, 1, 1.75)
    after_three = check.quality
    watch(check, 1, 1.0)

    assert [after_two, after_three, check.quality] == [
        Quality.COUNTER,
        Quality.SUSPECT,
        Quality.COUNTER,
    ]


def test_a_jump_spoils_only_its_window():
    """After a rebase the joules of the running window are suspect."""
    check = CrossCheck()
    watch(check, 1, 1.0)

    check.spoil()
    during = check.quality
    watch(check, 1, 1.0)

    assert (during, check.quality) == (Quality.SUSPECT, Quality.COUNTER)


def test_intervals_with_a_silent_meter_are_left_out():
    """Without power there is nothing to compare: the counter stays unchecked."""
    check = CrossCheck()

    for _ in range(1000):
        check.observe(1.0, None, 300_000)

    assert (check.ratio, check.quality) == (None, Quality.UNCHECKED)


def test_the_floor_is_zero_until_it_is_learnt():
    """Nine samples are not enough: all energy then counts as active."""
    floor = IdleFloor()
    for _ in range(9):
        floor.observe_free(70.0)

    assert floor.learnt_watts is None
    assert floor.idle_millijoules(1.0, 300_000) == 0


def test_the_floor_is_a_low_quantile():
    """A card that takes a while to clock down does not raise the floor."""
    floor = IdleFloor()
    for watts in [120.0] * 30 + [70.0] * 30:
        floor.observe_free(watts)

    assert floor.learnt_watts == 70.0
    assert floor.idle_millijoules(2.0, 300_000) == 140_000
    assert floor.idle_millijoules(2.0, 100_000) == 100_000


def test_a_floor_that_is_learnt_only_falls():
    """Something that the kubelet does not list may load a free GPU for longer than ten minutes."""
    floor = IdleFloor()
    for watts in [70.0] * 20 + [500.0] * 1200:
        floor.observe_free(watts)
    under_load = floor.learnt_watts
    for _ in range(40):
        floor.observe_free(60.0)

    assert (under_load, floor.learnt_watts) == (70.0, 60.0)


def mig(owner, multiprocessors, activity):
    """A MIG instance of a GPU with 132 multiprocessors, held over the whole interval."""
    return SettledSlot(
        size_ratio=multiprocessors / 132,
        method=Method.MIG_STATIC,
        shares=(SlotShare(owner, 1.0, 1.0),),
        activity_ratio=activity,
    )


def test_busy_instances_are_weighted_by_size():
    """1g (16 SM) and 4g (64 SM), both busy: 20 and 80 percent, not 50 and 50."""
    small, large = claim_slots([mig(P, 16, 1.0), mig(Q, 64, 1.0)])

    total = small.active_weight + large.active_weight
    assert small.active_weight / total == pytest.approx(0.2)
    assert {small.method, large.method} == {Method.MIG_WEIGHTED}
    assert large.held_ratio == pytest.approx(64 / 132)


@pytest.mark.parametrize("activity", [None, 0.0])
def test_without_activity_size_decides(activity):
    """An unknown activity, or none at all, leaves the static rule and its label."""
    small, large = claim_slots([mig(P, 16, activity), mig(Q, 64, activity)])

    assert large.active_weight == pytest.approx(4 * small.active_weight)
    assert {small.method, large.method} == {Method.MIG_STATIC}


def test_one_silent_instance_makes_all_static():
    """A mixture of measured and guessed activity would favour one of the pods."""
    claims = claim_slots([mig(P, 16, 1.0), mig(Q, 64, None)])

    assert {claim.method for claim in claims} == {Method.MIG_STATIC}


def test_the_held_replicas_of_an_instance_stand_for_all_of_it():
    """16 and 64 SM, both busy; of the large one's four replicas one is held: still 20 to 80.

    Its idle bill is that of one replica, 16 of 132.
    """
    part = SettledSlot(
        size_ratio=16 / 132,
        method=Method.MIG_STATIC,
        shares=(SlotShare(Q, 1.0, 1.0),),
        activity_ratio=1.0,
        active_ratio=64 / 132,
    )

    small, large = claim_slots([mig(P, 16, 1.0), part])

    assert large.active_weight == pytest.approx(4 * small.active_weight)
    assert large.held_ratio == pytest.approx(16 / 132)


def test_energy_of_a_process_outside_pods_is_not_the_idle_holders():
    """Holders that did nothing have no share of what another process drew."""
    first, second = claim_slots([replica(P), replica(Q)], Utilisation({}, others=60.0))

    assert (first.active_weight, second.active_weight) == (0.0, 0.0)
    assert first.method is Method.SM_SHARE


def replica(owner):
    """One of four replicas of a GPU."""
    return SettledSlot(
        size_ratio=0.25, method=Method.EQUAL_SHARE, shares=(SlotShare(owner, 1.0, 1.0),)
    )


def test_time_slicing_follows_utilisation_where_it_is_known():
    """60 and 20 percent of the multiprocessors: weights 60 and 20; each holds a quarter."""
    first, second = claim_slots([replica(P), replica(Q)], Utilisation({P: 60.0, Q: 20.0}))

    assert (first.active_weight, second.active_weight) == (60.0, 20.0)
    assert (first.held_ratio, first.method) == (0.25, Method.SM_SHARE)


def test_two_replicas_of_one_pod_are_one_claim():
    """Without process data active energy is shared by replicas held."""
    double, single = claim_slots([replica(P), replica(P), replica(Q)])

    assert double.active_weight == pytest.approx(2 * single.active_weight)
    assert (double.held_ratio, double.method) == (0.5, Method.EQUAL_SHARE)
