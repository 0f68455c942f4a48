"""Events of a job: one per real transition, read off two statuses.

They are a pure function of the status before and after, so a retry tells nothing new. The name of
an Event follows from its text, so the API server refuses to record it a second time.
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from lowtide import names
from lowtide.trainingjob.attempts import NO_ROOM, RESIZED
from lowtide.trainingjob.conditions import (
    OPTIONAL,
    ConditionType,
    Reason,
    find,
    has_end,
    is_true,
    shortened,
)
from lowtide.trainingjob.status import Condition, TargetStatus, TrainingJobStatus
from lowtide.units import format_energy, format_mass
from lowtide_operator.objects.views import API_VERSION, JobView

NOTE_MAX_LENGTH: Final = 1024
"""Limit of events.k8s.io/v1."""

NORMAL: Final = "Normal"
WARNING: Final = "Warning"
PLANNED: Final = "Planned"
"""Reason of the Event about a job's first plan, which the condition of this name repeats."""


@dataclass(frozen=True, slots=True)
class Note:
    """Content of an Event; `round` tells repetitions apart."""

    reason: str
    action: str
    text: str
    kind: str = NORMAL
    round: str = ""


def notes_between(before: TrainingJobStatus, after: TrainingJobStatus) -> tuple[Note, ...]:
    """Return what happened between two statuses of one job, in the order of a job's life."""
    notes = [
        *_about_validity(before, after),
        *_about_plan(before, after),
        *_about_changes(before, after),
        *_about_attempts(before, after),
        *_about_troubles(before, after),
        *_about_end(before, after),
        *_about_figures(before, after),
    ]
    return tuple(notes)


def event_manifest(job: JobView, note: Note, *, now: datetime, instance: str) -> dict[str, Any]:
    """Return the events.k8s.io/v1 Event of a note about a TrainingJob."""
    about = {"apiVersion": API_VERSION, "kind": names.KIND, "name": job.key.name, "uid": job.uid}
    return event_about(job.key.namespace, about, note, now=now, instance=instance)


def workload_event(
    job: JobView, target: TargetStatus, note: Note, *, now: datetime, instance: str
) -> dict[str, Any]:
    """Return the same Event about the workload, where its own people look."""
    about = {
        "apiVersion": target.api_version,
        "kind": target.kind,
        "name": target.name,
        "uid": target.uid,
    }
    return event_about(job.key.namespace, about, note, now=now, instance=instance)


def event_about(
    namespace: str, about: dict[str, str], note: Note, *, now: datetime, instance: str
) -> dict[str, Any]:
    """Return the Event of a note about an object, given by API version, kind, name and uid."""
    identity = "\n".join((about["uid"], note.reason, note.round, note.text))
    digest = sha256(identity.encode()).hexdigest()[:16]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{about['name']}.{digest}", "namespace": namespace},
        "regarding": {**about, "namespace": namespace},
        "reason": note.reason,
        "action": note.action,
        "note": shortened(note.text, NOTE_MAX_LENGTH),
        "type": note.kind,
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": f"{names.GROUP}/operator",
        "reportingInstance": instance[:128],
    }


def _became(
    before: TrainingJobStatus, after: TrainingJobStatus, kind: ConditionType, status: str
) -> Condition | None:
    """Return the condition `kind` of `after` if it has `status` now and had not before."""
    old, new = find(before.conditions, kind), find(after.conditions, kind)
    if new is None or new.status != status or (old is not None and old.status == status):
        return None
    return new


def _about_validity(before: TrainingJobStatus, after: TrainingJobStatus) -> list[Note]:
    refused = find(after.conditions, ConditionType.VALID)
    known = find(before.conditions, ConditionType.VALID)
    if refused is None or refused.status != "False":
        return []
    if known is not None and (known.status, known.message) == (refused.status, refused.message):
        return []
    return [Note("Invalid", "Check", refused.message, WARNING, str(after.observed_generation))]


def _about_plan(before: TrainingJobStatus, after: TrainingJobStatus) -> list[Note]:
    """Tell of the first plan of each generation of the spec, not of every better one."""
    planned = find(after.conditions, ConditionType.PLANNED)
    known = find(before.conditions, ConditionType.PLANNED)
    if planned is None or planned.status != "True" or planned.reason == Reason.STARTED:
        return []
    if (
        known is not None
        and known.status == "True"
        and (known.observed_generation == planned.observed_generation)
    ):
        return []
    return [Note(PLANNED, "Plan", planned.message, NORMAL, str(planned.observed_generation))]


def _about_changes(before: TrainingJobStatus, after: TrainingJobStatus) -> list[Note]:
    """Tell of a spec that was edited after the start, and what of it still counts.

    What would falsify the figures is refused by the API server and never comes here.
    """
    generation = after.observed_generation
    if not before.attempts or before.observed_generation == generation or has_end(after.conditions):
        return []
    text = (
        "the spec was changed after the start: suspend, deadline, interruption, price and metrics "
        "follow it; the policy and startNoEarlierThan no longer matter"
    )
    return [Note("SpecChanged", "Plan", text, NORMAL, str(generation))]


def _about_attempts(before: TrainingJobStatus, after: TrainingJobStatus) -> list[Note]:
    notes = []
    open_before = {a.number for a in before.attempts if a.end is None}
    known = {a.number for a in before.attempts}
    for attempt in after.attempts:
        round_ = str(attempt.number)
        if attempt.number not in known:
            first = attempt.number == 1
            reason, action = ("Started", "Start") if first else ("Resumed", "Resume")
            notes.append(Note(reason, action, _start_sentence(after, attempt.name), NORMAL, round_))
        if (
            attempt.end is not None
            and attempt.outcome in ("Paused", RESIZED, NO_ROOM)
            and (attempt.number in open_before or attempt.number not in known)
        ):
            paused = find(after.conditions, ConditionType.PAUSED)
            text = "" if paused is None else paused.message
            notes.append(Note("Paused", "Suspend", text or "paused", NORMAL, round_))
    return notes


def _start_sentence(after: TrainingJobStatus, name: str) -> str:
    plan = after.plan
    what = f"created Job {name}" if after.target is None else f"let {after.target.kind} {name} go"
    if plan is None or plan.planned_grams_per_kwh is None:
        return what
    planned = float(plan.planned_grams_per_kwh)
    text = f"{what} at an expected {planned:.0f} g/kWh"
    if plan.run_now_grams_per_kwh in (None, plan.planned_grams_per_kwh):
        return text
    return f"{text}, was {float(plan.run_now_grams_per_kwh or 0):.0f} at submission"


def _about_troubles(before: TrainingJobStatus, after: TrainingJobStatus) -> list[Note]:
    notes = []
    risk = _became(before, after, ConditionType.DEADLINE_AT_RISK, "True")
    if risk is not None:
        notes.append(Note(ConditionType.DEADLINE_AT_RISK, "Plan", risk.message, WARNING))
    for kind in sorted(OPTIONAL):
        now, old = find(after.conditions, kind), find(before.conditions, kind)
        is_new = old is None or (old.status, old.reason) != (
            "" if now is None else now.status,
            "" if now is None else now.reason,
        )
        if now is not None and now.status == "True" and is_new:
            notes.append(Note(str(kind), "Judge", now.message, WARNING))
    running = find(after.conditions, ConditionType.RUNNING)
    known = find(before.conditions, ConditionType.RUNNING)
    if (
        running is not None
        and running.status == "False"
        and running.reason not in _ORDINARY
        and (known is None or known.reason != running.reason)
    ):
        notes.append(Note(running.reason, "Start", running.message, WARNING))
    return notes


_ORDINARY: Final = frozenset(
    {
        Reason.WAITING,
        Reason.PODS_PENDING,
        Reason.SUSPENDED,
        Reason.QUEUED,
        Reason.INVALID,
        Reason.ENDED,
        Reason.CLEANER_LATER,
        Reason.BUDGET_EXCEEDED,
        Reason.POD_LEFT,
    }
)
"""Reasons for not running that are no trouble, or are told of by another Event."""


def _about_end(before: TrainingJobStatus, after: TrainingJobStatus) -> list[Note]:
    complete = _became(before, after, ConditionType.COMPLETE, "True")
    if complete is not None:
        return [Note("Complete", "Finish", complete.message or "the Job completed")]
    failed = _became(before, after, ConditionType.FAILED, "True")
    if failed is not None:
        text = f"{failed.reason}: {failed.message}" if failed.message else failed.reason
        return [Note("Failed", "Finish", text, WARNING)]
    return []


def _about_figures(before: TrainingJobStatus, after: TrainingJobStatus) -> list[Note]:
    missing = _became(before, after, ConditionType.MEASURED, "False")
    if missing is not None and is_true(after.conditions, ConditionType.COMPLETE):
        return [Note("NotMeasured", "Measure", f"{missing.reason}: {missing.message}", WARNING)]
    if _became(before, after, ConditionType.MEASURED, "True") is None or after.energy is None:
        return []
    words = [format_energy(after.energy.total_joules or 0)]
    if after.carbon is not None and after.carbon.total_grams is not None:
        words.append(f"{format_mass(float(after.carbon.total_grams))} CO2eq")
    if after.counterfactual is not None and after.counterfactual.avoided_grams is not None:
        words.append(f"avoided {format_mass(float(after.counterfactual.avoided_grams))}")
    return [Note("Measured", "Measure", ", ".join(words))]
