"""Budget of a run: what its limits say before it starts and while it works.

Limits and predictions are those of a job of a cluster. A run that has not started is predicted
from its series, one that works from the report that its training writes after every epoch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import fsum
from pathlib import Path
from typing import Final

from lowtide.accounts.foresight import foresee, foresee_from_series, with_what_was_known
from lowtide.accounts.predicted import Circumstances
from lowtide.accounts.progress import Curve, LiveReport, Mark, add_mark
from lowtide.accounts.settings import DEFAULT_EMBODIED
from lowtide.grid.forecast import Forecast
from lowtide.grid.series import IntensitySeries
from lowtide.local.clock import utc_of
from lowtide.local.samples_file import SampledAttempt
from lowtide.local.store import report_text
from lowtide.planning import Experience
from lowtide.trainingjob.budget_limits import BudgetVerdict, budget_verdict, with_verdict
from lowtide.trainingjob.models import TrainingJob
from lowtide.trainingjob.report import parse_report
from lowtide.trainingjob.status import Attempt, EnergyStatus, TrainingJobStatus
from lowtide.trainingjob.training import training_of

LOOK_RATIO: Final = 0.05
LOOK_SECONDS: Final = (1.0, 30.0)
"""A run that works is looked at again after a twentieth of its time, within these bounds."""


def next_look(began: datetime, now: datetime) -> datetime:
    """Return when the budget of a run that works is judged again."""
    shortest, longest = LOOK_SECONDS
    pause = LOOK_RATIO * (now - began).total_seconds()
    return now + timedelta(seconds=min(longest, max(shortest, pause)))


@dataclass(slots=True)
class BudgetWatch:
    """Judge of one run's budget; it keeps how far the training was at earlier looks."""

    marks: list[Mark] = field(default_factory=list)

    def before(
        self,
        job: TrainingJob,
        experience: Experience | None,
        forecast: Forecast | None,
        now: datetime,
    ) -> tuple[TrainingJobStatus, BudgetVerdict | None]:
        """Return the status with what the series predicts, and what the budget says of it."""
        status = job.status or TrainingJobStatus()
        if not status.attempts:
            plan = status.plan
            planned = [] if plan is None else [(part.start, part.end) for part in plan.segments]
            if not planned:
                length = None if plan is None else plan.expected_duration_seconds
                planned = [(now, now + timedelta(seconds=length or 3600))]
            about = Circumstances(
                now=now,
                spec=job.spec,
                status=status,
                gpus=0,
                is_running=False,
                price=job.spec.price,
                forecast=forecast,
            )
            prediction = foresee_from_series(experience, planned, about)
            status = status.model_copy(update={"prediction": prediction})
        return _judged(job, status, now)

    def during(
        self,
        job: TrainingJob,
        sampled: Sequence[SampledAttempt],
        attempts: tuple[Attempt, ...],
        joules: float,
        report: Path,
        forecast: Forecast | None,
        seen: IntensitySeries | None,
        now: datetime,
    ) -> tuple[TrainingJobStatus, BudgetVerdict | None]:
        """Return the status of a run that works, and what the budget says of it.

        `sampled` holds all attempts, the open one last; `joules` is what that one used so far.
        """
        before = job.status or TrainingJobStatus()
        curves = _curves(sampled, joules, now)
        used = fsum(curve[-1][1] for curve in curves)
        status = before.model_copy(
            update={
                "attempts": attempts,
                "energy": EnergyStatus(total_joules=round(used), final=False),
            }
        )
        live = self._report(report)
        if live is not None:
            held = list(sampled[-1].gpus.values())
            about = Circumstances(
                now=now,
                spec=job.spec,
                status=status,
                gpus=len(held),
                gpu_model=held[0] if held else None,
                embodied=DEFAULT_EMBODIED,
                price=job.spec.price,
                forecast=forecast,
                seen=seen,
                curves=curves,
            )
            training = with_what_was_known(training_of(live.report), before.training, curves)
            prediction = foresee(live, training, about)
            status = status.model_copy(update={"training": training, "prediction": prediction})
        return _judged(job, status, now)

    def _report(self, path: Path) -> LiveReport | None:
        """Return what the training reported last; `None` while it has reported nothing."""
        try:
            at = utc_of(path.stat().st_mtime)
        except OSError:
            return None
        text = report_text(path)
        report = None if text is None else parse_report(text).report
        if report is None:
            return None
        add_mark(self.marks, at, report)
        return LiveReport(at, report, tuple(self.marks))


def _judged(
    job: TrainingJob, status: TrainingJobStatus, now: datetime
) -> tuple[TrainingJobStatus, BudgetVerdict | None]:
    if job.spec.budget is None:
        return status, None
    verdict = budget_verdict(job.spec.budget, status, now)
    return with_verdict(status, verdict, now), verdict


def _curves(sampled: Sequence[SampledAttempt], joules: float, now: datetime) -> tuple[Curve, ...]:
    """Return the energy in time of every attempt; the last one still grows."""
    curves: list[Curve] = []
    for one in sampled:
        start = utc_of(one.started_at)
        points = [(start, 0.0)]
        points += [(utc_of(at), sum(parts.values()) / 1000) for at, parts, _ in one.samples]
        if one is sampled[-1]:
            points = [point for point in points if point[0] < now]
            points.append((now, max(joules, points[-1][1] if points else 0.0)))
        else:
            last = points[-1][1]
            end = max(points[-1][0], utc_of(one.last_seen))
            points += [(end + timedelta(microseconds=1), last)]
            points += [(max(end, now) + timedelta(seconds=1), last)]
        curves.append(tuple(points))
    return tuple(curves)
