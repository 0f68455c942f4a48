"""Story of one workload that nobody labelled: what its pods used, and what waiting had changed.

Pure. Everything comes from the exporter's series and the grid's; what they do not tell is said.
"""

from dataclasses import dataclass
from math import fsum
from typing import Any

from lowtide.accounts.usage import PodUsage, Usage, WorkloadKey
from lowtide.accounts.waiting import Assumptions, RunOutcome
from lowtide.energy.bill import ElectricityBill
from lowtide.energy.carbon import CarbonResult
from lowtide.energy.job import job_energy
from lowtide.grid.series import IntensitySeries
from lowtide.report.run_table import DASH
from lowtide.report.text_columns import text_columns
from lowtide.report.usage_table import factor_words, known_grams
from lowtide.units import (
    format_coverage,
    format_duration,
    format_energy,
    format_mass,
    format_significant,
    format_time_column,
    format_timestamp,
)

MOST_PODS = 20
"""Pods that are listed for people; JSON has all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadStory:
    """All that is known of one workload."""

    workload: WorkloadKey
    """The object."""
    usage: Usage
    """Use of its pods in the time asked for."""
    carbon: CarbonResult | None
    """Its emissions; `None` without an intensity."""
    intensity: IntensitySeries | None
    """Intensity that they were made with."""
    bill: ElectricityBill | None
    """Its electricity; `None` without prices."""
    outcome: RunOutcome
    """What waiting would have changed."""
    assumed: Assumptions
    """What is assumed for that."""
    forecasts: str
    """Where the planner's forecasts come from, in words."""
    others: tuple[str, ...]
    """UIDs of further objects of this name in this time."""


def workload_text(story: WorkloadStory) -> str:
    """Return the story for people."""
    usage, workload = story.usage, story.workload
    span = usage.span
    state = "all ended" if usage.is_final else "still running, or its end was not stored"
    count = len(usage.pods)
    pods = "1 pod" if count == 1 else f"{count} pods, at most {usage.most_at_once} at once"
    lines = [
        f"{workload.title} in {workload.namespace} ({workload.uid})",
        f"ran {format_time_column(span.start)} to {format_time_column(span.end)} "
        f"({format_duration(span.duration_seconds)}): {pods}, {state}",
        "",
        *_figures(story),
        "",
        *_waiting(story),
        "",
        *_pods(usage),
    ]
    if doubts := _doubts(story):
        lines += ["", *(f"! {doubt}" for doubt in doubts)]
    return "\n".join(lines) + "\n"


def _figures(story: WorkloadStory) -> list[str]:
    usage = story.usage
    parts = job_energy([pod.energy for pod in usage.pods]).joules_by_component
    split = ", ".join(f"{format_energy(j)} of {name}" for name, j in sorted(parts.items()))
    held: dict[str, float] = {}
    for pod in usage.pods:
        for model, seconds in pod.held_seconds.items():
            held[model] = held.get(model, 0.0) + seconds
    lines = [f"energy   {format_energy(usage.energy_joules)} ({split or 'no part is known'})"]
    lines += [f"GPUs     {format_duration(s)} of {model}" for model, s in sorted(held.items())]
    grams = known_grams(story.carbon)
    if grams is None or story.intensity is None or story.carbon is None:
        lines.append("carbon   not known: no intensity was stored for this time")
    else:
        part = (
            ""
            if story.carbon.grams is not None
            else (f" of the {format_coverage(story.carbon.covered_ratio)} whose intensity is known")
        )
        lines.append(
            f"carbon   {format_mass(grams)} operational{part} "
            f"({story.intensity.signal.lower()}, {factor_words(story.intensity)}, "
            f"zone {story.intensity.zone}, {story.intensity.source})"
        )
    if story.bill is not None and story.bill.amount is not None:
        cost = format_significant(story.bill.amount)
        lines.append(f"cost     {cost} {story.bill.currency} of electricity")
    else:
        lines.append("cost     not known: no price was stored for all of this time")
    return lines


def _waiting(story: WorkloadStory) -> list[str]:
    outcome, longest = story.outcome, format_duration(story.assumed.max_delay.total_seconds())
    if outcome.not_judged is not None or outcome.at_once is None or outcome.best is None:
        return [f"waiting  not judged: {outcome.not_judged}"]
    emitted = outcome.at_once.grams
    lines = [f"waiting  up to {longest}, in one piece, would have saved of {format_mass(emitted)}"]
    if outcome.planned is None:
        lines.append("         the planner had no forecast")
    else:
        lines.append(
            f"         planner: {saving_text(outcome.planned_saving_grams, emitted)}, "
            f"start {format_time_column(outcome.planned.start)}, {story.forecasts}"
            f"{_money_saved(story)}"
        )
    lines.append(
        f"         at best: {saving_text(outcome.best_saving_grams, emitted)}"
        f", start {format_time_column(outcome.best.start)}"
    )
    return lines


def _money_saved(story: WorkloadStory) -> str:
    saved = story.outcome.planned_saving_cost
    if saved is None or story.bill is None:
        return ""
    return f", {format_significant(saved)} {story.bill.currency} less paid"


def saving_text(saved: float | None, of: float | None) -> str:
    """Return a saving with its share, for example `420 g (23 %)`."""
    if saved is None or of is None:
        return DASH
    share = f" ({100 * saved / of:.0f} %)" if of > 0 else ""
    return f"{format_mass(saved)}{share}"


def _pods(usage: Usage) -> list[str]:
    lines = [["POD", "NODE", "START", "END", "ENERGY", "COUNTED"]]
    lines += [
        [
            pod.name or pod.uid,
            pod.node or DASH,
            format_time_column(pod.energy.run.start),
            format_time_column(pod.energy.run.end) if pod.energy.final else DASH,
            DASH if pod.energy.total_joules is None else format_energy(pod.energy.total_joules),
            format_coverage(pod.energy.energy_coverage_ratio),
        ]
        for pod in usage.pods[:MOST_PODS]
    ]
    shown = text_columns(lines)
    rest = len(usage.pods) - MOST_PODS
    return [*shown, f"and {rest} more"] if rest > 0 else shown


def _doubts(story: WorkloadStory) -> list[str]:
    usage = story.usage
    found = []
    before = fsum(pod.energy.total_joules or 0.0 for pod in usage.pods) - usage.energy_joules
    if before > max(1.0, 1e-3 * usage.energy_joules):
        found.append(
            f"{format_energy(before)} were used before the time asked for: ask --since longer"
        )
    warnings = dict.fromkeys(w for pod in usage.pods for w in pod.energy.warnings)
    found += [f"{warning} ({_count(usage, warning)} pods)" for warning in warnings]
    if story.others:
        found.append(f"further objects of this name in this time: {', '.join(story.others)}")
    return found


def _count(usage: Usage, warning: str) -> int:
    return sum(1 for pod in usage.pods if warning in pod.energy.warnings)


def workload_document(story: WorkloadStory) -> dict[str, Any]:
    """Return the story as JSON values in base units; what is not known is null."""
    usage, carbon, bill = story.usage, story.carbon, story.bill
    return {
        "namespace": story.workload.namespace,
        "owner_kind": story.workload.kind,
        "owner_name": story.workload.name,
        "owner_uid": story.workload.uid,
        "other_uids": list(story.others),
        "start": format_timestamp(usage.span.start),
        "end": format_timestamp(usage.span.end) if usage.is_final else None,
        "energy_joules": usage.energy_joules,
        "energy_coverage_ratio": usage.energy_coverage_ratio,
        "time_coverage_ratio": usage.time_coverage_ratio,
        "gpu_held_seconds": usage.gpu_seconds,
        "pods_at_once": usage.most_at_once,
        "operational_grams": known_grams(carbon),
        "priced_ratio": 0.0 if carbon is None else carbon.covered_ratio,
        "zone": None if carbon is None else carbon.zone,
        "signal": None if carbon is None else str(carbon.signal),
        "factor": None if carbon is None else str(carbon.factor),
        "electricity_cost": None if bill is None else bill.amount,
        "currency": None if bill is None else bill.currency,
        "waiting": outcome_document(story.outcome),
        "pods": [_pod_document(pod) for pod in usage.pods],
    }


def _pod_document(pod: PodUsage) -> dict[str, Any]:
    return {
        "name": pod.name,
        "uid": pod.uid,
        "node": pod.node or None,
        "start": format_timestamp(pod.energy.run.start),
        "end": format_timestamp(pod.energy.run.end) if pod.energy.final else None,
        "energy_joules": pod.energy.total_joules,
        "gpu_held_seconds": dict(pod.held_seconds),
        "energy_coverage_ratio": pod.energy.energy_coverage_ratio,
        "warnings": [str(warning) for warning in pod.energy.warnings],
    }


def outcome_document(outcome: RunOutcome) -> dict[str, Any]:
    """Return what waiting would have changed for one run, as JSON values."""
    planned, best = outcome.planned, outcome.best
    return {
        "not_judged": None if outcome.not_judged is None else str(outcome.not_judged),
        "at_once_grams": None if outcome.at_once is None else outcome.at_once.grams,
        "planned_start": None if planned is None else format_timestamp(planned.start),
        "planned_grams": None if planned is None else planned.grams,
        "at_once_cost": None if outcome.at_once is None else outcome.at_once.cost,
        "planned_cost": None if planned is None else planned.cost,
        "best_start": None if best is None else format_timestamp(best.start),
        "best_grams": None if best is None else best.grams,
    }
