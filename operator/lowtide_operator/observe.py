"""Observation of one job: what a decision needs, and no more; most looks need no request.

Energy is read within the look at an ended job, whose workers do nothing else.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from lowtide.accounts.figures import Measurement
from lowtide.accounts.foresight import foresee_from_series
from lowtide.accounts.predicted import Circumstances
from lowtide.accounts.scores import price_of
from lowtide.planning import Calendar
from lowtide.trainingjob.conditions import ConditionType, Reason, find, has_end
from lowtide.trainingjob.overheads import overhead_before_start
from lowtide.trainingjob.pods_of_workloads import selectors_of
from lowtide.trainingjob.spec import TargetRef, TrainingJobSpec
from lowtide.trainingjob.status import PredictionStatus
from lowtide.trainingjob.workload_kinds import WorkloadKind, kind_of
from lowtide_operator.app import App
from lowtide_operator.cluster.errors import (
    AlreadyExistsError,
    ClusterError,
    RefusedError,
    UnreachableError,
)
from lowtide_operator.cluster.workload_pods import list_own_pods
from lowtide_operator.decision.due import needs_measuring
from lowtide_operator.decision.observation import Observation, Prepared, StartRefusal
from lowtide_operator.decision.questions import question_of
from lowtide_operator.decision.start import is_held
from lowtide_operator.decision.workload import has_begun, why_at_once
from lowtide_operator.looks_ahead import at_hand
from lowtide_operator.measuring.hindsight import look_back
from lowtide_operator.objects.job_manifest import job_manifest
from lowtide_operator.objects.pods import PodView, creation_failure, pod_view
from lowtide_operator.objects.views import Body, ChildView, Fault, JobView, child_view, template_of
from lowtide_operator.objects.workloads import (
    QueueView,
    WorkloadRef,
    WorkloadView,
    is_there,
    of_this_run,
    queue_view,
    workload_view,
)

UNPROCESSABLE = (400, 422)
"""Answers to a Job that can never be accepted; others may change with time (quota)."""


async def observe(job: JobView, app: App) -> Observation:
    """Return what is known about a job now.

    Raises:
        ClusterError: the API server did not answer.
    """
    now = app.clock()
    if app.foreseer is not None and has_end(job.status.conditions):
        app.foreseer.forget(job.uid)
    if not isinstance(job.spec, Fault) and job.spec.target_ref is not None:
        return await _with_workload(at_hand(job, now, app), job.spec.target_ref, app)
    child, gone = await _child(job, app)
    seen = replace(at_hand(job, now, app), child=child, child_is_gone=gone)
    if has_end(job.status.conditions):
        return replace(seen, measurement=await _figures(job, now, app))
    if child is not None:
        pods = () if _has_no_pods(job, child) else await _pods(job, app)
        seen = await _with_foresight(seen, pods, app)
        uids = {pod.uid for pod in pods}
        uids |= {pod.uid for attempt in job.status.attempts for pod in attempt.pods}
        return replace(
            seen,
            pods=pods,
            creation_failure=""
            if _are_all_there(job, child, pods)
            else await _creation_failure(child, now, app),
            joules_so_far=app.live.of_pods(job.key.namespace, uids),
            calendar=_calendar(seen.job, app),
        )
    if not isinstance(job.spec, Fault) and not gone:
        seen = replace(seen, prediction=_foreseen_from_series(seen, job.spec, app))
        return await _with_plan(await _with_template(seen, app), app)
    return seen


async def _with_workload(seen: Observation, ref: TargetRef, app: App) -> Observation:
    """Return the observation of a job whose workload somebody else wrote."""
    job, now = seen.job, seen.now
    if has_end(job.status.conditions):
        return replace(seen, measurement=await _figures(job, now, app))
    kind = kind_of(app.kinds, ref.api_version, ref.kind)
    if kind is None:
        listed = ", ".join(one.kind for one in app.kinds) or "none"
        return _unknown_kind(
            seen,
            f"spec.targetRef.kind {ref.kind} is not among the kinds that "
            f"the operator's settings list ({listed}): add it to workloads.kinds",
        )
    try:
        body = await app.cluster.get_workload(kind, job.key.namespace, ref.name)
    except RefusedError as error:
        return _unknown_kind(seen, f"{ref.kind} {ref.name} may not be read: {error}")
    known = job.made_for if job.status.target is None else job.status.target.uid
    if body is None or (known and known != body["metadata"]["uid"]):
        missing = (
            f"there is no {ref.kind} {ref.name} in namespace {job.key.namespace}: create it, or "
            "correct spec.targetRef"
        )
        return replace(seen, child_is_gone=bool(known), missing=missing)
    view = workload_view(kind, body, job.key, job.uid)
    if view.child.queued and not view.gated:
        view = replace(view, queue=await _queue_of(view.ref, app))
    pods = await _pods_of_workload(kind, body, job, app)
    seen = replace(
        seen,
        job=replace(
            seen.job,
            gpus=view.gpus.total,
            gpu_resource=view.gpus.resource,
            other_gpus=view.gpus.others,
            **_size(job, view, app),
        ),
        workload=view,
        pods=pods,
        template_checked=True,
        runs_at_once=why_at_once(job, view),
    )
    if not has_begun(view, pods, job.status, now):
        return await _with_plan(seen, app)
    uids = {pod.uid for pod in pods}
    uids |= {pod.uid for attempt in job.status.attempts for pod in attempt.pods}
    active = sum(is_there(pod) for pod in pods)
    child = replace(view.child, active=active)
    seen = await _with_foresight(seen, pods, app)
    return replace(
        seen,
        child=child,
        creation_failure=""
        if not seen.job.replicas or _are_all_there(seen.job, child, pods)
        else await _creation_failure(child, now, app),
        joules_so_far=app.live.of_pods(job.key.namespace, uids),
        calendar=_calendar(seen.job, app),
    )


def _size(job: JobView, view: WorkloadView, app: App) -> dict[str, Any]:
    """Return the size of a workload that may change it, and why it cannot, for the job's view."""
    if isinstance(job.spec, Fault) or job.spec.schedule.elastic is None:
        return {}
    fault = view.size.fault
    if not fault and view.child.queued and not app.settings.workloads.pause_queued:
        fault = (
            "spec.schedule.elastic needs workloads.pauseQueued.enabled for a Job in a queue: a "
            "change of size is a pause"
        )
    return {"replicas": 0 if fault else view.size.replicas, "size_fault": fault}


async def _queue_of(ref: WorkloadRef, app: App) -> QueueView | None:
    """Return Kueue's object for a workload, where that can be paused by it."""
    ways = app.settings.workloads
    if not (ways.pause_queued or ways.admission_check):
        return None
    queued = await app.cluster.queued_object(ref.namespace, ref.uid)
    if queued is None:
        return None
    return queue_view(queued, by_active=ways.pause_queued, check=ways.admission_check)


def _are_all_there(job: JobView, child: ChildView, pods: Sequence[PodView]) -> bool:
    """Return whether pods were created; of a job that changes its size, all that it needs."""
    if job.replicas:
        return child.suspended or sum(is_there(pod) for pod in pods) >= child.replicas
    return bool(pods)


def _unknown_kind(seen: Observation, message: str) -> Observation:
    refusal = StartRefusal(Reason.UNKNOWN_KIND, message, lasting=True)
    return replace(seen, template_refusal=refusal)


async def _pods_of_workload(
    kind: WorkloadKind, body: Body, job: JobView, app: App
) -> tuple[PodView, ...]:
    mine = await list_own_pods(app.cluster, kind, body)
    known = {pod.uid for attempt in job.status.attempts for pod in attempt.pods}
    if len(selectors_of(kind, body)) < len(kind.pods):
        namespace = body["metadata"]["namespace"]
        for selector in kind.known_pods if known else ():
            also = await app.cluster.list_pods_selected(namespace, selector)
            mine += [pod for pod in also if pod["metadata"]["uid"] in known]
    return of_this_run((pod_view(pod) for pod in mine), job.created, known)


async def _with_foresight(seen: Observation, pods: Sequence[PodView], app: App) -> Observation:
    """Return the observation of a started job with its training so far, and its prediction."""
    job = seen.job
    if app.foreseer is None or isinstance(job.spec, Fault):
        return seen
    found = await app.foreseer.look(
        job, job.spec, pods, seen.forecast.forecast, seen.now, app.settings
    )
    if found is None:
        return seen
    return replace(seen, training=found.training, prediction=found.prediction, marks=found.marks)


def _foreseen_from_series(
    seen: Observation, spec: TrainingJobSpec, app: App
) -> PredictionStatus | None:
    """Return the prediction of a waiting job as it is planned now."""
    plan = seen.job.status.plan
    planned = () if plan is None else tuple((part.start, part.end) for part in plan.segments)
    about = Circumstances(
        now=seen.now,
        spec=spec,
        status=seen.job.status,
        gpus=seen.job.gpus,
        pods=max(1, seen.job.replicas),
        price=price_of(spec, app.settings),
        forecast=seen.forecast.forecast,
        overhead=overhead_before_start(spec, app.settings.pue.get(seen.forecast.zone or "")),
    )
    return foresee_from_series(seen.experience, planned, about)


async def _figures(job: JobView, now: datetime, app: App) -> Measurement | None:
    """Return what is new of an ended job's figures, or `None`."""
    figures = None
    if needs_measuring(job.status, now, app.settings):
        figures = await app.measurer.measure(job, now, app.settings)
    return await look_back(job, figures, app.forecasts, now, app.settings)


async def _with_plan(seen: Observation, app: App) -> Observation:
    """Return the observation of a waiting job with its plan from a pass over all of them."""
    request, outlook = question_of(seen, app.settings), app.forecasts.outlook(seen.forecast.zone)
    if request is None or outlook is None:
        app.desk.forget(seen.job.key)
        return seen
    plan = await app.desk.ask(seen.job.key, request, outlook)
    return seen if plan is None else replace(seen, prepared=Prepared(request, plan))


def _calendar(job: JobView, app: App) -> Calendar | None:
    """Return the reservations of others, for a started job that is planned by itself."""
    calendars = app.bookings.calendars(app.room(), app.clock(), app.cache.running_keys())
    return calendars.of(job.gpu_resource)


async def _child(job: JobView, app: App) -> tuple[ChildView | None, bool]:
    """Return the batch Job of a job, and whether it is known to be gone.

    The cache may not have heard of it yet, so a Job that should exist is asked for by its name.
    """
    child = app.cache.child(job)
    if child is not None:
        return child, False
    if not job.status.attempts:
        return None, False
    body = await app.cluster.get_job(job.key.namespace, job.status.attempts[-1].name)
    found = None if body is None else child_view(body)
    if found is None or found.owner_uid != job.uid or body is None:
        return None, True
    app.cache.remember_child(body)
    return found, False


def _has_no_pods(job: JobView, child: ChildView) -> bool:
    """Return whether a Job surely has no pods yet, so that none need to be listed."""
    return is_held(child, job.status.attempts) and child.active == 0


async def _pods(job: JobView, app: App) -> tuple[PodView, ...]:
    bodies = await app.cluster.list_pods(job.key.namespace, job.uid)
    return tuple(pod_view(body) for body in bodies)


async def _creation_failure(child: ChildView, now: datetime, app: App) -> str:
    """Return why a Job that should have pods has none, where the Job controller says so."""
    waited = (now - child.created).total_seconds()
    if (
        child.suspended
        or child.ending is not None
        or waited < app.settings.cluster.pod_poll_seconds
    ):
        return ""
    try:
        events = await app.cluster.creation_failures(child.owner.namespace, child.uid)
    except ClusterError:
        # Worth having, and no reason not to look at the job.
        return ""
    return creation_failure(events, child.name)


async def _with_template(seen: Observation, app: App) -> Observation:
    """Return the observation with the API server's opinion on the template.

    It is asked once per spec, and not for a template that it has just accepted for another job.
    """
    job = seen.job
    valid = find(job.status.conditions, ConditionType.VALID)
    if valid is not None and valid.status == "True" and valid.observed_generation == job.generation:
        return replace(seen, template_checked=True)
    if app.templates.knows(job.key.namespace, job.template, seen.now):
        return replace(seen, template_checked=True)
    body = await app.cluster.get_training_job(job.key)
    if body is None:
        return seen
    manifest = job_manifest(
        job.key,
        job.uid,
        template_of(body),
        attempt=1,
        settle_seconds=app.settings.measurement.settle_seconds,
    )
    try:
        await app.cluster.create_job(manifest, dry_run=True)
    except AlreadyExistsError:
        # The Job of a process that was killed before it wrote the status; `CreateJob` adopts it.
        return replace(seen, template_checked=True)
    except UnreachableError as error:
        # The check is a courtesy; when its time has come the job is created all the same.
        message = f"spec.template could not be checked yet: {error}"
        return replace(seen, template_refusal=StartRefusal(Reason.NOT_LOOKED_AT, message, False))
    except RefusedError as error:
        lasting = error.status in UNPROCESSABLE
        message = f"spec.template is refused by the API server: {error}"
        refusal = StartRefusal(Reason.INVALID_TEMPLATE, message, lasting=lasting)
        return replace(seen, template_refusal=refusal)
    app.templates.remember(job.key.namespace, job.template, seen.now)
    return replace(seen, template_checked=True)
