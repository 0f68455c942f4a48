"""Looks at running jobs' progress: reports, energy and hours, gathered for a prediction.

Nothing here is awaited for long: what a look lacks is asked for beside it, and the next look has
it. The computation runs in a thread, because it takes milliseconds.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from lowtide.accounts.foresight import foresee, with_what_was_known
from lowtide.accounts.predicted import Circumstances
from lowtide.accounts.progress import Curve, Mark
from lowtide.accounts.scores import price_of
from lowtide.grid.forecast import Forecast
from lowtide.grid.overhead import Overhead
from lowtide.grid.series import IntensitySeries
from lowtide.trainingjob.spec import TrainingJobSpec
from lowtide.trainingjob.status import AttemptPod, PredictionStatus, TrainingStatus
from lowtide.trainingjob.training import training_of
from lowtide_operator.measuring.measure import KnownOverheads, SeenGrid
from lowtide_operator.objects.pods import PodView
from lowtide_operator.objects.views import JobView
from lowtide_operator.samples.live import LiveEnergy
from lowtide_operator.samples.live_reports import LiveReports
from lowtide_operator.settings import OperatorSettings

LOG: Final = logging.getLogger(__name__)
AGAIN: Final = timedelta(minutes=15)
"""The intensity of the hours so far is asked for again after this time."""
JOBS_MAX: Final = 4_096


@dataclass(frozen=True, slots=True)
class _Aside:
    """What was asked for beside the looks at a job."""

    at: datetime
    seen: IntensitySeries | None
    gpu_model: str | None
    overhead: Overhead | None


class Foresight(NamedTuple):
    """A running training so far, and what is expected of the whole run."""

    training: TrainingStatus
    prediction: PredictionStatus
    marks: tuple[Mark, ...]
    """How far it was at earlier moments."""


class Foreseer:
    """Predictions of started jobs; belongs to one event loop."""

    def __init__(
        self,
        energy: LiveEnergy,
        reports: LiveReports | None,
        intensity: SeenGrid,
        overheads: KnownOverheads,
    ) -> None:
        self._energy = energy
        self._reports = reports
        self._intensity = intensity
        self._overheads = overheads
        self._aside: dict[str, _Aside] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    async def look(
        self,
        job: JobView,
        spec: TrainingJobSpec,
        pods: Sequence[PodView],
        forecast: Forecast | None,
        now: datetime,
        settings: OperatorSettings,
    ) -> Foresight | None:
        """Return the training so far and its prediction; `None` while nothing was reported."""
        if self._reports is None:
            return None
        running = sorted((pod for pod in pods if pod.phase == "Running"), key=lambda pod: pod.name)
        addresses = [pod.address for pod in running if pod.address]
        live = self._reports.of_job(job.key, job.uid, addresses)
        if live is None:
            return None
        self._ask_aside(job, spec, [pod.uid for pod in running], now, settings)
        aside = self._aside.get(job.uid)
        curves = self._curves(job, running, now)
        training = with_what_was_known(training_of(live.report), job.status.training, curves)
        about = Circumstances(
            now=now,
            spec=spec,
            status=job.status,
            gpus=job.gpus,
            pods=max(1, len(running)),
            is_running=bool(running),
            gpu_model=None if aside is None else aside.gpu_model,
            embodied=settings.embodied,
            price=price_of(spec, settings),
            forecast=forecast,
            overhead=None if aside is None else aside.overhead,
            seen=None if aside is None else aside.seen,
            curves=curves,
        )
        prediction = await asyncio.to_thread(foresee, live, training, about)
        return Foresight(training, prediction, live.marks)

    def forget(self, uid: str) -> None:
        """Drop what was asked for a job that has ended."""
        self._aside.pop(uid, None)

    async def close(self) -> None:
        """End all questions."""
        for task in self._asking.values():
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    def _curves(self, job: JobView, running: Sequence[PodView], now: datetime) -> tuple[Curve, ...]:
        """Return the energy in time of all pods; nothing where that of a running one is unknown."""
        runs = {pod.uid for pod in running}
        listed = [pod for attempt in job.status.attempts for pod in attempt.pods]
        known = {pod.uid for pod in listed}
        listed += [
            AttemptPod(name=pod.name, uid=pod.uid, start=pod.start)
            for pod in running
            if pod.uid not in known
        ]
        curves = []
        for pod in listed:
            if pod.start is None:
                continue
            points = [(pod.start, 0.0)]
            points += [
                point
                for point in self._energy.curve(job.key.namespace, pod.uid)
                if point[0] > pod.start
            ]
            if pod.uid in runs:
                if len(points) == 1:
                    return ()
            else:
                last = max(points[-1][1], float(pod.joules or 0))
                end = pod.end or now
                points = [point for point in points if point[0] < end]
                points += [(end, last), (max(end, now) + timedelta(seconds=1), last)]
            curves.append(tuple(points))
        return tuple(curves)

    def _ask_aside(
        self,
        job: JobView,
        spec: TrainingJobSpec,
        uids: Sequence[str],
        now: datetime,
        settings: OperatorSettings,
    ) -> None:
        known = self._aside.get(job.uid)
        is_fresh = known is not None and now < known.at + AGAIN
        if is_fresh or job.uid in self._asking or len(self._aside) >= JOBS_MAX:
            return
        self._asking[job.uid] = asyncio.create_task(self._find(job, spec, uids, now, settings))

    async def _find(
        self,
        job: JobView,
        spec: TrainingJobSpec,
        uids: Sequence[str],
        now: datetime,
        settings: OperatorSettings,
    ) -> None:
        try:
            carbon = job.status.carbon
            starts = [one.start for one in job.status.attempts if one.start is not None]
            seen = None
            if carbon is not None and carbon.zone is not None and starts:
                seen = await self._intensity.seen_between(carbon.zone, min(starts), now)
            model = await self._energy.gpu_model(job.key.namespace, uids)
            # The factor of the hours so far also stands for those to come.
            zone = None if carbon is None else carbon.zone
            spans = [
                (one.start, one.end or now)
                for one in job.status.attempts
                if one.start is not None and one.start < (one.end or now)
            ]
            overhead = await self._overheads.of_run(spec, zone, spans, settings)
            self._aside[job.uid] = _Aside(now, seen, model, overhead)
        except Exception:
            # A prediction without these is poorer, and no reason to fail.
            LOG.exception("%s: what its prediction needs cannot be read", job.key)
            self._aside[job.uid] = _Aside(now, None, None, None)
        finally:
            del self._asking[job.uid]
