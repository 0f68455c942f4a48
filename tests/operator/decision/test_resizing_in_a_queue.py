"""Jobs of a Kueue queue that change their size: told of short quota, they take their own."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from standins.forecasts import exact_forecast
from standins.job_views import CREATED, new_job

from lowtide.trainingjob.conditions import Reason
from lowtide.trainingjob.models import parse_spec
from lowtide.trainingjob.status import Attempt
from lowtide.trainingjob.workload_kinds import JOB
from lowtide_operator.decision.actions import FreeWorkload, ResizeWorkload
from lowtide_operator.decision.decide import decide
from lowtide_operator.decision.observation import ForecastView, Observation
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.pods import PodView
from lowtide_operator.objects.views import JobView
from lowtide_operator.objects.workloads import QueueView, WorkloadView, workload_view
from lowtide_operator.settings import OperatorSettings

KEY = Key("ml", "wide")
HOUR = timedelta(hours=1)
SETTINGS = OperatorSettings()
GATE = {"kueue.x-k8s.io/admission-gated-by": "lowtide.dev/carbon"}


def queued(size: int, notes: dict[str, str], queue: QueueView | None = None) -> WorkloadView:
    """Return a suspended Job of a queue, whose own size is one."""
    body: dict[str, Any] = {
        "metadata": {
            "name": "wide",
            "namespace": "ml",
            "uid": "job-1",
            "resourceVersion": "1",
            "creationTimestamp": "2026-11-30T10:00:00Z",
            "labels": {"kueue.x-k8s.io/queue-name": "ml", "lowtide.dev/schedule": "true"},
            "annotations": {
                **notes,
                **({} if size == 1 else {"lowtide.dev/resized": f"1->{size}"}),
            },
        },
        "spec": {
            "suspend": True,
            "completionMode": "Indexed",
            "parallelism": size,
            "completions": size,
        },
    }
    return replace(workload_view(JOB, body, KEY, "uid-1"), queue=queue)


def a_job() -> JobView:
    """Return a job of four hours at one pod, with eight hours left: two clean, then dirty ones."""
    schedule = {
        "expectedDurationSeconds": 4 * 3600,
        "deadline": "2026-11-30T18:00:00Z",
        "interruption": {"allowed": True, "restartCostSeconds": 60},
        "elastic": {"minReplicas": 1, "maxReplicas": 2, "efficiency": "1"},
    }
    target = {"apiVersion": "batch/v1", "kind": "Job", "name": "wide"}
    spec = parse_spec({"targetRef": target, "schedule": schedule})
    return new_job(spec, key=KEY, gpus=0, replicas=1)


def look(
    job: JobView,
    view: WorkloadView,
    now: datetime,
    *,
    begun: bool,
    pods: tuple[PodView, ...] = (),
) -> tuple[JobView, list[Any]]:
    """Return the job with its next status, and the actions."""
    forecast = exact_forecast([50, 50] + [500] * 20, CREATED, provider="test", generated_at=CREATED)
    seen = Observation(
        now=now,
        job=job,
        workload=view,
        child=view.child if begun else None,
        template_checked=True,
        pods=pods,
        forecast=ForecastView(
            forecast=forecast, zone="DE", status="True", reason=Reason.FORECAST_IN_USE
        ),
    )
    decision = decide(seen, SETTINGS)
    return replace(job, status=decision.status), list(decision.actions)


def test_a_size_without_quota_is_written_down_and_then_given_up() -> None:
    """Started with two, refused by Kueue: first the attempt is recorded, then the size is one."""
    second = timedelta(seconds=10)
    gated = queued(1, GATE)
    job, actions = look(a_job(), gated, CREATED, begun=False)
    assert actions == [FreeWorkload(gated.ref, 2)]
    waits = queued(2, {}, QueueView("job-wide", active=True))
    job, actions = look(job, waits, CREATED + second, begun=True)
    assert actions == []
    short = queued(2, {}, QueueView("job-wide", active=True, short=True))
    job, actions = look(job, short, CREATED + 2 * second, begun=True)
    assert actions == []
    assert [(one.replicas, one.outcome) for one in job.status.attempts] == [(2, "NoRoom")]
    job, actions = look(job, short, CREATED + 3 * second, begun=True)
    assert actions == [FreeWorkload(short.ref, 1)]
    job, actions = look(
        job, queued(1, {}, QueueView("job-wide", active=True)), CREATED + 4 * second, begun=True
    )
    assert actions == []
    assert len(job.status.attempts) == 1


def test_a_paused_job_goes_on_when_kueue_counts_its_new_size() -> None:
    """Sizes first, then Kueue's own count, and only then may Kueue start it."""
    paused = {"lowtide.dev/paused-in-queue": "job-wide"}
    ran = Attempt(
        number=1, name="wide", start=CREATED - 3 * HOUR, end=CREATED - 2 * HOUR, outcome="Paused"
    )
    job = a_job()
    job = replace(job, status=job.status.model_copy(update={"attempts": (ran,)}))
    job, _ = look(job, queued(1, {}, QueueView("job-wide", active=True)), CREATED, begun=True)
    looks = [
        (queued(1, paused, QueueView("job-wide", active=False, pods=1)), [ResizeWorkload]),
        (queued(2, paused, QueueView("job-wide", active=False, pods=1)), []),
        (queued(2, paused, QueueView("job-wide", active=False, pods=2)), [FreeWorkload]),
    ]
    for view, wanted in looks:
        job, actions = look(job, view, CREATED + HOUR / 60, begun=True)
        assert [type(one) for one in actions] == wanted
        assert all(one.replicas == 2 for one in actions)


def test_pods_seen_before_their_job_goes_on_are_those_of_a_new_attempt_at_its_size() -> None:
    """Kueue let it go with two, and the Job is still seen suspended, with one."""
    ran = Attempt(
        number=1,
        name="wide",
        start=CREATED - 3 * HOUR,
        end=CREATED,
        outcome="Resized",
        replicas=1,
        base_replicas=1,
    )
    job = a_job()
    job = replace(job, status=job.status.model_copy(update={"attempts": (ran,)}))
    before = queued(1, {}, QueueView("job-wide", active=True))
    second = timedelta(seconds=1)
    pods = tuple(
        PodView(
            name=f"wide-{number}",
            uid=f"uid-{number}",
            node="node",
            phase="Running",
            start=CREATED + second,
            end=None,
            trouble=None,
            trouble_message="",
            exit_code=None,
            end_reason=None,
            report=None,
        )
        for number in range(2)
    )
    job, _ = look(job, before, CREATED + 2 * second, begun=True, pods=pods)
    first, new = job.status.attempts
    assert (first.outcome, len(first.pods), len(new.pods)) == ("Resized", 0, 2)
    assert new.replicas is None
    after = queued(2, {}, QueueView("job-wide", active=True, pods=2))
    assert after.child is not None
    after = replace(after, child=replace(after.child, suspended=False, active=2))
    job, _ = look(job, after, CREATED + 3 * second, begun=True, pods=pods)
    assert [(one.replicas, len(one.pods), one.end) for one in job.status.attempts] == [
        (1, 0, CREATED),
        (2, 2, None),
    ]
