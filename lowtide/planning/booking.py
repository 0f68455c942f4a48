"""Plans under a shared capacity: jobs take room one after another in a fixed order.

A plan that was cheapest before others took their room and still fits is cheapest now, because room
only shrinks. So plans are searched together and only those that no longer fit are searched again;
the result is that of planning strictly one by one. Source: docs/explanation/planning.md#room.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

from lowtide.planning.batch import Searches, gpus_at
from lowtide.planning.calendar import Calendar, Occupancy, Reservation, tick_start
from lowtide.planning.decision import decide
from lowtide.planning.guard import latest_start, resume_seconds, size_to_the_end
from lowtide.planning.publication import Commitment, one_segment
from lowtide.planning.types import PlanReason, Request, Segment

MOST_TOGETHER: Final = 24
"""Upper bound on the jobs searched again together after a conflict: on a full cluster the plans of
more lose their room again before their turn comes."""


def reservation(request: Request, segments: tuple[Segment, ...]) -> Reservation:
    """Return what a plan reserves: its segments, the last to the 90th percentile of the work."""
    tail = request.remaining_high_seconds - request.remaining_seconds
    if segments:
        last, elastic = segments[-1], request.elastic
        if elastic is not None and last.replicas is not None:
            tail /= elastic.speed(last.replicas)
        end = last.end + timedelta(seconds=tail)
        segments = (*segments[:-1], Segment(last.start, end, last.replicas))
    each = () if request.elastic is None else tuple(_gpus(request, one) for one in segments)
    return Reservation(request.key, request.gpus, segments, request.gpu_resource, each)


def _gpus(request: Request, segment: Segment) -> int:
    """Return the GPUs that a job holds in a stretch of its plan."""
    if request.elastic is None or segment.replicas is None:
        return request.gpus
    return gpus_at(request, segment.replicas)


def booking_order(request: Request) -> tuple[bool, datetime, datetime, str]:
    """Return the place of a job in the queue for room: running jobs hold theirs already."""
    created = request.created or datetime.max.replace(tzinfo=UTC)
    return not request.running, latest_start(request), created, request.key


def book(
    now: datetime,
    requests: Sequence[Request],
    calendar: Calendar,
    forced: Mapping[str, Commitment],
    searches: Searches,
) -> dict[str, Commitment]:
    """Return the decisions of all jobs, each taking room before the next.

    `forced` holds those of jobs that have no choice; they keep theirs whatever the room, because
    a deadline outranks the calendar.
    """
    order = sorted(requests, key=booking_order)
    occupancy = _occupancy(now, requests, calendar, forced, searches)
    queue = _Queue(now, [one for one in order if one.key not in forced], searches, occupancy)
    return {**forced, **queue.decide_all()}


def _occupancy(
    now: datetime,
    requests: Sequence[Request],
    calendar: Calendar,
    forced: Mapping[str, Commitment],
    searches: Searches,
) -> Occupancy:
    """Return the room left by other jobs' reservations and by the jobs that have no choice."""
    released = calendar.without(request.key for request in requests)
    end = max([now, *searches.ends()])
    occupancy = Occupancy(
        released, tick_start(now, searches.shortest_tick()), end, searches.shortest_tick()
    )
    for request in requests:
        if request.key in forced:
            occupancy.enter(reservation(request, forced[request.key].segments))
    return occupancy


class _Queue:
    """Jobs in booking order, with the proposals that were found for them so far."""

    def __init__(
        self, now: datetime, requests: list[Request], searches: Searches, occupancy: Occupancy
    ) -> None:
        self._now, self._requests = now, requests
        self._searches, self._occupancy = searches, occupancy
        self._found: dict[str, Commitment | None] = {}
        self._needed: dict[str, tuple[tuple[slice, int], ...]] = {}
        self._search(requests)

    def _search(self, requests: Sequence[Request]) -> None:
        """Search plans in the room that is left now."""
        proposals = self._searches.propose(requests, self._occupancy.room)
        for request in requests:
            proposal = proposals[request.key]
            horizon = self._searches.horizon(request)
            self._found[request.key], self._needed[request.key] = None, ()
            if proposal.stretches:
                found = decide(self._now, request, horizon, proposal)
                self._found[request.key] = found
                self._needed[request.key] = self._spans(request, found)

    def _spans(self, request: Request, found: Commitment) -> tuple[tuple[slice, int], ...]:
        """Return the ticks in which the plan needs room, and the GPUs that it needs there."""
        segments, gpus = found.segments, [_gpus(request, one) for one in found.segments]
        if self._searches.may_pause(request):
            # Pausing jobs are planned in whole steps, so they need room in whole steps.
            horizon = self._searches.horizon(request)
            segments = tuple(horizon.whole_steps(segment) for segment in segments)
        else:
            segments = reservation(request, segments).segments
        return tuple(zip(self._occupancy.spans(segments), gpus, strict=True))

    def _fits(self, request: Request) -> bool:
        """Return whether the plan found for the request still has room."""
        return all(
            self._occupancy.has_room([span], gpus) for span, gpus in self._needed[request.key]
        )

    def decide_all(self) -> dict[str, Commitment]:
        """Return the decisions, taken one after another in the order of the queue."""
        decided: dict[str, Commitment] = {}
        together, fresh = 1, set[str]()
        for place, request in enumerate(self._requests):
            if self._found[request.key] is not None and not self._fits(request):
                # Searching a few ahead pays while their plans are used before room changes.
                together = max(1, together // 2) if request.key in fresh else 2 * together
                again = self._conflicting(place, min(together, MOST_TOGETHER))
                self._search(again)
                fresh = {one.key for one in again}
            found = self._found[request.key] or self._earliest_room(request)
            self._occupancy.enter(reservation(request, found.segments))
            decided[request.key] = found
        return decided

    def _conflicting(self, place: int, count: int) -> list[Request]:
        """Return the next `count` requests from `place` on whose plans have no room any more."""
        rest = islice(self._requests, place, None)
        return list(islice((one for one in rest if not self._fits(one)), count))

    def _earliest_room(self, request: Request) -> Commitment:
        """Return the decision of a job that finds no room before its deadline.

        It starts as soon as there is room; at its latest start it starts without, and queues.
        """
        begin = max(self._now, request.earliest)
        length = request.remaining_seconds + resume_seconds(request)
        latest = latest_start(request)
        if begin >= latest:
            # An elastic job that a faster size could still help finds no room for that either.
            return Commitment(
                run=begin <= self._now,
                reason=PlanReason.LATEST_START,
                segments=one_segment(request, begin, size_to_the_end(request)),
            )
        start = self._occupancy.earliest_room(begin, length, request.gpus) or latest
        return Commitment(
            run=start <= self._now,
            reason=PlanReason.CAPACITY_SHORT,
            segments=one_segment(request, start),
        )
