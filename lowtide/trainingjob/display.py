"""Texts of kubectl's columns, written for people; no code reads them back."""

from lowtide.planning.objective import ObjectiveKind
from lowtide.trainingjob.conditions import ENDS, ConditionType, Reason, find, has_end, is_true
from lowtide.trainingjob.status import Display, TrainingJobStatus
from lowtide.units import (
    format_energy,
    format_mass,
    format_significant,
    format_time_column,
    joules_to_kwh,
)

UNIT_WORDS = {
    "TrainingJob": "job",
    "Epoch": "epoch",
    "Sample": "sample",
    "Token": "token",
    "Request": "request",
    "Parameter": "parameter",
}
CARBON = ObjectiveKind.CARBON
MISSED = ConditionType.DEADLINE_AT_RISK
"""True after the end only if the job ended after its deadline."""
_QUIET = {Reason.PODS_PENDING, Reason.WAITING, Reason.NOT_LOOKED_AT}


def display_of(status: TrainingJobStatus) -> Display:
    """Return the column texts of a status with all other sections finished."""
    return Display(
        state=_state(status),
        start=_start(status),
        deadline=_deadline(status),
        energy=_energy(status),
        sci=_sci(status),
        avoided=_avoided(status),
        predicted=_predicted(status),
        finish=_finish(status),
        replicas=_replicas(status),
    )


def _state(status: TrainingJobStatus) -> str:
    conditions = status.conditions
    for kind in ENDS:
        if is_true(conditions, kind):
            late = kind is ConditionType.COMPLETE and is_true(conditions, MISSED)
            return "CompletedLate" if late else str(kind)
    valid = find(conditions, ConditionType.VALID)
    if valid is not None and valid.status == "False":
        return "Invalid"
    running = find(conditions, ConditionType.RUNNING)
    if is_true(conditions, ConditionType.PAUSED):
        return "Paused"
    if running is not None and running.status == "True":
        return "Running"
    if running is not None and running.reason not in _QUIET:
        return running.reason
    return "Starting" if status.attempts else "Waiting"


def _start(status: TrainingJobStatus) -> str | None:
    for attempt in status.attempts:
        if attempt.start is not None:
            return format_time_column(attempt.start)
    if status.plan is not None and status.plan.start is not None:
        return format_time_column(status.plan.start)
    return None


def _deadline(status: TrainingJobStatus) -> str | None:
    if status.plan is None or status.plan.deadline is None:
        return None
    return format_time_column(status.plan.deadline)


def _energy(status: TrainingJobStatus) -> str | None:
    if status.energy is None or status.energy.total_joules is None:
        return None
    return format_energy(status.energy.total_joules)


def _sci(status: TrainingJobStatus) -> str | None:
    sci = status.sci
    if sci is not None and sci.grams_per_unit is not None:
        unit = UNIT_WORDS.get(sci.functional_unit or "", sci.functional_unit or "unit")
        return f"{format_mass(float(sci.grams_per_unit))}/{unit}"
    return "…" if is_true(status.conditions, ConditionType.RUNNING) else None


def _avoided(status: TrainingJobStatus) -> str | None:
    """Return what was avoided, or with `~` what is expected before it is known."""
    figures, plan = status.counterfactual, status.plan
    if figures is not None and figures.avoided_grams is not None:
        mass = format_mass(float(figures.avoided_grams))
        share = figures.avoided_percent
        text = mass if share is None else f"{mass} {float(share):.0f} %"
        return ", ".join([text, *_saved_money(status)])
    if has_end(status.conditions) or plan is None or plan.expected_saving_percent is None:
        return None
    percent = float(plan.expected_saving_percent)
    money = ""
    if plan.objective not in (None, CARBON) and plan.expected_money_saving_percent is not None:
        money = f", {float(plan.expected_money_saving_percent):.0f} % of {plan.currency}"
    if plan.expected_joules is None or plan.run_now_grams_per_kwh is None:
        return f"~{percent:.0f} %{money}"
    run_now_grams = joules_to_kwh(plan.expected_joules) * float(plan.run_now_grams_per_kwh)
    return f"~{format_mass(run_now_grams * percent / 100)} {percent:.0f} %{money}"


def _saved_money(status: TrainingJobStatus) -> list[str]:
    """Return what waiting saved of the bill, where prices counted in the plan."""
    bill = status.electricity
    if bill is None or bill.saved is None or bill.objective in (None, CARBON):
        return []
    return [f"{format_significant(float(bill.saved))} {bill.currency}"]


def _predicted(status: TrainingJobStatus) -> str | None:
    """Return the energy of the whole run with its 90 % interval, until it is measured."""
    prediction = status.prediction
    if has_end(status.conditions) or prediction is None or prediction.energy_joules is None:
        return None
    parts = prediction.energy_joules
    expected, low, high = (
        format_energy(float(part)) for part in (parts.expected, parts.low, parts.high)
    )
    return f"~{expected} ({low} to {high})"


def _finish(status: TrainingJobStatus) -> str | None:
    """Return the predicted end, or the end once there is one."""
    if has_end(status.conditions):
        ends = [attempt.end for attempt in status.attempts if attempt.end is not None]
        return format_time_column(max(ends)) if ends else None
    if status.prediction is None or status.prediction.finish is None:
        return None
    return f"~{format_time_column(status.prediction.finish.expected)}"


def _replicas(status: TrainingJobStatus) -> str | None:
    """Return the replicas of an elastic job now, and those that it ran with or is planned with."""
    ran = [one.replicas for one in status.attempts if one.replicas]
    planned = [] if status.plan is None else [part.replicas for part in status.plan.segments]
    sizes = [*ran, *(size for size in planned if size and not has_end(status.conditions))]
    if not sizes:
        return None
    least, most = min(sizes), max(sizes)
    span = f"{least}" if least == most else f"{least} to {most}"
    is_open = bool(status.attempts) and status.attempts[-1].end is None
    now = status.attempts[-1].replicas if is_open else None
    return span if now is None or least == most else f"{now} ({span})"
