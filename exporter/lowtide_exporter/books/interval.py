"""Interval of one GPU once it is settled, and what is known of the load in it.

Pure. The load divides the energy of a shared GPU; how much there is comes from the meter alone.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from lowtide.energy.attribution import Attribution, Owner, UnallocatedReason
from lowtide.energy.attribution_sharing import SettledSlot, Utilisation
from lowtide.energy.quality import Quality
from lowtide_exporter.books.pod_accounts import is_without_uid

_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Interval:
    """One settled interval of one GPU.

    `held_seconds` is the time each owner held the GPU, weighted with its share of it. `cut_pods`
    held it at an end of an interval in which energy is missing that may be theirs.
    `unmapped_millijoules` were drawn before, while the counter was silent, by earlier holders.
    """

    attribution: Attribution
    quality: Quality
    start_at: float
    held_seconds: Mapping[Owner, float]
    cut_pods: frozenset[str] = frozenset()
    unmapped_millijoules: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What is known of a shared GPU's load since the last interval.

    `instances` is how busy each MIG instance was (0 to 1, by UUID), `pods` the mean SM utilisation
    of each pod's processes (by pod key, any unit), `others` that of processes in no pod. `is_due`
    is False while a measurement over the open interval is still running: its energy waits.
    """

    instances: Mapping[str, float] = field(default_factory=dict)
    pods: Mapping[str, float] = field(default_factory=dict)
    others: float = 0.0
    is_due: bool = True


def utilisation_by_owner(slots: list[SettledSlot], activity: Activity) -> Utilisation | None:
    """Return utilisation by container; all containers of a pod share that of its processes.

    Processes are found by the UID of their pod. None where a holder's UID is not known, as its
    processes would be taken for others'.
    """
    if not activity.pods and activity.others <= 0:
        return None
    owners = {share.owner for slot in slots for share in slot.shares}
    if any(is_without_uid(owner.pod) for owner in owners):
        return None
    containers = Counter(owner.pod for owner in owners)
    shares = {o: activity.pods.get(o.pod, 0.0) / containers[o.pod] for o in owners}
    strangers = sum(v for pod, v in activity.pods.items() if pod not in containers)
    return Utilisation(shares, activity.others + strangers)


def weights_of_others(
    utilisation: Utilisation | None, slots: list[SettledSlot]
) -> dict[UnallocatedReason, float] | None:
    """Return, by reason, the weight of active energy that no slot's holder drew."""
    if utilisation is not None:
        return {UnallocatedReason.FOREIGN: utilisation.others} if utilisation.others > 0 else None
    free = sum(
        (slot.size_ratio if slot.active_ratio is None else slot.active_ratio)
        * (1.0 - sum(share.active_ratio for share in slot.shares))
        for slot in slots
    )
    return {UnallocatedReason.FREE: free} if free > _ROUNDING else None
