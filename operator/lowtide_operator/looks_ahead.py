"""What is known of jobs without a request: of one at hand, and of those that are looked at next.

A pass over the waiting jobs plans these along, so that each look finds its plan.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final

from lowtide.planning import Request
from lowtide.planning.durations import learn
from lowtide_operator.app import App
from lowtide_operator.decision.observation import ForecastView, Observation, ZoneOutlook
from lowtide_operator.decision.questions import question_of
from lowtide_operator.decision.scaling import with_scaling
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.views import Fault, JobView
from lowtide_operator.schedule.room import GpuRoom

LOOK_AHEAD: Final = 256
"""Jobs whose questions are prepared for the next pass; keeps the event loop for some 0.1 s."""


class JobsAround:
    """The operator's parts as a pass over the waiting jobs sees them."""

    def __init__(self, app: Callable[[], App]) -> None:
        self._app = app

    def now(self) -> datetime:
        """Return the time."""
        return self._app().clock()

    def room(self) -> GpuRoom:
        """Return how many GPUs planned jobs may hold."""
        return self._app().room()

    def running_keys(self) -> Sequence[Key]:
        """Return the jobs that hold GPUs."""
        return self._app().cache.running_keys()

    def newest_outlook(self, zone: str) -> ZoneOutlook | None:
        """Return what jobs of a zone are planned by now."""
        return self._app().forecasts.outlook(zone)

    def questions_ahead(self) -> Iterator[tuple[Key, Request, ZoneOutlook]]:
        """Return the questions of the jobs that are looked at next."""
        return questions_ahead(self._app())

    def plan_changed(self, key: Key) -> None:
        """Look at a job again."""
        self._app().queue.add(key)


def questions_ahead(app: App) -> Iterator[tuple[Key, Request, ZoneOutlook]]:
    """Yield the questions of the jobs that are looked at next, as far as they are known.

    No request is made. A job that is not waiting, or is planned already, is left out.
    """
    now = app.clock()
    for key in app.queue.next_keys(LOOK_AHEAD):
        record = app.cache.record(key)
        if record is None or key in app.desk or record.summary.state not in ("", "Waiting"):
            continue
        job = app.cache.look_ahead(record)
        if job.deleting or job.status.attempts or app.cache.child(job) is not None:
            continue
        seen = at_hand(job, now, app)
        request, outlook = (
            question_of(seen, app.settings),
            app.forecasts.outlook(seen.forecast.zone),
        )
        if request is not None and outlook is not None:
            yield key, request, outlook


def at_hand(job: JobView, now: datetime, app: App) -> Observation:
    """Return what is known about a job without a request."""
    forecast = ForecastView()
    if not isinstance(job.spec, Fault):
        forecast = app.forecasts.view(job.spec.grid)
    experience = learn(app.cache.past_runs(job))
    return Observation(
        now=now, job=with_scaling(job, experience), forecast=forecast, experience=experience
    )
