"""Claims of the holders of a shared device, made from its parts.

One GPU can be cut three ways: not at all, into replicas (time-slicing, MPS) or into MIG
instances. Every part has a size, so that free parts stay visible as waste and a pod's idle bill
never depends on its neighbours. Active energy follows activity where it is known; where it is
not, it is split over the parts that are held, and the method label says so. Fairness between
sharers has no ground truth: the rules are choices (docs/explanation/energy.md), conservation is
not affected by them.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lowtide.energy.attribution import Claim, Method, Owner
from lowtide.energy.attribution_boundary import SlotShare


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledSlot:
    """One allocatable part of a device over one interval.

    `size_ratio` is its share of the device (1 for a whole GPU, 1/R for one of R replicas, its
    multiprocessors over the GPU's for a MIG instance), `activity_ratio` how busy it was (0 to 1,
    None where not known), `method` the rule that applies without activity. `active_ratio` is the
    size that counts for active energy, None where that is `size_ratio`: free replicas do no work,
    so the held ones of a MIG instance stand for all of it.
    """

    size_ratio: float
    method: Method
    shares: tuple[SlotShare, ...]
    activity_ratio: float | None = None
    active_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class Utilisation:
    """Mean SM utilisation of a time-sliced GPU over an interval, by owner.

    `by_owner` and `others` (processes in no pod) have the same unit; only their ratios matter.
    """

    by_owner: Mapping[Owner, float]
    others: float = 0.0


def claim_slots(
    slots: Sequence[SettledSlot], utilisation: Utilisation | None = None
) -> list[Claim]:
    """Return one claim per owner for the slots of one device.

    With `utilisation`, active energy follows it; else it follows size times activity where every
    held slot's activity is known and one of them is above zero; else the size held.
    """
    held: defaultdict[Owner, float] = defaultdict(float)
    by_size: defaultdict[Owner, float] = defaultdict(float)
    by_activity: defaultdict[Owner, float] = defaultdict(float)
    method: dict[Owner, Method] = {}
    activity_known = True
    for slot in slots:
        size = slot.size_ratio if slot.active_ratio is None else slot.active_ratio
        for share in slot.shares:
            held[share.owner] += slot.size_ratio * share.held_ratio
            weight = size * share.active_ratio
            by_size[share.owner] += weight
            by_activity[share.owner] += weight * (slot.activity_ratio or 0.0)
            method[share.owner] = slot.method
            activity_known &= slot.activity_ratio is not None
    weights: Mapping[Owner, float] = by_size
    if utilisation is not None and (
        utilisation.others > 0 or any(utilisation.by_owner.get(owner, 0) > 0 for owner in held)
    ):
        weights = {owner: utilisation.by_owner.get(owner, 0.0) for owner in held}
        method = dict.fromkeys(held, Method.SM_SHARE)
    elif activity_known and any(weight > 0 for weight in by_activity.values()):
        weights = by_activity
        method = dict.fromkeys(held, Method.MIG_WEIGHTED)
    return [
        Claim(
            owner=owner,
            held_ratio=held[owner],
            active_weight=weights[owner],
            method=method[owner],
        )
        for owner in held
    ]
