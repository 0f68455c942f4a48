"""Bounds on what a request may say, so that no value of a user makes planning fail or grow.

Values beyond a bound count as the bound; the planner sees nothing of a window that its forecast
does not cover, so no plan changes by it. Sums of a moment and a few durations stay inside the
calendar of Python.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from lowtide.planning.errors import RequestError
from lowtide.planning.types import Request

EARLIEST_MOMENT: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_MOMENT: Final = datetime(9900, 1, 1, tzinfo=UTC)
LONGEST_SECONDS: Final = 5e8
"""About sixteen years."""
SHORTEST_SECONDS: Final = 0.001
"""Less work is none: times know microseconds."""
MOST_GPUS: Final = 2**31
_DURATIONS: Final = (
    "remaining_seconds",
    "remaining_high_seconds",
    "restart_cost_seconds",
    "latency_seconds",
    "margin_seconds",
)
_MOMENTS: Final = ("earliest", "deadline", "since", "created")


def bounded_moment(moment: datetime) -> datetime:
    """Return an aware time in UTC, moved to the years from 1970 to 9900."""
    if moment <= EARLIEST_MOMENT:
        return EARLIEST_MOMENT
    return LATEST_MOMENT if moment >= LATEST_MOMENT else moment.astimezone(UTC)


def bounded(request: Request) -> Request:
    """Return the request with every value inside its bounds.

    Raises:
        RequestError: a duration is negative or not finite, the 90th percentile lies below the
            median, a time has no offset, the job asks for a negative number of GPUs, or it is
            elastic and cannot pause.
    """
    check_request(request)
    return replace(
        request,
        earliest=bounded_moment(request.earliest),
        deadline=bounded_moment(request.deadline),
        since=None if request.since is None else bounded_moment(request.since),
        created=None if request.created is None else bounded_moment(request.created),
        remaining_seconds=_bounded_work(request.remaining_seconds),
        remaining_high_seconds=_bounded_work(request.remaining_high_seconds),
        restart_cost_seconds=_bounded_work(request.restart_cost_seconds),
        latency_seconds=min(request.latency_seconds, LONGEST_SECONDS),
        margin_seconds=min(request.margin_seconds, LONGEST_SECONDS),
        gpus=min(request.gpus, MOST_GPUS),
    )


def _bounded_work(seconds: float) -> float:
    return 0.0 if seconds < SHORTEST_SECONDS else min(seconds, LONGEST_SECONDS)


def check_request(request: Request) -> None:
    """Refuse constraints that make no sense.

    Raises:
        RequestError: as in `bounded`.
    """
    for name in _MOMENTS:
        moment = getattr(request, name)
        if moment is not None and moment.utcoffset() is None:
            raise RequestError(f"{request.key}: {name} has no UTC offset")
    for name in (*_DURATIONS, "minimum_saving_ratio"):
        value = getattr(request, name)
        if not 0 <= value < float("inf"):
            raise RequestError(f"{request.key}: {name} is {value}, it must be finite and >= 0")
    if request.remaining_high_seconds < request.remaining_seconds:
        raise RequestError(
            f"{request.key}: remaining_high_seconds {request.remaining_high_seconds} is below "
            f"remaining_seconds {request.remaining_seconds}; a 90th percentile is never below "
            "the median"
        )
    if request.gpus < 0:
        raise RequestError(f"{request.key}: gpus is {request.gpus}, it must be >= 0")
    if request.elastic is not None and not request.interruptible:
        raise RequestError(
            f"{request.key}: an elastic job must be interruptible, because a change of size starts "
            "it again from a checkpoint"
        )
