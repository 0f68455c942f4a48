"""Searches for many jobs at once: jobs that see the same horizon are planned together."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from lowtide.planning.contiguous import search_contiguous
from lowtide.planning.costs import CostForecast
from lowtide.planning.guard import resume_seconds, window_end
from lowtide.planning.horizon import TICK_SECONDS, Horizon, horizon_between
from lowtide.planning.pausing import search_interruptible
from lowtide.planning.resizing import search_elastic
from lowtide.planning.search import Proposal, Room, SearchSpace, SearchTask
from lowtide.planning.types import Request

FindRoom: TypeAlias = Callable[[Horizon, int], Room | None]
"""Finds where in a horizon a number of GPUs have no room."""

View: TypeAlias = tuple[CostForecast, datetime]
"""Costs, and the start of what a job sees of them."""


class Searches:
    """The horizons of a planning pass and the searches on them.

    Every request must be one that `decide_without_search` left open, so it has costs.
    """

    def __init__(
        self, now: datetime, requests: Sequence[Request], costs: Mapping[str, CostForecast | None]
    ) -> None:
        self._now = now
        self._costs = costs
        ends: dict[View, datetime] = {}
        for request in requests:
            view, end = self._view(request), window_end(request)
            ends[view] = max(ends.get(view, end), end)
        self._horizons: dict[View, Horizon] = {}
        for (seen, begin), end in ends.items():
            horizon = horizon_between(seen, begin, end)
            if horizon is not None:
                self._horizons[seen, begin] = horizon

    def _view(self, request: Request) -> View:
        """Return the key of the horizon that a request sees."""
        costs = self._costs[request.key]
        assert costs is not None, "a job without costs has no choice and is not searched"
        return costs, max(self._now, request.earliest)

    def ends(self) -> list[datetime]:
        """Return the ends of all horizons."""
        return [horizon.moment(horizon.end_seconds) for horizon in self._horizons.values()]

    def shortest_tick(self) -> float:
        """Return the shortest tick of all horizons in seconds, 15 min where there are none."""
        steps = [horizon.tick_seconds for horizon in self._horizons.values()]
        return min(steps, default=TICK_SECONDS)

    def horizon(self, request: Request) -> Horizon:
        """Return the steps that the request is planned on."""
        return self._horizons[self._view(request)]

    def may_pause(self, request: Request) -> bool:
        """Return whether the job is searched as one that pauses.

        A job that has not started and has less slack than a resume takes can only run in one piece.
        """
        if not request.interruptible or request.started or request.elastic is not None:
            return request.interruptible
        horizon = self.horizon(request)
        end = min(window_end(request), horizon.moment(horizon.end_seconds))
        slack = (end - horizon.begin).total_seconds() - request.remaining_seconds
        return request.restart_cost_seconds <= slack

    def propose(
        self, requests: Sequence[Request], find_room: FindRoom | None = None
    ) -> dict[str, Proposal]:
        """Return the proposal for each request, by key."""
        spaces: dict[tuple[View, int], SearchSpace] = {}

        def space_of(view: View, gpus: int) -> SearchSpace:
            gpus = gpus if find_room is not None else 0
            if (view, gpus) not in spaces:
                horizon = self._horizons[view]
                room = None if find_room is None else find_room(horizon, gpus)
                spaces[view, gpus] = SearchSpace(horizon, room)
            return spaces[view, gpus]

        proposals: dict[str, Proposal] = {}
        pausing: list[tuple[str, SearchSpace, SearchTask]] = []
        solid: dict[int, list[tuple[str, SearchSpace, SearchTask]]] = defaultdict(list)
        for request in requests:
            view = self._view(request)
            task = _task(request, self._horizons[view])
            if request.elastic is not None:
                sizes = request.elastic.sizes
                rooms = tuple(space_of(view, gpus_at(request, size)) for size in sizes)
                proposals[request.key] = search_elastic(rooms, task)
                continue
            space = space_of(view, request.gpus)
            entry = request.key, space, task
            (pausing if self.may_pause(request) else solid[id(space)]).append(entry)
        found = search_interruptible([(space, task) for _, space, task in pausing])
        proposals |= {key: one for (key, _, _), one in zip(pausing, found, strict=True)}
        for entries in solid.values():
            found = search_contiguous(entries[0][1], [task for _, _, task in entries])
            proposals |= {key: one for (key, _, _), one in zip(entries, found, strict=True)}
        return proposals


def gpus_at(request: Request, size: int) -> int:
    """Return the GPUs that an elastic job holds at a size; the request's are those at its base."""
    base = size if request.elastic is None else request.elastic.base
    return -(-request.gpus * size // base)


def _task(request: Request, horizon: Horizon) -> SearchTask:
    """Return the request as the searches see it."""
    return SearchTask(
        work_seconds=request.remaining_seconds,
        end_seconds=(window_end(request) - horizon.begin).total_seconds(),
        tail_seconds=request.remaining_high_seconds - request.remaining_seconds,
        resume_seconds=(
            request.restart_cost_seconds if request.interruptible else resume_seconds(request)
        ),
        started=request.started or request.running,
        running=request.running,
        elastic=request.elastic,
        replicas=request.replicas,
    )
