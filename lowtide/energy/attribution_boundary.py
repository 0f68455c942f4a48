"""Holder of a device during an interval, known only from the answers at its two ends.

The kubelet tells who holds a device *now*; the counter tells the energy *between* two reads. A
job starts and ends inside such an interval. This module turns the two answers, and start and
finish times where the API server knows them, into shares of the interval. It keeps two rules:
active energy is never lost to "free" when one end names an owner (a free GPU draws its idle floor
and no more, so power above it was the owner's), and idle time is split by the time held. How long
it was held follows from the times, and from the energy where the load ran up to the change.
docs/explanation/interval-boundaries.md#measured has the comparison with giving the interval to the
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
LOAD_VISIBLE = 1.0
"""A load must exceed the idle floor by this many times it, or its length cannot be told."""


def busy_ratio(
    active_millijoules: float, seconds: float, *, load_watts: float | None, idle_watts: float | None
) -> float | None:
    """Return the share of an interval for which a load of `load_watts` ran, 0 to 1.

    `load_watts` is the power, idle floor included, at the end of the interval at which the device
    was held. None where the power is not known, or hardly above the floor.
    """
    if load_watts is None or idle_watts is None or seconds <= 0:
        return None
    above_idle = load_watts - idle_watts
    if above_idle <= LOAD_VISIBLE * idle_watts:
        return None
    return min(1.0, max(0.0, active_millijoules / (1000.0 * above_idle * seconds)))


def settle_interval(
    older: Holder | None,
    newer: Holder | None,
    start_at: float,
    end_at: float,
    *,
    busy: float | None = None,
    is_floor_known: bool = True,
) -> tuple[SlotShare, ...]:
    """Return the shares of the interval `[start_at, end_at]` (Unix seconds) of one slot.

    A slot is what one device id stands for: a GPU, a replica of it or a MIG instance. `older` and
    `newer` are its holders at the two ends. `busy` is the share of the interval in which the load
    of an only holder ran (`busy_ratio`), None where it is not known. Shares of active energy add up
    to 1 unless neither end has a holder; shares of time add up to at most 1, the rest was free.
    While the idle floor is not known, a free device may have drawn anything: then active energy
    goes by time too.
    """
    if older is None and newer is None:
        return ()
    if older is not None and newer is not None:
        if older.owner == newer.owner:
            return (SlotShare(older.owner, 1.0, 1.0),)
        return _settle_change(older, newer, start_at, end_at)
    if older is not None:
        low, high = _bounds(older.finished_at, start_at, end_at) or (0.0, 1.0)
        held = _within(busy, low, high)
        return (SlotShare(older.owner, 1.0 if is_floor_known else held, held),)
    assert newer is not None
    low, high = _bounds(newer.started_at, start_at, end_at) or (0.0, 1.0)
    held = _within(busy, 1.0 - high, 1.0 - low)
    return (SlotShare(newer.owner, 1.0 if is_floor_known else held, held),)


def settle_gap(older: Holder | None, newer: Holder | None) -> tuple[SlotShare, ...] | None:
    """Return the shares of an interval so long that others may have come and gone in it.

    A gap is a holder's only if it held the slot at both ends. None where the holder changed: how
    much each of them drew is not known, even where the times are, because their powers differ.
    """
    if older is None and newer is None:
        return ()
    if older is None or newer is None or older.owner != newer.owner:
        return None
    return (SlotShare(older.owner, 1.0, 1.0),)


def _within(busy: float | None, low: float, high: float) -> float:
    """Return the share of time held that lies in the bounds: what the load says, else the middle.

    A load that ran while the device was held says at least how long that was, and says it exactly
    where it began and ended with the holding.
    """
    return (low + high) / 2 if busy is None else min(high, max(low, busy))


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
    """Return where in the interval `moment` lies, 0 to 1; None where it tells nothing."""
    bounds = _bounds(moment, start_at, end_at)
    return None if bounds is None else sum(bounds) / 2


def _bounds(moment: float | None, start_at: float, end_at: float) -> tuple[float, float] | None:
    """Return between which places in the interval, 0 to 1, `moment` lies; None if in none.

    Kubernetes cuts times off to whole seconds, so a time means the second that begins with it. One
    that lies wholly outside the interval contradicts the two answers and says nothing.
    """
    if moment is None or end_at <= start_at:
        return None
    low, high = max(moment, start_at), min(moment + 1.0, end_at)
    if low > high:
        return None
    seconds = end_at - start_at
    return (low - start_at) / seconds, (high - start_at) / seconds
