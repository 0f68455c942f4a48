"""Decisions about a workload that somebody else wrote: hold it, let it go, say what it is.

The workload exists before its start and may be gone before its TrainingJob; nothing of it is
created or deleted here. What is held says its latest start, so that it can be freed without
Lowtide.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from lowtide import names
from lowtide.trainingjob.conditions import ConditionType, Reason
from lowtide.trainingjob.queue_check import QueuedWorkload
from lowtide.trainingjob.queue_writes import WITHOUT_END, next_write, rests
from lowtide.trainingjob.status import TargetStatus, TrainingJobStatus
from lowtide.trainingjob.times import whole_seconds
from lowtide.trainingjob.window import Window
from lowtide_operator.decision.actions import FreeWorkload, HoldWorkload, ResizeWorkload
from lowtide_operator.decision.draft import Draft
from lowtide_operator.decision.observation import Observation
from lowtide_operator.decision.resizing import is_refused, is_underway, resizes
from lowtide_operator.objects.pods import PodView
from lowtide_operator.objects.views import JobView
from lowtide_operator.objects.workloads import QueueView, WorkloadView, is_there
from lowtide_operator.settings import OperatorSettings

MARK_STEP: Final = timedelta(minutes=1)
"""A latest start that moved by less is not written again into the workload."""
UNDONE_AT_MOST: Final = timedelta(seconds=15)
"""Work that is thrown away when a workload is suspended right after it was created."""
GONE_POLL_SECONDS: Final = 2.0
"""Distance between two looks for the end of the last pod before a workload may go on."""


def has_begun(
    view: WorkloadView, pods: Sequence[PodView], status: TrainingJobStatus, now: datetime
) -> bool:
    """Return whether a workload counts as started, so that only a pause could stop it.

    One that was created without being held may be suspended as long as no container of it has
    run for longer than a moment; after that, work would be lost. What Kueue manages and our gate
    does not hold is Kueue's to start.
    """
    if view.child.ending is not None or status.attempts:
        return True
    if view.held:
        return False
    if view.child.queued or view.unholdable:
        return True
    return any(pod.start is not None and now - pod.start > UNDONE_AT_MOST for pod in pods)


def why_at_once(job: JobView, view: WorkloadView) -> str:
    """Return why a workload is not kept waiting, in one sentence; empty where it may be."""
    if job.annotation_fault:
        return job.annotation_fault
    if job.made_for and not view.labelled:
        return f"the label {names.LABEL_SCHEDULE} was taken off {view.ref}"
    if view.child.queued and not job.status.attempts and not view.held:
        if view.gated:
            return (
                f"Kueue ignores the gate of {view.ref}: switch on its feature gate AdmissionGatedBy"
            )
        return (
            f"{view.ref} was created without our admission gate, so Kueue starts it when its queue "
            "has room"
        )
    return view.unholdable


def say_target(seen: Observation, draft: Draft) -> None:
    """Draft which workload it is, and where the values of its plan come from."""
    if seen.workload is not None:
        target, before = target_of(seen.workload), draft.status.target
        if before is None or _differs(before, target):
            draft.section(target=target)
    sources = seen.job.value_sources
    if draft.plan is not None and draft.plan.value_sources != sources:
        draft.section(plan=draft.plan.model_copy(update={"value_sources": sources}))


def target_of(view: WorkloadView) -> TargetStatus:
    """Return what a status says of a workload."""
    tells = view.progress
    return TargetStatus(
        api_version=view.ref.api_version,
        kind=view.ref.kind,
        name=view.ref.name,
        uid=view.ref.uid,
        gpus=view.gpus.total,
        gpu_resource=view.gpus.resource or None,
        said=tells.said,
        progress_percent=tells.percent,
        remaining_seconds=tells.remaining_seconds,
        progress_at=tells.at,
    )


def _differs(before: TargetStatus, now: TargetStatus) -> bool:
    """Return whether a status is worth a write: not for seconds that pass within one percent."""
    kept = {
        "remaining_seconds": before.remaining_seconds,
        "progress_at": before.progress_at,
    }
    return before != now.model_copy(update=kept)


def decide_missing(seen: Observation, draft: Draft, settings: OperatorSettings) -> None:
    """Draft a TrainingJob whose workload does not exist yet."""
    draft.condition(ConditionType.VALID, "Unknown", Reason.TARGET_MISSING, seen.missing)
    draft.condition(ConditionType.PLANNED, "Unknown", Reason.TARGET_MISSING, seen.missing)
    draft.condition(ConditionType.RUNNING, "False", Reason.TARGET_MISSING, seen.missing)
    draft.condition(ConditionType.PAUSED, "False", Reason.NOT_PAUSED)
    draft.condition(ConditionType.COMPLETE, "False", Reason.NOT_ENDED)
    draft.condition(ConditionType.FAILED, "False", Reason.NOT_ENDED)
    draft.condition(ConditionType.MEASURED, "Unknown", Reason.NOT_MEASURED_YET)
    draft.look_in(settings.cluster.pod_poll_seconds)


def hold(view: WorkloadView, until: datetime | None, draft: Draft) -> None:
    """Draft that a workload waits: it is suspended, and its mark says its latest start."""
    if not (view.held and view.marked and _is_near(view.marked_until, until)):
        draft.act(HoldWorkload(view.ref, until))


def latest_start_of(window: Window, draft: Draft, settings: OperatorSettings) -> datetime:
    """Return the latest start that a mark names: that of the plan, else that of the window."""
    if draft.plan is not None and draft.plan.latest_start is not None:
        return draft.plan.latest_start
    reserve = settings.schedule.start_latency_seconds + settings.schedule.margin_seconds
    latest = window.deadline - timedelta(seconds=window.high_seconds + reserve)
    return whole_seconds(max(window.earliest, latest))


def switch(
    seen: Observation,
    view: WorkloadView,
    run: bool,
    replicas: int | None,
    draft: Draft,
    *,
    rests_until: datetime | None = None,
) -> None:
    """Draft that a started workload goes on or rests, as far as it may be switched.

    It goes on with so many replicas, `None` for those that it was written with, and only when no
    pod of it is left. The flag of one that Kueue manages is Kueue's; what it has of ours is a
    gate, that Kueue's object for it is not active, or our check. A rest ends at
    `rests_until` as it is planned now; `None` where that is not known.
    """
    resized = resizes(view.child, replicas) and not is_refused(seen.job, seen.now)
    runs_at_size = run and not (view.child.suspended or resized)
    if view.child.queued:
        _switch_queued(seen, view, run, replicas, draft, rests_until)
    elif run and view.child.suspended:
        _free(seen, view, replicas, draft)
    elif not (runs_at_size or view.child.suspended or view.unholdable):
        draft.act(HoldWorkload(view.ref, _latest_start(draft)))


def _switch_queued(
    seen: Observation,
    view: WorkloadView,
    run: bool,
    replicas: int | None,
    draft: Draft,
    rests_until: datetime | None,
) -> None:
    is_kept = view.gated or bool(view.paused_in_queue or view.parked_in_queue)
    resized = resizes(view.child, replicas) and not is_refused(seen.job, seen.now)
    if run and (is_kept or (resized and view.child.suspended)):
        _free(seen, view, replicas, draft)
    elif (resized or not run) and view.queue and view.queue.active and not view.unholdable:
        if view.queue.checked is None:
            draft.act(HoldWorkload(view.ref, _latest_start(draft), view.queue.name))
        else:
            _park(view, view.queue, view.queue.checked, rests_until, draft)


def _free(seen: Observation, view: WorkloadView, replicas: int | None, draft: Draft) -> None:
    """Draft that a workload goes on as soon as it may: no pod is left, and its attempt is closed.

    An attempt has one size, which nothing but its workload says until that is written down.
    """
    is_open = bool(view.size.replicas) and is_underway(seen.job.status.attempts)
    left = not view.gated and any(is_there(pod) for pod in seen.pods)
    if is_open or left:
        draft.look_in(GONE_POLL_SECONDS)
    elif view.size.replicas and view.paused_in_queue and not is_refused(seen.job, seen.now):
        _free_in_queue(view, replicas or view.size.replicas, draft)
    else:
        draft.act(FreeWorkload(view.ref, replicas))


def _free_in_queue(view: WorkloadView, replicas: int, draft: Draft) -> None:
    """Draft that a paused workload gets its size, and goes on when Kueue counts that.

    Kueue would start it with the quota of the old size, and scale it while it runs.
    """
    counted = None if view.queue is None else view.queue.pods
    if view.child.replicas != replicas:
        draft.act(ResizeWorkload(view.ref, replicas))
        draft.look_in(GONE_POLL_SECONDS)
    elif counted not in (None, replicas):
        draft.look_in(GONE_POLL_SECONDS)
    else:
        draft.act(FreeWorkload(view.ref, replicas))


def _latest_start(draft: Draft) -> datetime | None:
    return None if draft.plan is None else draft.plan.latest_start


def _park(
    view: WorkloadView,
    queue: QueueView,
    queued: QueuedWorkload,
    rests_until: datetime | None,
    draft: Draft,
) -> None:
    """Draft the next write of a pause by our check; Kueue answers each within moments."""
    write = next_write(queued, rests_until or WITHOUT_END, draft.now)
    if write is not None or view.parked_in_queue != queue.name:
        draft.act(
            HoldWorkload(view.ref, _latest_start(draft), queue.name, queue.check, rests_until)
        )
    if not rests(queued, draft.now):
        draft.look_in(GONE_POLL_SECONDS)


def may_be_paused(view: WorkloadView | None) -> bool:
    """Return whether a queued workload can be paused: by Kueue's object for it, and not else."""
    return view is not None and view.queue is not None


def _is_near(marked: datetime | None, until: datetime | None) -> bool:
    if marked is None or until is None:
        return marked is None and until is None
    return abs(marked - until) < MARK_STEP
