"""Elastic jobs with the controllers around them: the decisions of a whole life, in a loop."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import log2
from typing import Any

from standins.forecasts import exact_forecast
from standins.job_views import CREATED, new_job

from lowtide.accounts.progress import Mark
from lowtide.trainingjob.conditions import Reason
from lowtide.trainingjob.models import parse_spec
from lowtide.trainingjob.status import TrainingJobStatus
from lowtide_operator.decision.actions import CreateJob, ResumeJob, SuspendJob
from lowtide_operator.decision.decide import decide
from lowtide_operator.decision.draft import Decision
from lowtide_operator.decision.observation import ForecastView, Observation, StartRefusal
from lowtide_operator.decision.scaling import with_scaling
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.pods import PodView
from lowtide_operator.objects.views import ChildView, JobView
from lowtide_operator.settings import OperatorSettings

KEY = Key("ml", "wide")
HOUR = timedelta(hours=1)
STEP = timedelta(minutes=5)
SETTINGS = OperatorSettings.model_validate(
    {"schedule": {"startLatencySeconds": 60, "marginSeconds": 600, "durationHighRatio": 1}}
)
EFFICIENCY = 0.9
RESTART_SECONDS = 300
WATTS = 800.0
"""Of all pods at the size of the template."""
SAMPLES_PER_SECOND = 50.0


def forecast_of(values: list[float]) -> ForecastView:
    """Return a known forecast with one value per hour."""
    forecast = exact_forecast(values, CREATED, provider="test", generated_at=CREATED)
    return ForecastView(forecast=forecast, zone="DE", status="True", reason=Reason.FORECAST_IN_USE)


def elastic_job(
    *,
    base: int = 2,
    least: int = 1,
    most: int = 4,
    efficiency: float | None = EFFICIENCY,
    **schedule: Any,
) -> JobView:
    """Return a new job of six hours at `base` replicas with two hours of slack."""
    elastic = {"minReplicas": least, "maxReplicas": most}
    spec = {
        "expectedDurationSeconds": 6 * 3600,
        "deadline": "2026-11-30T18:00:00Z",
        "interruption": {"allowed": True, "restartCostSeconds": RESTART_SECONDS},
        "elastic": elastic | ({} if efficiency is None else {"efficiency": str(efficiency)}),
    }
    return new_job(
        parse_spec({"template": {}, "schedule": {**spec, **schedule}}),
        key=KEY,
        gpus=2 * base,
        gpu_resource="nvidia.com/gpu",
        replicas=base,
    )


@dataclass
class Cluster:
    """A TrainingJob, its Job and its pods, moved on as their controllers would move them."""

    job: JobView
    forecast: ForecastView
    now: datetime = CREATED
    settings: OperatorSettings = SETTINGS
    child: ChildView | None = None
    pods: list[PodView] = field(default_factory=list)
    room: int = 64
    """Pods that find a node."""
    hours: float = 6
    """Work in hours of the template's size."""
    efficiency: float = EFFICIENCY
    """Of a doubling, as it really is."""
    power_exponent: float = 1.0
    """Of the replicas in the power of all pods."""
    reports: bool = False
    """Whether the training tells how far it is, and the exporter what it used."""
    step: timedelta = STEP
    """Time between two looks."""
    refused: set[int] = field(default_factory=set)
    """Sizes that the API server refuses."""
    restarts: int = 0
    """Times that a running Job was suspended."""
    marks: list[Mark] = field(default_factory=list)
    joules: dict[str, float] = field(default_factory=dict)
    trained_seconds: float = 0.0
    worked: float = 0.0
    """Seconds of work at the template's size that the pods have really done."""
    burning: float = 0.0
    sizes: list[int] = field(default_factory=list)
    """Size of each start."""
    finished: datetime | None = None

    def look(self) -> Decision:
        """Decide, write the status, carry out the actions; until nothing is left to do."""
        for _ in range(8):
            seen = self.seen()
            decision = decide(seen, self.settings)
            for action in decision.actions:
                refusal = self._act(action)
                if refusal is not None:
                    decision = decide(
                        replace(seen, refusal=refusal, child=self.child), self.settings
                    )
                    break
            stored = TrainingJobStatus.model_validate(decision.status.to_api())
            settled = stored == self.job.status and not decision.actions
            self.job = replace(self.job, status=stored)
            if settled:
                break
        return decision

    def look_once(self) -> Decision:
        """Return the decision of now; nothing is written or carried out."""
        return decide(self.seen(), self.settings)

    def seen(self) -> Observation:
        """Return what is known of the job."""
        return Observation(
            now=self.now,
            job=with_scaling(self.job, None),
            child=self.child,
            pods=tuple(self.pods),
            template_checked=True,
            forecast=self.forecast,
            marks=tuple(self.marks),
            joules_so_far=dict(self.joules),
        )

    def _act(self, action: object) -> StartRefusal | None:
        refusal = None
        match action:
            case CreateJob():
                self.child = ChildView(
                    name="wide-1",
                    uid="job-1",
                    owner=KEY,
                    owner_uid="uid-1",
                    resource_version="1",
                    created=self.now,
                    suspended=True,
                    queued=False,
                    active=0,
                    ready=0,
                    started=None,
                    ending=None,
                    deleting=False,
                    replicas=self.job.replicas,
                )
            case ResumeJob():
                assert self.child is not None
                assert not self.pods, "pods of the old size are left"
                size = action.replicas or self.child.replicas
                if action.replicas in self.refused:
                    size = self.child.replicas
                    said = f'{action.replicas} replicas: webhook "sizes" denied the request'
                    refusal = StartRefusal(Reason.RESIZE_REFUSED, said, lasting=False)
                self.child = replace(self.child, suspended=False, replicas=size, active=size)
                if self.sizes:
                    self.burning = RESTART_SECONDS
                self.sizes.append(size)
                self.pods = [self._pod(index) for index in range(size)]
            case SuspendJob():
                assert self.child is not None
                self.child = replace(self.child, suspended=True, active=0, rests_since=self.now)
                self.pods = []
                self.restarts += 1
        return refusal

    def _pod(self, index: int) -> PodView:
        placed = index < self.room
        return PodView(
            name=f"wide-1-{index}",
            uid=f"pod-{len(self.sizes)}-{index}",
            node="gpu-1" if placed else "",
            phase="Running" if placed else "Pending",
            start=self.now if placed else None,
            end=None,
            trouble=None if placed else Reason.UNSCHEDULABLE,
            trouble_message="" if placed else "no node has room",
            exit_code=None,
            end_reason=None,
            report=None,
        )

    def pass_time(self) -> None:
        """Let the pods work for a step: all of them must run, and a resume burns time first."""
        child = self.child
        whole = child is not None and not child.suspended and len(self.pods) <= self.room
        if child is not None and whole:
            seconds = self.step.total_seconds()
            burnt = min(self.burning, seconds)
            self.burning -= burnt
            ratio = child.replicas / self.job.replicas
            # Each doubling is 2 * efficiency times as fast.
            self.worked += (seconds - burnt) * ratio ** (1 + log2(self.efficiency))
            self.trained_seconds += seconds - burnt
            watts = WATTS * ratio**self.power_exponent / len(self.pods)
            for pod in self.pods:
                self.joules[pod.uid] = self.joules.get(pod.uid, 0.0) + watts * seconds
        self.now += self.step
        if self.reports and child is not None and whole:
            samples = round(SAMPLES_PER_SECOND * self.worked)
            self.marks = [*self.marks, Mark(self.now, samples, self.trained_seconds)][-64:]
        if not self.reports:
            self.joules.clear()
        if self.finished is None and self.worked >= self.hours * 3600:
            self.finished = self.now

    def run(self) -> None:
        """Live until the work is done, or a day has passed."""
        while self.finished is None and self.now < CREATED + 4 * self.hours * HOUR:
            self.look()
            self.pass_time()
