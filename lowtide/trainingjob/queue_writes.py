"""Decision about our admission check of a queued workload: the next write, or none. Pure.

Kueue has no single write that pauses a running workload until a time. Three together do:

    Retry             Kueue evicts it, and sets its checks to Pending
    Retry with time   while its pods end: Kueue's own timer then runs
    Ready             Kueue queues it when the timer ends, and starts it, without us

Level-based: each answer follows from Kueue's object as it is, what is wanted, and the time. So what
leads on follows a write that was lost or came too late too, and the operator and the command line
say the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, Final

from lowtide.trainingjob.holding import QUEUE_GROUP, mapping_at
from lowtide.trainingjob.queue_check import CheckEntry, CheckState, QueuedWorkload
from lowtide.units import format_timestamp

LONGEST_REST: Final = timedelta(days=30)
"""A timer is set no further ahead: without Lowtide, what rests starts then at the latest."""
WITHOUT_END: Final = datetime.max.replace(tzinfo=UTC)
"""A rest of which no end is known."""
AFTER_GRACE_SECONDS: Final = 10
"""Time of a timer beyond the grace period: no pod may be left when the workload goes on."""
MISSED: Final = timedelta(seconds=10)
"""Distance between two evictions of a workload that had quota again before the second write."""
GO: Final = "Lowtide does not hold it"
RESTS: Final = "Lowtide pauses it"
PARKED: Final = "Lowtide paused it until Kueue's timer ends"


@dataclass(frozen=True, slots=True)
class SetCheck:
    """Write of our check of a workload."""

    state: CheckState
    message: str
    requeue_after_seconds: int | None = None
    """Timer to ask for; 0 takes away what an earlier write asked for."""
    holds_back: bool = False
    """Whether Kueue is told, by its own condition, that it was taken from its quota. It then heeds
    the timer of a workload that had none, and queues at its end what it has put aside."""


@dataclass(frozen=True, slots=True)
class ForgetTimer:
    """Removal of Kueue's timer of a workload."""


QueueWrite = SetCheck | ForgetTimer


def next_write(
    seen: QueuedWorkload, rest_until: datetime | None, now: datetime
) -> QueueWrite | None:
    """Return the next write towards a rest until a time, or towards running (`None`, or past).

    `None`: nothing is to be written before Kueue's object changes or the time has come.
    """
    check = seen.check
    if check is None or check.state is CheckState.REJECTED or seen.finished or not seen.active:
        return None
    if seen.gated or rest_until is None or rest_until <= now:
        return _towards_running(seen, check, now)
    return _towards_rest(seen, check, rest_until, now)


def rests(seen: QueuedWorkload, now: datetime) -> bool:
    """Return whether a workload rests by our wish until Kueue's timer ends."""
    return not seen.reserved and seen.check is not None and _is_ours(seen, seen.check, now)


def _towards_running(seen: QueuedWorkload, check: CheckEntry, now: datetime) -> QueueWrite | None:
    if check.state is not CheckState.READY:
        is_asked = check.state is CheckState.RETRY
        message = PARKED if seen.is_parked(now) and is_asked else GO
        aside = is_asked and not (seen.reserved or seen.held_back)
        return SetCheck(CheckState.READY, message, _no_timer(check), holds_back=aside)
    return ForgetTimer() if _is_ours(seen, check, now) else None


def _towards_rest(
    seen: QueuedWorkload, check: CheckEntry, until: datetime, now: datetime
) -> QueueWrite | None:
    if seen.reserved and not seen.evicted:
        if seen.is_parked(now):
            # A Kueue that restarted leaves its timer there, and would evict at the end of it.
            return ForgetTimer()
        if check.state is CheckState.RETRY and not check.requeue_after_seconds:
            return None
        if _was_missed(seen, check, now):
            return None
        return SetCheck(CheckState.RETRY, RESTS, _no_timer(check))
    queued = not (seen.reserved or seen.held_back)
    enough = min(until, now + LONGEST_REST / 2)
    if seen.requeue_at is not None and seen.is_parked(now) and seen.requeue_at >= enough:
        if check.state is CheckState.READY and not queued:
            return None
        return SetCheck(CheckState.READY, PARKED, _no_timer(check), holds_back=queued)
    asked = check.asked_until
    if asked is not None and asked >= max(enough, now) and not queued:
        return None
    # Kueue counts from the whole second before: a timer must not end too early.
    wanted = ceil((min(until, now + LONGEST_REST) - now).total_seconds()) + 1
    shortest = seen.grace_seconds + AFTER_GRACE_SECONDS
    return SetCheck(CheckState.RETRY, RESTS, max(wanted, shortest), holds_back=queued)


def _was_missed(seen: QueuedWorkload, check: CheckEntry, now: datetime) -> bool:
    """Return whether the last eviction was moments ago: it holds quota, and nothing runs."""
    if check.state is not CheckState.PENDING or not seen.was_evicted or check.since is None:
        return False
    return check.since <= now < check.since + MISSED


def _is_ours(seen: QueuedWorkload, check: CheckEntry, now: datetime) -> bool:
    return seen.is_parked(now) and check.state is CheckState.READY and check.message == PARKED


def _no_timer(check: CheckEntry) -> int | None:
    # Kueue owns the field too, so that leaving it out would not remove it.
    return None if check.requeue_after_seconds is None else 0


def entry_of(write: SetCheck, check: str, now: datetime) -> dict[str, Any]:
    """Return the entry of our check in the status of Kueue's object."""
    entry: dict[str, Any] = {
        "name": check,
        "state": str(write.state),
        "message": write.message,
        "lastTransitionTime": format_timestamp(now),
    }
    if write.requeue_after_seconds is not None:
        entry["requeueAfterSeconds"] = write.requeue_after_seconds
    return entry


def applied(
    write: SetCheck, seen: QueuedWorkload, api_version: str, check: str, now: datetime
) -> dict[str, Any]:
    """Return the object that is applied to the status: our entry, and nothing of other checks."""
    status: dict[str, Any] = {"admissionChecks": [entry_of(write, check, now)]}
    if write.holds_back:
        status["conditions"] = [_held_back(now)]
    return {
        "apiVersion": f"{QUEUE_GROUP}/{api_version}",
        "kind": "Workload",
        "metadata": {
            "namespace": seen.namespace,
            "name": seen.name,
            "resourceVersion": seen.version,
        },
        "status": status,
    }


def _held_back(now: datetime) -> dict[str, Any]:
    """Return the condition by which Kueue remembers an eviction that waits for its timer."""
    return {
        "type": "Requeued",
        "status": "False",
        "reason": "AdmissionCheck",
        "message": RESTS,
        "lastTransitionTime": format_timestamp(now),
    }


def without_timer(seen: QueuedWorkload) -> dict[str, Any]:
    """Return the merge patch of the status that takes Kueue's timer away.

    An apply cannot: the field is Kueue's.
    """
    return {
        "metadata": {"resourceVersion": seen.version},
        "status": {"requeueState": {"requeueAt": None}},
    }


def merged(
    write: QueueWrite, body: Mapping[str, Any], seen: QueuedWorkload, check: str, now: datetime
) -> dict[str, Any]:
    """Return the merge patch of a write, for a client that cannot apply to a status."""
    if isinstance(write, ForgetTimer):
        return without_timer(seen)
    mine = entry_of(write, check, now)
    entries = [
        {**one, **mine} if one.get("name") == check else one
        for one in mapping_at(body, "status").get("admissionChecks") or ()
    ]
    status: dict[str, Any] = {"admissionChecks": entries}
    if write.holds_back:
        others = mapping_at(body, "status").get("conditions") or ()
        kept = [one for one in others if one.get("type") != "Requeued"]
        status["conditions"] = [*kept, _held_back(now)]
    return {"metadata": {"resourceVersion": seen.version}, "status": status}
