"""Decision about a job that has ended: its end, the trainer's report and the energy figures.

An ended job stays ended: its Job may be removed, its pods may be gone, Prometheus may be down for
a day; a missing figure is tried again until it is there or can never be there.
"""

from datetime import timedelta

from lowtide.accounts.figures import Measurement, sections_of, with_attempt_figures
from lowtide.accounts.review import reviewed
from lowtide.accounts.trained_stretches import with_trained
from lowtide.trainingjob.attempts import with_attempt, with_end
from lowtide.trainingjob.conditions import ConditionType, Reason, find
from lowtide.trainingjob.status import CarbonStatus, TrainingJobStatus
from lowtide.trainingjob.training import training_status
from lowtide.units import format_duration
from lowtide_operator.decision.actions import DeleteTrainingJob
from lowtide_operator.decision.draft import Draft
from lowtide_operator.decision.due import (
    all_stored_at,
    hindsight_due,
    is_unfinished,
    may_yet_be_stored,
    needs_measuring,
)
from lowtide_operator.decision.limits import judge_budget
from lowtide_operator.decision.observation import Observation
from lowtide_operator.objects.job_manifest import child_name
from lowtide_operator.objects.pods import PodView
from lowtide_operator.objects.views import Ending, Fault, JobOutcome
from lowtide_operator.settings import OperatorSettings
from lowtide_operator.status.attempts import with_pods

DELETED = "Deleted"


def decide_ended(seen: Observation, draft: Draft, settings: OperatorSettings) -> None:
    """Draft what to do for a job that completed or failed."""
    ending = None if seen.child is None else seen.child.ending
    if ending is not None:
        attempts = draft.attempts
        if seen.workload is not None and seen.pods:
            # It may have ended between two looks, before its start was written down.
            attempts = attempts or with_attempt((), seen.workload.ref.name)
        attempts = with_pods(attempts, seen.pods)
        draft.section(attempts=with_end(attempts, ending.at, ending.outcome))
        _say_ended(ending, draft)
        _read_report(seen, draft)
        draft.section(attempts=with_trained(draft.attempts, (), draft.status.training))
    _measure(seen, draft, settings)


def decide_lost(seen: Observation, draft: Draft, settings: OperatorSettings) -> None:
    """Draft what to do for a started job whose batch Job is gone."""
    spec = seen.job.spec
    target = None if isinstance(spec, Fault) else spec.target_ref
    if target is None:
        # Its start may not have been written down before it was deleted.
        draft.section(attempts=draft.attempts or with_attempt((), child_name(seen.job.key)))
        what = f"Job {draft.attempts[-1].name}"
        message = f"{what} was deleted before its end was seen: create a new TrainingJob to run it"
    else:
        message = f"{target.kind} {target.name} was deleted before its end was seen"
    if draft.attempts:
        _end_of_lost(seen, draft)
    draft.condition(ConditionType.COMPLETE, "False", Reason.JOB_DELETED)
    draft.condition(ConditionType.FAILED, "True", Reason.JOB_DELETED, message)
    _close(draft)
    _measure(seen, draft, settings)


def say_stopped(message: str, draft: Draft) -> None:
    """Draft the end of a job that its budget stopped, after its last pod is gone."""
    draft.condition(ConditionType.COMPLETE, "False", Reason.BUDGET_EXCEEDED)
    draft.condition(ConditionType.FAILED, "True", Reason.BUDGET_EXCEEDED, message)
    _close(draft)
    draft.condition(
        ConditionType.MEASURED, "Unknown", Reason.SETTLING, "the last samples are awaited"
    )
    draft.look_in(0)


def _end_of_lost(seen: Observation, draft: Draft) -> None:
    pods = draft.attempts[-1].pods
    ends = [pod.end for pod in pods if pod.end is not None]
    # A pod whose end was not seen may have run until now; its samples tell how long it did.
    at = max(ends) if ends and len(ends) == len(pods) else seen.now
    draft.section(attempts=with_end(draft.attempts, at, DELETED))


def _say_ended(ending: Ending, draft: Draft) -> None:
    complete = ending.outcome is JobOutcome.COMPLETE
    if complete:
        draft.condition(ConditionType.COMPLETE, "True", Reason.JOB_COMPLETE, ending.message)
        draft.condition(ConditionType.FAILED, "False", Reason.JOB_COMPLETE)
    else:
        reason = ending.reason if ending.reason.isalnum() else Reason.JOB_FAILED
        draft.condition(ConditionType.COMPLETE, "False", Reason.JOB_FAILED)
        draft.condition(ConditionType.FAILED, "True", reason, ending.message)
    _close(draft)
    deadline = None if draft.plan is None else draft.plan.deadline
    if deadline is not None and ending.at > deadline:
        late = format_duration((ending.at - deadline).total_seconds())
        draft.condition(
            ConditionType.DEADLINE_AT_RISK,
            "True",
            Reason.DEADLINE_MISSED,
            f"the job ended {late} after its deadline",
        )


def _close(draft: Draft) -> None:
    """Draft the conditions that an end decides, whatever it was."""
    draft.condition(ConditionType.RUNNING, "False", Reason.ENDED)
    draft.condition(ConditionType.PAUSED, "False", Reason.ENDED)
    draft.condition(ConditionType.DEADLINE_AT_RISK, "False", Reason.ENDED)


def _measure(seen: Observation, draft: Draft, settings: OperatorSettings) -> None:
    """Write the figures down, or say what they wait for."""
    figures = seen.measurement
    before = find(draft.before.conditions, ConditionType.MEASURED)
    if figures is not None:
        _write_figures(figures, draft)
        if figures.status == "Unknown":
            draft.look_in(settings.measurement.poll_seconds)
        elif figures.reason is Reason.PROVISIONAL:
            draft.look_in(_reprice_seconds(figures.carbon, settings))
        elif is_unfinished(draft.status, draft.now, settings):
            draft.look_in(settings.measurement.reprice_seconds)
        elif may_yet_be_stored(figures.reason, draft.attempts, draft.now):
            _read_once_more(draft, settings)
    elif before is None or before.status == "Unknown":
        draft.condition(
            ConditionType.MEASURED, "Unknown", Reason.SETTLING, "the last samples are awaited"
        )
        draft.look_in(0)
    known = before if figures is None else figures
    spec = seen.job.spec
    if known is not None and known.status == "True" and not isinstance(spec, Fault):
        # Also when the budget alone was edited: the condition is about the budget that is there.
        judge_budget(spec.budget, draft)
    _look_back_later(draft, settings)
    _delete_in_time(seen, draft, settings)


def _read_once_more(draft: Draft, settings: OperatorSettings) -> None:
    """Look again once all that exporters show of an ended job is stored."""
    stored_at = all_stored_at(draft.attempts, settings)
    if stored_at is not None and draft.now < stored_at:
        draft.look_at(stored_at)
    else:
        draft.look_in(settings.measurement.reprice_seconds)


def _delete_in_time(seen: Observation, draft: Draft, settings: OperatorSettings) -> None:
    """Delete the job when its time to live has passed and nothing is owed to it any more."""
    spec = seen.job.spec
    ttl = None if isinstance(spec, Fault) else spec.ttl_seconds_after_finished
    ends = [attempt.end for attempt in draft.attempts if attempt.end is not None]
    if ttl is None or not ends:
        return
    at = max(ends) + timedelta(seconds=ttl)
    if draft.now < at:
        draft.look_at(at)
        return
    status = draft.finish().status
    due = hindsight_due(status, settings)
    if _owes_figures(status, draft, settings) or (due is not None and draft.now < due[1]):
        return
    # What was just decided is written down, and told, before it goes.
    if status == draft.before:
        draft.act(DeleteTrainingJob(seen.job.key, seen.job.uid))
    else:
        draft.look_in(0)


def _owes_figures(status: TrainingJobStatus, draft: Draft, settings: OperatorSettings) -> bool:
    """Return whether a job must stay for figures that are still to be read.

    One without a single sample stays until exporters no longer show its pods, and not for the
    whole time in which it is read again.
    """
    measured = find(status.conditions, ConditionType.MEASURED)
    stored_at = all_stored_at(status.attempts, settings)
    if (
        measured is not None
        and may_yet_be_stored(measured.reason, status.attempts, draft.now)
        and stored_at is not None
        and draft.now >= stored_at
    ):
        return False
    return needs_measuring(status, draft.now, settings)


def _look_back_later(draft: Draft, settings: OperatorSettings) -> None:
    """Look again when the best possible run may be known: after the deadline."""
    due = hindsight_due(draft.status, settings)
    if due is None or draft.now >= due[1]:
        return
    if draft.now < due[0]:
        draft.look_at(due[0] + timedelta(seconds=1))
    else:
        draft.look_in(_reprice_seconds(draft.status.carbon, settings))


def _reprice_seconds(carbon: CarbonStatus | None, settings: OperatorSettings) -> float:
    """Return when to price again: about a slot later, when its actual value may be there."""
    step = None if carbon is None else carbon.resolution_seconds
    longest = settings.measurement.reprice_seconds
    return longest if not step else min(longest, max(step, settings.measurement.poll_seconds))


def _write_figures(figures: Measurement, draft: Draft) -> None:
    draft.condition(ConditionType.MEASURED, figures.status, figures.reason, figures.message)
    draft.section(**sections_of(figures), attempts=with_attempt_figures(draft.attempts, figures))
    prediction = draft.status.prediction
    if prediction is not None:
        review = reviewed(draft.status)
        draft.section(prediction=prediction.model_copy(update={"review": review}))


def _read_report(seen: Observation, draft: Draft) -> None:
    """Put the report of the pod that ended last into the status."""
    reporting = [pod for pod in seen.pods if pod.report is not None]
    if not reporting:
        return
    draft.section(training=training_status(max(reporting, key=_end_of).report))


def _end_of(pod: PodView) -> float:
    return pod.end.timestamp() if pod.end is not None else 0.0
