"""Searches for many jobs at once: jobs that see the same horizon are planned together."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from lowtide.planning.contiguous import search_contiguous
from lowtide.planning.guard import resume_seconds, window_end
from lowtide.planning.horizon import TICK_SECONDS, Horizon, horizon_between, steps_per_slot
from lowtide.planning.pausing import search_interruptible
from lowtide.planning.search import Bools, Proposal, Task
from lowtide.planning.types import Forecast, Request

Barred: TypeAlias = Callable[[Horizon, int], Bools | None]
"""Which steps of a horizon lack room for a number of GPUs."""

Group: TypeAlias = tuple[int, datetime, int]


class Searches:
    """The horizons of a planning pass and the searches on them.

    Every request must be one that `decide_without_search` left open, so a horizon exists.
    """

    def __init__(
        self,
        now: datetime,
        requests: Sequence[Request],
        forecasts: Mapping[str, Forecast | None],
    ) -> None:
        self._now = now
        self._forecasts = forecasts
        ends: dict[Group, datetime] = {}
        for request in requests:
            group = self._group(request)
            ends[group] = max(ends.get(group, window_end(request)), window_end(request))
        by_id = {id(forecast): forecast for forecast in forecasts.values()}
        self._horizons: dict[Group, Horizon] = {}
        for (forecast_id, begin, pieces), end in ends.items():
            forecast = by_id[forecast_id]
            if forecast is None:
                continue
            horizon = horizon_between(forecast, begin, end, pieces=pieces)
            if horizon is not None:
                self._horizons[forecast_id, begin, pieces] = horizon

    def _group(self, request: Request) -> Group:
        """Return what decides which horizon a request sees.

        Interruptible jobs are planned in ticks, contiguous ones in whole slots.
        """
        forecast = self._forecasts[request.key]
        slot = forecast.slot_seconds if forecast else 0
        pieces = steps_per_slot(slot) if request.interruptible else 1
        return id(forecast), max(self._now, request.earliest), pieces

    def ends(self) -> list[datetime]:
        """Return the ends of all horizons."""
        return [horizon.moment(horizon.end_seconds) for horizon in self._horizons.values()]

    def shortest_step(self) -> float:
        """Return the shortest step of all horizons in seconds, 15 min where there are none."""
        steps = [horizon.step_seconds for horizon in self._horizons.values()]
        return min(steps, default=TICK_SECONDS)

    def horizon(self, request: Request) -> Horizon:
        """Return the steps that the request is planned on."""
        return self._horizons[self._group(request)]

    def propose(
        self, requests: Sequence[Request], barred: Barred | None = None
    ) -> dict[str, Proposal]:
        """Return what the searches find for each request, by key."""
        groups: dict[tuple[Group, bool, int], list[Request]] = defaultdict(list)
        for request in requests:
            gpus = request.gpus if barred is not None else 0
            groups[self._group(request), request.interruptible, gpus].append(request)
        found: dict[str, Proposal] = {}
        for (group, interruptible, gpus), members in groups.items():
            horizon = self._horizons[group]
            closed = None if barred is None else barred(horizon, gpus)
            search = search_interruptible if interruptible else search_contiguous
            tasks = [_task(request, horizon) for request in members]
            proposals = search(horizon, tasks, closed)
            found |= {
                request.key: proposal for request, proposal in zip(members, proposals, strict=True)
            }
        return found


def _task(request: Request, horizon: Horizon) -> Task:
    """Return the request as the searches see it."""
    return Task(
        work_seconds=request.remaining_seconds,
        end_seconds=(window_end(request) - horizon.begin).total_seconds(),
        tail_seconds=request.remaining_high_seconds - request.remaining_seconds,
        resume_seconds=(
            request.restart_cost_seconds if request.interruptible else resume_seconds(request)
        ),
        started=request.started or request.running,
        running=request.running,
    )
