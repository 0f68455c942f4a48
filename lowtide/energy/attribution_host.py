"""Split of the energy of CPU packages and memory between those who use a machine. Pure.

Active energy follows CPU time; what no owner used is the system's. Idle energy follows the cores
held, energy of memory the bytes held, a proxy; what no owner holds is free. Equal CPU time can hide
a two- to threefold difference in power, so these joules carry methods of their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lowtide.energy.attribution import (
    Attribution,
    Claim,
    Method,
    Owner,
    UnallocatedReason,
    attribute_energy,
)
from lowtide.energy.idle import IdleFloor

LOW_LOAD: Final = 0.1
"""Below this share of busy cores, package power counts as a sample of its idle floor."""


@dataclass(frozen=True, slots=True)
class CpuShare:
    """Use of a machine's cores by one owner in an interval.

    `used_seconds` is CPU time, `held_cores` what it may use, `is_pinned` whether these cores are
    its alone.
    """

    owner: Owner
    used_seconds: float
    held_cores: float
    is_pinned: bool


def idle_of_packages(
    floor: IdleFloor, millijoules: int, seconds: float, busy_seconds: float, cores: int
) -> int:
    """Return how much of an interval's package energy is idle, and learn the floor from it.

    Until the floor is known, the share of idle cores counts as idle.
    """
    load = min(1.0, busy_seconds / (cores * seconds)) if seconds > 0 else 0.0
    if seconds > 0 and load < LOW_LOAD:
        floor.observe_free(millijoules / seconds / 1000.0)
    if floor.learnt_watts is None:
        return millijoules - round(millijoules * load)
    return floor.idle_millijoules(seconds, millijoules)


def split_cpu_energy(
    millijoules: int,
    idle_millijoules: int,
    shares: Sequence[CpuShare],
    *,
    busy_seconds: float,
    cores: int,
) -> Attribution:
    """Return the split of an interval's package energy; `busy_seconds` is that of all cores."""
    asked = max(1.0, sum(share.held_cores for share in shares) / cores)
    claims = [
        Claim(
            owner=share.owner,
            held_ratio=share.held_cores / cores / asked,
            active_weight=share.used_seconds,
            method=Method.CPU_PINNED if share.is_pinned else Method.CPU_SHARE,
        )
        for share in shares
    ]
    rest = max(0.0, busy_seconds - sum(share.used_seconds for share in shares))
    system = rest if rest > 0 or any(claim.active_weight for claim in claims) else 1.0
    return attribute_energy(
        millijoules - idle_millijoules,
        idle_millijoules,
        claims,
        other_active_weights={UnallocatedReason.SYSTEM: system},
    )


def split_memory_energy(
    millijoules: int, held_bytes: Mapping[Owner, int], whole_bytes: int
) -> Attribution:
    """Return the split of an interval's memory energy by the bytes that each owner holds."""
    held = {owner: count / max(1, whole_bytes) for owner, count in held_bytes.items()}
    scale = max(1.0, sum(held.values()))
    claims = [
        Claim(
            owner=owner,
            held_ratio=ratio / scale,
            active_weight=0.0,
            method=Method.MEMORY_SHARE,
        )
        for owner, ratio in held.items()
    ]
    return attribute_energy(0, millijoules, claims)
