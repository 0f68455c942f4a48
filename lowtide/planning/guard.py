"""Deadline guard: the last moment at which a job may still be told to wait.

It keeps the promise that no forecast, outage or optimism keeps a job past its deadline, and must
not look at intensities.

Planning uses the median remaining time in a window that ends early by the distance between the
90th percentile and the median, so that the window and the latest start agree.
"""

from datetime import datetime, timedelta

from lowtide.planning.types import Request


def resume_seconds(request: Request) -> float:
    """Return the full-power seconds that the next start burns before useful work continues."""
    return request.restart_cost_seconds if request.started and not request.running else 0.0


def run_seconds(request: Request, work_seconds: float) -> float:
    """Return how long work takes at the size that the deadline counts on."""
    elastic = request.elastic
    return work_seconds if elastic is None else work_seconds / elastic.guard_speed


def size_to_the_end(request: Request) -> int | None:
    """Return the size at which a job that can no longer wait runs; `None` for a fixed size.

    That is its guard's, or the present one where it is larger or where a change would take longer.
    """
    elastic = request.elastic
    if elastic is None:
        return None
    if not request.running or request.replicas not in elastic.sizes:
        return elastic.guard
    work, present = request.remaining_high_seconds, elastic.sure_speed(request.replicas)
    changed = work / elastic.guard_speed + elastic.resize_cost_seconds
    return request.replicas if work / present <= changed else elastic.guard


def _needed_seconds(request: Request) -> float:
    """Return the pessimistic time of an uninterrupted run from now on."""
    needed = run_seconds(request, request.remaining_high_seconds) + resume_seconds(request)
    elastic, size = request.elastic, size_to_the_end(request)
    if elastic is None or size is None or not request.running:
        return needed
    if size == request.replicas:
        speed = min(elastic.sure_speed(size), elastic.guard_speed)
        return request.remaining_high_seconds / speed
    return needed + elastic.resize_cost_seconds


def latest_start(request: Request) -> datetime:
    """Return the last moment from which an uninterrupted run still ends before the deadline.

    An elastic job runs at its guard's size from then on.
    """
    needed = _needed_seconds(request) + request.latency_seconds + request.margin_seconds
    return request.deadline - timedelta(seconds=needed)


def window_end(request: Request) -> datetime:
    """Return the end of the window in which the median remaining time is planned."""
    tail = run_seconds(request, request.remaining_high_seconds - request.remaining_seconds)
    reserve = request.latency_seconds + request.margin_seconds
    return request.deadline - timedelta(seconds=tail + reserve)


def is_at_risk(now: datetime, request: Request) -> bool:
    """Return whether a run from `now` may miss the deadline: margin and latency are used up.

    Within the margin after the latest start the promise still holds, so a wake-up that is a
    second late is no reason for an alarm.
    """
    return now + timedelta(seconds=_needed_seconds(request)) > request.deadline
