"""Metric families of jobs: sums over all, and figures of those that have series of their own. Pure.

Labels are bounded: namespace and name of a job; one info metric describes a job.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric

from lowtide_operator.objects.records import Record

JOB_LABELS: Final = ("namespace", "trainingjob")

SUMMED: Final = {
    "energy_joules": "Energy of all jobs that are known",
    "operational_grams": "Operational emissions of these jobs, grams of CO2 equivalent",
    "embodied_grams": "Embodied emissions of these jobs, grams of CO2 equivalent",
    "avoided_grams": "Emissions that these jobs avoided against running at submission",
    "run_now_grams": "Emissions that running at submission would have had",
}
"""Figures that are added up over all jobs of a namespace and state."""

JOB_FIGURES: Final = {
    "planned_start_timestamp_seconds": "Planned start, Unix time",
    "latest_start_timestamp_seconds": "Last start that keeps the deadline, Unix time",
    "deadline_timestamp_seconds": "Deadline, Unix time",
    "start_timestamp_seconds": "Start of the first attempt, Unix time",
    "end_timestamp_seconds": "End of the last attempt, Unix time",
    "energy_joules": "Energy of all attempts",
    "operational_grams": "Operational emissions, grams of CO2 equivalent",
    "embodied_grams": "Share of the hardware's embodied emissions, grams of CO2 equivalent",
    "avoided_grams": "Emissions avoided against running at submission",
    "run_now_grams": "Emissions that running at submission would have had",
    "clairvoyant_grams": "Least emissions that were possible, known after the deadline",
    "reach_ratio": "Share of the possible saving that was realised, known after the deadline",
    "objective_reach_ratio": "The same of the objective, where electricity prices count in it",
    "sci_grams_per_unit": "Software Carbon Intensity, grams per functional unit",
    "accuracy_ratio": "Accuracy on validation data",
    "sam": "Sustainable accuracy metric with the job's own parameters",
    "apc": "Accuracy per consumption, consumption in Wh per hour",
    "apec": "Accuracy per energy cost, cost in cents per hour",
    "ttcapc_seconds": "Training time until the closest APC reached its target",
    "sci_low_grams_per_unit": "Lower end of the range that should hold the SCI (95 %)",
    "sci_high_grams_per_unit": "Upper end of the range that should hold the SCI (95 %)",
    "predicted_energy_joules": "Predicted energy of the whole run",
    "predicted_energy_low_joules": "Lower end of its 90 % interval",
    "predicted_energy_high_joules": "Upper end of its 90 % interval",
    "predicted_grams": "Predicted emissions of the whole run, grams of CO2 equivalent",
    "predicted_end_timestamp_seconds": "Predicted end of the run, Unix time",
    "replicas": "Replicas that an elastic job runs with, 0 while it rests",
    "rating_letter": "Compound letter against the job's reference set, 0 for A to 4 for E",
}

INFO_LABELS: Final = (
    *("zone", "policy", "signal", "model", "dataset", "series", "label"),
    *("target_kind", "target", "target_uid"),
)
"""Labels that describe a job; those of a target are empty for a job that has its own template."""


def sums_of(records: Sequence[Record]) -> Iterator[Metric]:
    """Yield the figures of all jobs, added up by namespace and state."""
    sums: dict[str, defaultdict[tuple[str, str], float]] = {n: defaultdict(float) for n in SUMMED}
    for record in records:
        group = record.key.namespace, record.summary.state
        figures = record.summary.figures
        for name, amounts in sums.items():
            if name in figures:
                amounts[group] += figures[name]
    for name, text in SUMMED.items():
        family = GaugeMetricFamily(
            f"lowtide_trainingjobs_{name}",
            f"{text}, by namespace and state",
            labels=["namespace", "state"],
        )
        for group, amount in sorted(sums[name].items()):
            family.add_metric(group, amount)
        yield family
    yield _cost_of_all(records)


def _cost_of_all(records: Iterable[Record]) -> Metric:
    spent: defaultdict[tuple[str, str, str], float] = defaultdict(float)
    for record in records:
        for (currency, kind), amount in record.summary.costs.items():
            spent[record.key.namespace, currency, kind] += amount
    family = GaugeMetricFamily(
        "lowtide_trainingjobs_cost",
        "Money of all jobs that are known; kinds are different quantities and are never added",
        labels=["namespace", "currency", "kind"],
    )
    for labels, total in sorted(spent.items()):
        family.add_metric(labels, total)
    return family


def info_of(records: Iterable[Record]) -> Metric:
    """Return what describes each job, as labels of a series that is 1."""
    labels = [*JOB_LABELS, *INFO_LABELS]
    info = GaugeMetricFamily("lowtide_trainingjob_info", "What describes a job", labels=labels)
    for record in records:
        described = dict(record.summary.labels)
        info.add_metric([*record.key, *(described.get(name, "") for name in INFO_LABELS)], 1)
    return info


def conditions_of(records: Iterable[Record]) -> Metric:
    """Return the conditions as a state set: 1 for the status that holds."""
    family = GaugeMetricFamily(
        "lowtide_trainingjob_condition",
        "1 for the status that a condition of a job has",
        labels=[*JOB_LABELS, "type", "status"],
    )
    for record in records:
        for kind, status in record.summary.conditions:
            family.add_metric([*record.key, kind, status], 1)
    return family


def figure_of(records: Iterable[Record], name: str, text: str) -> Metric:
    """Return one figure of each job that has it."""
    family = GaugeMetricFamily(f"lowtide_trainingjob_{name}", text, labels=JOB_LABELS)
    for record in records:
        if name in record.summary.figures:
            family.add_metric(record.key, record.summary.figures[name])
    return family


def costs_of(records: Iterable[Record]) -> Metric:
    """Return the money of each job, by currency and kind."""
    family = GaugeMetricFamily(
        "lowtide_trainingjob_cost",
        "Money; kinds are different quantities and are never added",
        labels=[*JOB_LABELS, "currency", "kind"],
    )
    for record in records:
        for (currency, kind), amount in record.summary.costs.items():
            family.add_metric([*record.key, currency, kind], amount)
    return family
