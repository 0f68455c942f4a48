"""Decision about a job that has started: follow its batch Job, and pause or resume it.

The Job controller owns the pods; the status repeats what it and the kubelet report. The one thing
decided here is whether the Job should be suspended; that is compared with whether it is, so a
lost request is simply made again. A Job that Kueue manages is never suspended or
resumed: Kueue owns that field.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from lowtide.accounts.foresight import not_below
from lowtide.accounts.trained_stretches import with_trained
from lowtide.trainingjob.attempts import (
    ran_seconds,
    with_attempt,
    with_end,
    with_size,
    with_speeds,
    worked_seconds,
)
from lowtide.trainingjob.conditions import ConditionType, Reason, find, shortened
from lowtide.trainingjob.report_values import MAX_COUNT
from lowtide.trainingjob.status import Attempt, EnergyStatus, PlanSegment, PlanStatus
from lowtide.trainingjob.times import whole_seconds
from lowtide.trainingjob.window import Window, window_of
from lowtide_operator.decision.actions import SuspendJob
from lowtide_operator.decision.draft import Draft
from lowtide_operator.decision.ended import say_stopped
from lowtide_operator.decision.grace import say_grace
from lowtide_operator.decision.keeping import kept_back
from lowtide_operator.decision.observation import Observation
from lowtide_operator.decision.pausing import RUN, Wish, wish_of
from lowtide_operator.decision.resizing import (
    go_on,
    is_underway,
    outcome_of_rest,
    resizes,
    say_refusal,
    sizes_of,
)
from lowtide_operator.decision.risk import set_risk
from lowtide_operator.decision.start import has_run, is_held
from lowtide_operator.decision.workload import may_be_paused, switch
from lowtide_operator.objects.pods import PodView
from lowtide_operator.objects.views import ChildView, Fault
from lowtide_operator.objects.workloads import is_there
from lowtide_operator.settings import OperatorSettings
from lowtide_operator.status.attempts import with_pods

LONGEST_SAVING: Final = timedelta(minutes=10)
"""Time from a pod's signal to stop until it is taken to be gone, where its end was not seen."""
NO_ROOM: Final = frozenset({Reason.UNSCHEDULABLE, Reason.FAILED_CREATE})
"""Reasons of a plan that waits for room instead of a time."""


def decide_running(seen: Observation, draft: Draft, settings: OperatorSettings) -> None:
    """Draft what to do for a job whose batch Job exists and has not ended."""
    child = seen.child
    if child is None:
        return
    draft.condition(ConditionType.VALID, "True", Reason.ACCEPTED)
    draft.condition(ConditionType.COMPLETE, "False", Reason.NOT_ENDED)
    draft.condition(ConditionType.FAILED, "False", Reason.NOT_ENDED)
    draft.condition(ConditionType.MEASURED, "Unknown", Reason.NOT_MEASURED_YET)
    attempts = draft.attempts
    if not child.suspended:
        attempts = with_attempt(attempts, child.name)
    draft.section(attempts=_with_sizes(seen, child, with_pods(attempts, seen.pods)))
    _say_energy(seen.joules_so_far, draft)
    if seen.training is not None:
        draft.section(training=seen.training)
    _say_prediction(seen, draft)
    say_refusal(seen, draft)
    spec = seen.job.spec
    wish, stops = RUN, False
    if not isinstance(spec, Fault):
        window = window_of(spec, seen.job.created, settings.schedule, seen.experience)
        _remember_plan(seen, child, window, draft)
        _follow_deadline(window, draft)
        _watch_deadline(seen, window, draft)
        kept, stops = kept_back(seen, spec, draft)
        wish = wish_of(seen, child, spec, window, draft, settings, is_kept=kept is not None)
        wish = kept or wish
        say_grace(seen, spec, draft)
    if seen.workload is not None:
        switch(seen, seen.workload, wish.run, wish.replicas, draft, rests_until=wish.until)
    elif not child.queued:
        if wish.run:
            go_on(seen, child, wish.replicas, draft)
        elif not child.suspended:
            draft.act(SuspendJob(child.owner.namespace, child.name, child.uid))
    if child.suspended and not (wish.run and is_held(child, draft.attempts)):
        _say_suspended(seen, child, wish, draft, settings)
    else:
        _say_running(seen, draft, settings)
    if stops and draft.attempts and draft.attempts[-1].end is not None:
        # Its pods are gone: what they saved is saved.
        say_stopped(wish.message, draft)


def _with_sizes(
    seen: Observation, child: ChildView, attempts: tuple[Attempt, ...]
) -> tuple[Attempt, ...]:
    """Return the attempts of an elastic job with their sizes, speeds and what was trained."""
    elastic = sizes_of(seen.job)
    if elastic is None:
        return attempts
    stored = seen.job.status.attempts
    is_recorded = bool(stored) and attempts[-1].number == stored[-1].number
    if not child.suspended or (is_underway(attempts) and is_recorded):
        # A Job that rests still has the size that its last pods ran with. One whose new pods are
        # there before it is seen to go on may not be seen with its new size either.
        attempts = with_size(attempts, child.replicas, elastic)
    return with_trained(with_speeds(attempts, elastic), seen.marks, seen.training)


def _say_energy(joules: Mapping[str, float], draft: Draft) -> None:
    """Draft the energy so far; a pod's figure never falls, and a pod that is gone keeps its own."""
    attempts = tuple(_with_joules(attempt, joules) for attempt in draft.attempts)
    known = [pod.joules for attempt in attempts for pod in attempt.pods if pod.joules is not None]
    if known:
        draft.section(
            attempts=attempts,
            energy=EnergyStatus(total_joules=min(sum(known), MAX_COUNT), final=False),
        )


def _say_prediction(seen: Observation, draft: Draft) -> None:
    """Draft the newest prediction; none is below the energy that was used meanwhile."""
    prediction = seen.prediction or draft.status.prediction
    energy = draft.status.energy
    if prediction is None:
        return
    used = 0 if energy is None or energy.total_joules is None else energy.total_joules
    draft.section(prediction=not_below(prediction, used))


def _with_joules(attempt: Attempt, joules: Mapping[str, float]) -> Attempt:
    pods = tuple(
        pod.model_copy(update={"joules": max(round(joules[pod.uid]), pod.joules or 0)})
        if pod.uid in joules
        else pod
        for pod in attempt.pods
    )
    return attempt.model_copy(update={"pods": pods})


def _remember_plan(seen: Observation, child: ChildView, window: Window, draft: Draft) -> None:
    """Write a plan for a Job that has none: its process was killed, or it waited for room."""
    planned = find(draft.before.conditions, ConditionType.PLANNED)
    start = whole_seconds(child.created)
    if draft.plan is not None and planned is not None and planned.status == "True":
        if draft.plan.reason not in NO_ROOM or not has_run(draft.attempts):
            return
        start = min(a.start for a in draft.attempts if a.start is not None)
    end = whole_seconds(start + timedelta(seconds=window.duration_seconds))
    reason, words = Reason.STARTED, "the job has started"
    if seen.runs_at_once:
        reason, words = Reason.NOT_SCHEDULED, f"runs at once: {seen.runs_at_once}"
    draft.section(
        plan=PlanStatus(
            segments=(PlanSegment(start=start, end=end),),
            start=start,
            deadline=whole_seconds(window.deadline),
            reason=reason,
            explanation=shortened(words),
            expected_duration_seconds=round(window.duration_seconds),
            duration_source=window.duration.source,
            duration_note=window.duration.note or None,
        )
    )
    draft.condition(ConditionType.PLANNED, "True", reason, words)


def _follow_deadline(window: Window, draft: Draft) -> None:
    """Write the deadline that the spec asks for now; most jobs are not planned again once started.

    The end of the job is judged by it.
    """
    deadline = whole_seconds(window.deadline)
    if draft.plan is not None and draft.plan.deadline != deadline:
        draft.section(plan=draft.plan.model_copy(update={"deadline": deadline}))


def _watch_deadline(seen: Observation, window: Window, draft: Draft) -> None:
    left = max(0.0, window.high_seconds - ran_seconds(draft.attempts, seen.now))
    if any(attempt.speed is not None for attempt in draft.attempts):
        spec = seen.job.spec
        cost = 0.0 if isinstance(spec, Fault) else spec.schedule.interruption.restart_cost_seconds
        left = window.high_seconds - worked_seconds(draft.attempts, seen.now, cost, surely=True)
        at_risk = window.deadline - seen.now < timedelta(seconds=max(0.0, left))
    elif has_run(draft.attempts) and not (seen.child is not None and seen.child.suspended):
        # While it runs, its expected end does not move: no new verdict with every look.
        first = min(a.start for a in draft.attempts if a.start is not None)
        # A difference of two times always exists; a sum may be past the last year.
        at_risk = window.deadline - first < timedelta(seconds=window.high_seconds)
    else:
        at_risk = window.deadline - seen.now < timedelta(seconds=left)
    set_risk(draft, at_risk, window)
    if seen.now <= window.deadline:
        draft.look_at(window.deadline + timedelta(seconds=1))


def _say_suspended(
    seen: Observation, child: ChildView, wish: Wish, draft: Draft, settings: OperatorSettings
) -> None:
    left = [pod for pod in seen.pods if is_there(pod)] if seen.workload is not None else []
    reason, message = (wish.reason if not wish.run else Reason.SUSPENDED), wish.message
    if wish.run and left:
        reason, message = Reason.POD_LEFT, f"goes on when pod {left[0].name} is gone"
    if wish.run and resizes(child, wish.replicas):
        reason = Reason.RESIZING
        message = f"goes on with {wish.replicas} instead of {child.replicas} replicas"
    if child.queued and not left and _is_kueues(seen, wish):
        message = f"Kueue holds {_what(seen, child)} until its queue has room"
        draft.condition(ConditionType.RUNNING, "False", Reason.QUEUED, message)
        draft.condition(ConditionType.PAUSED, "False", Reason.NOT_PAUSED)
        if 0 < seen.job.replicas < child.replicas:
            # Nothing tells of Kueue's verdict on a larger size.
            draft.look_in(settings.cluster.pod_poll_seconds)
        if not has_run(draft.attempts):
            return
    else:
        draft.condition(ConditionType.RUNNING, "False", reason, message)
        draft.condition(ConditionType.PAUSED, "True", reason, message)
    if is_held(child, draft.attempts):
        return
    if child.active == 0 and not left and not any(pod.phase == "Running" for pod in seen.pods):
        outcome = outcome_of_rest(draft, goes_on=wish.run and resizes(child, wish.replicas))
        draft.section(attempts=with_end(draft.attempts, _stopped_at(child, draft), outcome))
    else:
        # Its pods still save their state; the attempt ends with the last of them.
        draft.look_in(settings.cluster.pod_poll_seconds)


def _is_kueues(seen: Observation, wish: Wish) -> bool:
    """Return whether a queued workload waits for quota, and not for us."""
    return wish.run or not may_be_paused(seen.workload)


def _what(seen: Observation, child: ChildView) -> str:
    return f"Job {child.name}" if seen.workload is None else str(seen.workload.ref)


def _stopped_at(child: ChildView, draft: Draft) -> datetime:
    """Return when the last pod of the open attempt ended, as far as that is known.

    A pod that began after the last known end and is gone has an end that was not seen: it stopped
    after it was told to, by the API server's clock, which the operator's own may be behind or,
    after an outage, far ahead of.
    """
    pods = draft.attempts[-1].pods if draft.attempts else ()
    last = max((pod.end for pod in pods if pod.end is not None), default=None)
    if last is None or any(p.end is None and p.start is not None and p.start >= last for p in pods):
        told = child.rests_since
        return draft.now if told is None else min(max(draft.now, told), told + LONGEST_SAVING)
    return last


def _say_running(seen: Observation, draft: Draft, settings: OperatorSettings) -> None:
    draft.condition(ConditionType.PAUSED, "False", Reason.NOT_PAUSED)
    if any(pod.phase == "Running" for pod in seen.pods):
        draft.condition(ConditionType.RUNNING, "True", Reason.PODS_RUNNING)
        draft.look_in(settings.cluster.running_look_seconds)
        return
    troubled = next((pod for pod in seen.pods if pod.trouble is not None), None)
    reason, message = str(Reason.PODS_PENDING), _pending_message(seen)
    if troubled is not None:
        reason, message = _trouble_words(troubled)
    elif seen.creation_failure:
        reason = Reason.FAILED_CREATE
        message = f"the Job's pods cannot be created: {seen.creation_failure}"
    draft.condition(ConditionType.RUNNING, "False", reason, message)
    if reason in NO_ROOM and draft.plan is not None and not has_run(draft.attempts):
        # A window is promised to no job that has no room to run in.
        explanation = shortened(f"waits for room: {message}")
        waiting = {"segments": (), "start": None, "reason": reason, "explanation": explanation}
        draft.section(plan=draft.plan.model_copy(update=waiting))
    draft.look_in(settings.cluster.pod_poll_seconds)


def _pending_message(seen: Observation) -> str:
    if not seen.pods:
        return "the Job exists and has no pod yet"
    return f"pod {seen.pods[0].name} is {seen.pods[0].phase.lower()}"


def _trouble_words(pod: PodView) -> tuple[str, str]:
    """Return the reason and a sentence for a pod that cannot start."""
    reason = pod.trouble or Reason.PODS_PENDING
    where = f" on node {pod.node}" if pod.node else ""
    message = f"pod {pod.name}{where} cannot start: {pod.trouble_message or reason}"
    return (reason if reason.isalnum() else Reason.PODS_PENDING), message
