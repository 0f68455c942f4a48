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


def latest_start(request: Request) -> datetime:
    """Return the last moment from which an uninterrupted run still ends before the deadline."""
    reserve = request.latency_seconds + request.margin_seconds
    needed = request.remaining_high_seconds + resume_seconds(request) + reserve
    return request.deadline - timedelta(seconds=needed)


def window_end(request: Request) -> datetime:
    """Return the end of the window in which the median remaining time is planned."""
    tail = request.remaining_high_seconds - request.remaining_seconds
    reserve = request.latency_seconds + request.margin_seconds
    return request.deadline - timedelta(seconds=tail + reserve)


def is_at_risk(now: datetime, request: Request) -> bool:
    """Return whether a run from `now` may miss the deadline: margin and latency are used up.

    Within the margin after the latest start the promise still holds, so a wake-up that is a
    second late is no reason for an alarm.
    """
    needed = request.remaining_high_seconds + resume_seconds(request)
    return now + timedelta(seconds=needed) > request.deadline
