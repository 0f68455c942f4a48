"""Energy is split to the millijoule, whatever the weights."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowtide.energy.attribution import (
    Claim,
    Method,
    Owner,
    Part,
    Portion,
    Unallocated,
    UnallocatedReason,
    apportion,
    attribute_energy,
)

QUICK = settings(max_examples=60, deadline=None)  # many properties, one small budget
ENERGY = st.integers(0, 10**12)
WEIGHTS = st.lists(st.floats(0, 1e3, allow_nan=False), min_size=1, max_size=12).filter(
    lambda weights: sum(weights) > 1e-6
)


@st.composite
def claims(draw):
    """Up to eight claims on one device that together hold at most all of it."""
    count = draw(st.integers(0, 8))
    held = draw(st.lists(st.floats(0, 1), min_size=count, max_size=count))
    scale = max(1.0, sum(held))
    return [
        Claim(
            owner=Owner(f"uid-{i}", "main"),
            held_ratio=ratio / scale,
            active_weight=draw(st.floats(0, 10)),
            method=draw(st.sampled_from(Method)),
        )
        for i, ratio in enumerate(held)
    ]


@QUICK
@given(ENERGY, WEIGHTS)
def test_parts_add_up_to_the_whole(total, weights):
    """No weight can make a millijoule appear or vanish."""
    parts = apportion(total, weights)

    assert total == sum(parts)
    assert min(parts) >= 0


@QUICK
@given(ENERGY, WEIGHTS)
def test_a_part_is_less_than_one_millijoule_from_its_exact_share(total, weights):
    """Largest remainder rounds each share to a neighbouring whole number."""
    parts = apportion(total, weights)

    exact = [total * weight / sum(weights) for weight in weights]
    tolerance = 1 + total * 1e-8  # weights are rounded to multiples of 2**-40
    assert all(abs(part - share) <= tolerance for part, share in zip(parts, exact, strict=True))


def test_remainders_go_to_the_largest_fraction():
    """10 mJ by 1:1:1.3 is 3.03, 3.03, 3.94 exactly, so the third gets the missing one."""
    assert apportion(10, [1.0, 1.0, 1.3]) == (3, 3, 4)


@pytest.mark.parametrize("weights", [[0.0, 0.0], [], [-1.0, 2.0]])
def test_weights_that_cannot_split_are_refused(weights):
    """The message names total and weights."""
    with pytest.raises(ValueError, match="cannot split 5"):
        apportion(5, weights)


@QUICK
@given(ENERGY, ENERGY, claims(), st.floats(0, 5))
def test_attribution_conserves_energy(active, idle, held, foreign):
    """Portions and unallocated add up to the interval, part by part."""
    result = attribute_energy(
        active, idle, held, other_active_weights={UnallocatedReason.FOREIGN: foreign}
    )

    everything = [*result.portions, *result.unallocated]
    assert active == sum(item.millijoules for item in everything if item.part is Part.ACTIVE)
    assert idle == sum(item.millijoules for item in everything if item.part is Part.IDLE_HELD)
    assert all(item.millijoules > 0 for item in everything)


@QUICK
@given(ENERGY, ENERGY, claims(), st.randoms())
def test_order_of_claims_does_not_matter(active, idle, held, random):
    """The order of a list must not decide which pod pays."""
    shuffled = random.sample(held, len(held))

    assert attribute_energy(active, idle, held) == attribute_energy(active, idle, shuffled)


@QUICK
@given(st.integers(0, 10**9), st.integers(0, 10**9), claims())
def test_more_energy_lowers_no_share_by_more_than_rounding(less, more, held):
    """A pod's share grows with the energy, up to the millijoule that rounding moves."""
    small, large = sorted((less, more))

    def share(energy, owner):
        result = attribute_energy(energy, 0, held)
        return sum(p.millijoules for p in result.portions if p.owner == owner)

    for claim in held:
        assert share(small, claim.owner) <= share(large, claim.owner) + 1


def test_idle_energy_follows_what_is_held_and_active_energy_what_is_used():
    """One of four replicas pays a quarter of the floor; its neighbour's load is not its own.

    Hand calculation: 1000 mJ idle on quarters is 250 each, half is free. 900 mJ active by
    weights 2:1 is 600 and 300.
    """
    a, b = Owner("uid-a", "main"), Owner("uid-b", "main")
    held = [
        Claim(owner=a, held_ratio=0.25, active_weight=2.0, method=Method.SM_SHARE),
        Claim(owner=b, held_ratio=0.25, active_weight=1.0, method=Method.SM_SHARE),
    ]

    result = attribute_energy(900, 1000, held)

    assert set(result.portions) == {
        Portion(a, Part.IDLE_HELD, Method.SM_SHARE, 250),
        Portion(b, Part.IDLE_HELD, Method.SM_SHARE, 250),
        Portion(a, Part.ACTIVE, Method.SM_SHARE, 600),
        Portion(b, Part.ACTIVE, Method.SM_SHARE, 300),
    }
    assert result.unallocated == (Unallocated(Part.IDLE_HELD, UnallocatedReason.FREE, 500),)


@QUICK
@given(ENERGY, ENERGY, st.floats(0.001, 1e6))
def test_the_only_holder_of_a_whole_device_gets_all_of_it(active, idle, weight):
    """Nothing is left over, whatever the weight; parts without energy are not listed."""
    claim = Claim(
        owner=Owner("uid-0", "main"), held_ratio=1.0, active_weight=weight, method=Method.EXCLUSIVE
    )

    found = attribute_energy(active, idle, [claim])

    shares = {part.part: part.millijoules for part in found.portions}
    assert shares == {
        part: energy for part, energy in ((Part.IDLE_HELD, idle), (Part.ACTIVE, active)) if energy
    }
    assert {part.owner for part in found.portions} <= {claim.owner}
    assert found.unallocated == ()


@pytest.mark.parametrize(("active", "idle"), [(-1, 5), (5, -1)])
def test_negative_energy_is_refused_for_an_only_holder_too(active, idle):
    """A device never gives energy back."""
    claim = Claim(
        owner=Owner("uid-0", "main"), held_ratio=1.0, active_weight=1.0, method=Method.EXCLUSIVE
    )

    with pytest.raises(ValueError, match="must not be negative"):
        attribute_energy(active, idle, [claim])


def test_energy_without_a_claim_says_why():
    """Without claims, everything is unallocated under the reason given."""
    result = attribute_energy(7, 3, [], unclaimed=UnallocatedReason.UNMAPPED)

    assert result.portions == ()
    assert set(result.unallocated) == {
        Unallocated(Part.ACTIVE, UnallocatedReason.UNMAPPED, 7),
        Unallocated(Part.IDLE_HELD, UnallocatedReason.UNMAPPED, 3),
    }
