"""Who held a device during an interval, known only from the answers at its two ends.

The kubelet tells who holds a device *now*; the counter tells the energy *between* two reads. A
job starts and ends inside such an interval. This module turns the two answers, and start and
finish times where the API server knows them, into shares of the interval. It keeps two rules:
active energy is never lost to "free" when one end names an owner (a free GPU draws its idle floor
and no more, so power above it was the owner's), and idle time is split by the time held.
docs/decisions/interval-boundaries.md has the comparison with giving the interval to the
newer answer's owner.
"""

from dataclasses import dataclass

from lowtide.energy.attribution import Owner


@dataclass(frozen=True, slots=True)
class Holder:
    """An owner named by one answer; times are Unix seconds, None where not known."""

    owner: Owner
    started_at: float | None = None
    finished_at: float | None = None


@dataclass(frozen=True, slots=True)
class SlotShare:
    """The share (0 to 1) of an interval's active energy and of its time that an owner gets."""

    owner: Owner
    active_ratio: float
    held_ratio: float


_HALF = 0.5
"""Share of the interval where nothing tells when in it the change happened: no bias."""


def settle_interval(
    older: Holder | None, newer: Holder | None, start_at: float, end_at: float
) -> tuple[SlotShare, ...]:
    """Return the shares of the interval `[start_at, end_at]` (Unix seconds) of one slot.

    A slot is what one device id stands for: a GPU, a replica of it or a MIG instance. `older` and
    `newer` are its holders at the two ends. Shares of active energy add up to 1 unless neither
    end has a holder; shares of time add up to at most 1, the rest was free.
    """
    if older is None and newer is None:
        return ()
    if older is not None and newer is not None:
        if older.owner == newer.owner:
            return (SlotShare(older.owner, 1.0, 1.0),)
        return _settle_change(older, newer, start_at, end_at)
    if older is not None:
        held = _ratio(older.finished_at, start_at, end_at)
        return (SlotShare(older.owner, 1.0, _HALF if held is None else held),)
    assert newer is not None
    before = _ratio(newer.started_at, start_at, end_at)
    return (SlotShare(newer.owner, 1.0, _HALF if before is None else 1.0 - before),)


def _settle_change(
    older: Holder, newer: Holder, start_at: float, end_at: float
) -> tuple[SlotShare, ...]:
    """Split an interval in which one holder followed another."""
    until = _ratio(older.finished_at, start_at, end_at)
    since = _ratio(newer.started_at, start_at, end_at)
    if until is None and since is None:
        until = since = _HALF
    elif until is None:
        until = since
    elif since is None:
        since = until
    assert until is not None
    assert since is not None
    first, second = until, 1.0 - since
    if first + second > 1.0:  # whole-second times overlap: meet in the middle
        first = (until + since) / 2
        second = 1.0 - first
    if first + second == 0.0:  # ended before the interval, the next began after it
        return (SlotShare(older.owner, _HALF, 0.0), SlotShare(newer.owner, _HALF, 0.0))
    whole = first + second
    return (
        SlotShare(older.owner, first / whole, first),
        SlotShare(newer.owner, second / whole, second),
    )


def _ratio(moment: float | None, start_at: float, end_at: float) -> float | None:
    """Return where in the interval `moment` lies, 0 to 1; None where that says nothing.

    Kubernetes writes times in whole seconds, cut off: half a second is added. A time outside the
    interval by more than that half second contradicts the two answers, so it is not used.
    """
    if moment is None or end_at <= start_at:
        return None
    middle = moment + 0.5
    if not start_at - 0.5 <= middle <= end_at + 0.5:
        return None
    return min(1.0, max(0.0, (middle - start_at) / (end_at - start_at)))
