"""Attribution of one device's energy to its owners, in whole millijoules.

The reason for this module is one invariant: the parts of an interval add up to the energy of the
interval exactly, whatever the weights are. Rounding is by largest remainder over integers, so
neither float error nor many sharers can lose or invent a millijoule. It decides nothing about who
holds a device (see `attribution_boundary` and `attribution_sharing`) and reads no clock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

_WEIGHT_UNIT: Final = 1 << 40
"""Weights are rounded to 2**-40 of the largest: exact integer arithmetic, error below 1e-12."""


class Part(StrEnum):
    """Which part of the power a joule belongs to."""

    ACTIVE = "active"
    IDLE_HELD = "idle_held"


class UnallocatedReason(StrEnum):
    """Why a joule belongs to no pod."""

    FREE = "free"
    FOREIGN = "foreign"
    SYSTEM = "system"
    UNMAPPED = "unmapped"


class Method(StrEnum):
    """How the share of a pod was found."""

    EXCLUSIVE = "exclusive"
    SM_SHARE = "sm_share"
    EQUAL_SHARE = "equal_share"
    MIG_WEIGHTED = "mig_weighted"
    MIG_STATIC = "mig_static"
    CPU_SHARE = "cpu_share"
    CPU_PINNED = "cpu_pinned"
    MEMORY_SHARE = "memory_share"


# A named tuple is made and hashed in half the time of a frozen dataclass: one per GPU and tick.
class Owner(NamedTuple):
    """One container of one pod; `pod` is the pod's UID (or another key that is never reused)."""

    pod: str
    container: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one owner is entitled to in an interval.

    `held_ratio` is the share of the device that it held (0 to 1, all claims together at most 1):
    it decides the idle energy. `active_weight` is relative to the other claims and decides the
    active energy.
    """

    owner: Owner
    held_ratio: float
    active_weight: float
    method: Method


@dataclass(frozen=True, slots=True)
class Portion:
    """Energy of one owner."""

    owner: Owner
    part: Part
    method: Method
    millijoules: int


@dataclass(frozen=True, slots=True)
class Unallocated:
    """Energy of no owner."""

    part: Part
    reason: UnallocatedReason
    millijoules: int


@dataclass(frozen=True, slots=True)
class Attribution:
    """An interval's energy: portions and unallocated add up to it exactly."""

    portions: tuple[Portion, ...]
    unallocated: tuple[Unallocated, ...]


def apportion(total: int, weights: Sequence[float]) -> tuple[int, ...]:
    """Return whole parts of `total`, proportional to `weights`, that add up to `total`.

    Largest remainder; of equal remainders the earlier weight wins, so a caller that wants an
    answer independent of order sorts first.

    Raises:
        ValueError: `total` or a weight is negative, or all weights are zero.
    """
    largest = max(weights, default=0.0)
    if total < 0 or largest <= 0 or min(weights) < 0:
        raise ValueError(
            f"cannot split {total} by {list(weights)}: the total and all weights must not be "
            "negative and one weight must be above zero"
        )
    if sum(1 for weight in weights if weight) == 1:  # most intervals have one owner
        return tuple(total if weight else 0 for weight in weights)
    scaled = [round(weight / largest * _WEIGHT_UNIT) for weight in weights]
    whole = sum(scaled)
    parts = [total * weight // whole for weight in scaled]
    missing = total - sum(parts)
    order = sorted(range(len(scaled)), key=lambda i: (-(total * scaled[i] % whole), i))
    for index in order[:missing]:
        parts[index] += 1
    return tuple(parts)


def attribute_energy(
    active_millijoules: int,
    idle_millijoules: int,
    claims: Sequence[Claim],
    *,
    other_active_weights: Mapping[UnallocatedReason, float] | None = None,
    unclaimed: UnallocatedReason = UnallocatedReason.FREE,
) -> Attribution:
    """Return the split of one interval's energy on one device.

    Idle energy goes to each claim by `held_ratio`, the ratio that is not held to `unclaimed`.
    Active energy goes by `active_weight`; `other_active_weights` (for example processes outside
    pods) take part in that split. Where no weight is above zero, active energy is `unclaimed`.
    The order of the claims does not matter.

    Raises:
        ValueError: an energy or weight is negative.
    """
    if (
        _is_whole(claims)
        and not other_active_weights
        and min(idle_millijoules, active_millijoules) >= 0
    ):
        return _give_all(claims[0], active_millijoules, idle_millijoules)
    ordered = sorted(claims, key=lambda claim: (claim.owner, claim.method))
    others = sorted((other_active_weights or {}).items())
    free_ratio = max(0.0, 1.0 - sum(claim.held_ratio for claim in ordered))
    portions: list[Portion] = []
    unallocated: list[Unallocated] = []

    idle_parts = _split(idle_millijoules, [*(claim.held_ratio for claim in ordered), free_ratio])
    active_weights = [
        *(claim.active_weight for claim in ordered),
        *(weight for _, weight in others),
    ]
    is_unclaimed = not any(weight > 0 for weight in active_weights)
    active_parts = _split(active_millijoules, [*active_weights, float(is_unclaimed)])

    for part, shares in ((Part.IDLE_HELD, idle_parts), (Part.ACTIVE, active_parts)):
        portions += (
            Portion(claim.owner, part, claim.method, share)
            for claim, share in zip(ordered, shares, strict=False)
            if share
        )
    leftovers = [(Part.IDLE_HELD, unclaimed, idle_parts[-1])]
    leftovers += [
        (Part.ACTIVE, reason, share)
        for (reason, _), share in zip(others, active_parts[len(ordered) : -1], strict=True)
    ]
    leftovers.append((Part.ACTIVE, unclaimed, active_parts[-1]))
    unallocated += (Unallocated(*leftover) for leftover in leftovers if leftover[2])
    return Attribution(tuple(portions), tuple(unallocated))


def _is_whole(claims: Sequence[Claim]) -> bool:
    """Return whether one owner had the whole device, as in most intervals of most nodes."""
    return len(claims) == 1 and claims[0].held_ratio >= 1.0 and claims[0].active_weight > 0


def _give_all(claim: Claim, active_millijoules: int, idle_millijoules: int) -> Attribution:
    shares = ((Part.IDLE_HELD, idle_millijoules), (Part.ACTIVE, active_millijoules))
    return Attribution(
        tuple(Portion(claim.owner, part, claim.method, share) for part, share in shares if share),
        (),
    )


def _split(total: int, weights: Sequence[float]) -> tuple[int, ...]:
    """Return `apportion`, or zeros where there is nothing to split."""
    return apportion(total, weights) if total else (0,) * len(weights)
