"""Truth about the pods of a history, and what cannot be known about them.

A pod begins and ends between two looks at its GPU. What was drawn between them is known; when in
it the pod held the GPU is known from the load, if the load is plain to see. Only where something
hides that is an error allowed, and no larger than what could happen in the time in question.
"""

from bisect import bisect_right
from dataclasses import dataclass

from standins.histories.node import IDLE_WATTS, Gpu, Node, Pod

GAP_SECONDS = 5.0
"""Nothing of a longer time is given to a pod that did not hold the GPU at both of its ends."""
VISIBLE_WATTS = 2 * IDLE_WATTS
"""The length of a smaller load is not taken from its energy."""
DOUBTED_SECONDS = 2.2
"""A restart of the counter is doubted for a tick, and the interval stays open meanwhile."""
TOLD_SECONDS = 1.0
"""The API server tells whole seconds."""


@dataclass(frozen=True)
class Look:
    """A moment at which a GPU was read and its holder was known."""

    at: float
    has_power: bool
    is_floor_known: bool


def look_at(node: Node, gpu: Gpu, *, is_floor_known: bool) -> Look | None:
    """Return the look that was just taken, `None` where the GPU or its holder was not known."""
    if node.spell("driver_away") or node.spell("lost", gpu.index) or node.spell("silent_kubelet"):
        return None
    has_power = node.spell("no_power", gpu.index) is None
    if not has_power and node.spell("no_counter", gpu.index):
        return None
    return Look(node.now, has_power, is_floor_known)


def joules_in_doubt(
    node: Node, pod: Pod, looks: list[Look], told_at: list[float], *, is_integrated: bool
) -> float:
    """Return the most by which the pod's energy can be wrong because of its two ends.

    `told_at` are the moments at which the exporter heard from the API server.
    """
    return sum(
        _doubt_at(node, pod, looks, told_at, at, is_integrated=is_integrated)
        for at in (pod.start, pod.end)
    )


def is_counter_read(node: Node, gpu: Gpu) -> bool:
    """Return whether the counter can be read now, whoever holds the GPU."""
    kinds = ("lost", "no_counter")
    is_away = any(node.spell(kind, gpu.index) for kind in kinds) or node.spell("driver_away")
    return not is_away


def joules_lost_with_counters(node: Node, pod: Pod, counted_at: list[float]) -> float:
    """Return the most that restarts of the GPU's counter cost the pod.

    What was drawn between the last reading before a restart and the restart itself was never
    shown, and the restart is believed at the second reading after it. `counted_at` are the times
    of the readings; who held the GPU need not be known then.
    """
    resets = (s.start for s in node.spells if s.kind == "reset" and s.gpu == pod.gpu)
    near = (at for at in resets if pod.start - DOUBTED_SECONDS <= at <= pod.end + DOUBTED_SECONDS)
    around = (_times_around(counted_at, at) for at in near)
    return sum(pod.watts * (both[1] - both[0]) for both in around if both is not None)


def _times_around(times: list[float], at: float) -> tuple[float, float] | None:
    """Return the last time before a moment and the first one after it, `None` if in a gap."""
    after = bisect_right(times, at)
    if not 0 < after < len(times) or times[after] - times[after - 1] > GAP_SECONDS:
        return None
    return times[after - 1], times[after]


def _looks_around(looks: list[Look], at: float) -> tuple[Look, Look] | None:
    """Return the last look before a moment and the first one after it, `None` if in a gap."""
    after = bisect_right(looks, at, key=lambda look: look.at)
    if not 0 < after < len(looks) or looks[after].at - looks[after - 1].at > GAP_SECONDS:
        return None
    return looks[after - 1], looks[after]


def _doubt_at(
    node: Node,
    pod: Pod,
    looks: list[Look],
    told_at: list[float],
    at: float,
    *,
    is_integrated: bool,
) -> float:
    around = _looks_around(looks, at)
    if around is None:
        return 0.0
    first, last = around
    seconds = last.at - first.at
    gpu = node.gpus[pod.gpu]
    held = last if at == pod.start else first
    changes = [c for c in gpu.changes if first.at <= c[0] <= last.at]
    is_plain = first.is_floor_known and last.is_floor_known and len(changes) == 1
    if not gpu.is_mig and is_plain and pod.watts > VISIBLE_WATTS and held.has_power:
        doubt = 0.0
    else:
        known_until = last.at if at == pod.start else at + TOLD_SECONDS
        first_told = bisect_right(told_at, at)
        is_told = first_told < len(told_at) and told_at[first_told] <= known_until
        hidden = min(seconds, TOLD_SECONDS) if is_told else seconds
        doubt = hidden * (IDLE_WATTS if is_plain else max(IDLE_WATTS, pod.watts))
    if is_integrated:
        doubt += seconds * max(abs(gpu.watts(first.at) - watts) for _, watts in changes)
    return doubt
