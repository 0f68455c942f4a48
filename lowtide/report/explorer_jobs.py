"""Data of the explorer for jobs: their groups, boundaries and rows, and what was not alike.

The reference of a job is the best value of its data set and environment. Circumstances that differ
or are not known are named.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.letters import best_of, boundaries_from, index_of
from lowtide.metrics.likeness import CIRCUMSTANCES, METER, plain_dataset
from lowtide.metrics.properties import PROPERTIES, TASK_PROPERTIES, Task
from lowtide.metrics.result import Undefined
from lowtide.prediction.whole_run import predicted_total
from lowtide.records.references import property_values
from lowtide.report.explorer import SourceSentences, group_entry, label_texts, page_data
from lowtide.report.explorer_table import MOST_WHOLE, kept_places, kept_sentence, table_of
from lowtide.units import joules_to_kwh

NOT_STATED: Final = "not stated"
INFERENCE_KEYS: Final = ("inference_energy", "inference_time")
JOB_FIELDS: Final = {
    "sci": "score_grams_per_unit",
    "sci_low": "sci_low",
    "sci_high": "sci_high",
    "unit": "functional_unit",
    "operational_grams": "operational_grams",
    "embodied_grams": "embodied_grams",
    "run_now_grams": "run_now_grams",
    "avoided_grams": "avoided_grams",
    "avoided_percent": "avoided_percent",
    "signal": "signal",
    "factor": "factor",
    "zone": "zone",
    "energy_kind": "energy_kind",
    "started_at": "started_at",
    "finished_at": "finished_at",
}
"""Figures of a job that its card shows, by their name in the page."""
NOTED: Final = (
    *(*METER, "pue", "signal", "factor"),
    *("dataset", "environment", "epochs", "functional_unit"),
)
"""Circumstances whose differences the page names."""
MOST_SHOWN: Final = 3
"""Values of a circumstance that are listed."""
BEST_OF_GROUP: Final = "the best of its group"


def job_data(jobs: Sequence[JobFigures], *, origin: str) -> dict[str, Any]:
    """Return the page's data for jobs: their training, and their use where a report gives it.

    The reference of a job is the best value of its data set and environment; boundaries are the
    quantiles over all jobs of the task, for properties with at least five values.
    """
    groups: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    tables: list[dict[str, Any]] = []
    kept = 0
    boundaries: dict[str, dict[str, list[float]]] = {}
    sources = SourceSentences()
    apart: dict[str, list[str]] = {}
    for task in Task:
        chosen = [job for job in jobs if _has_task(job, task)]
        values = [property_values(job) for job in chosen]
        places = [_place(job) for job in chosen]
        numbers = {place: n for n, place in enumerate(dict.fromkeys(places), len(groups))}
        best: dict[int, dict[str, float]] = {}
        members: dict[tuple[str, str], list[int]] = {place: [] for place in numbers}
        for at, place in enumerate(places):
            members[place].append(at)
        for place, number in numbers.items():
            own = [values[at] for at in members[place]]
            first = chosen[members[place][0]]
            dataset, environment = first.dataset or NOT_STATED, first.environment or NOT_STATED
            best[number] = _best(own, task)
            groups.append(
                group_entry(
                    task, dataset, environment, BEST_OF_GROUP, best[number],
                    set_name=BEST_OF_GROUP, rows=len(own),
                )
            )  # fmt: skip
        if chosen:
            apart[str(task)] = not_alike(chosen)
            boundaries[task] = _boundaries(values, [best[numbers[p]] for p in places], task)
        start = len(rows) + sum(len(table["name"]) for table in tables)
        if chosen and len(jobs) > MOST_WHOLE:
            whole = {
                at: _beside_figures(chosen[at], task, sources) for at in sorted(kept_places(chosen))
            }
            kept += len(whole)
            in_groups = [numbers[place] for place in places]
            tables.append(table_of(str(task), start, chosen, values, in_groups, JOB_FIELDS, whole))
            continue
        rows += [
            _job_row(number, job, value, numbers[place], task, sources)
            for number, (job, value, place) in enumerate(
                zip(chosen, values, places, strict=True), start
            )
        ]
    about = (
        f"{len(jobs)} jobs of {origin}. Index against the best of the same data set and "
        "environment; boundaries are quantiles of the jobs."
    )
    if tables:
        about += f" {kept_sentence(len(jobs), kept)}"
    page = page_data(about, groups, boundaries, rows, sources)
    return {**page, "apart": apart, "tables": tables}


def _place(job: JobFigures) -> tuple[str, str]:
    """Return data set and environment as they are compared."""
    return plain_dataset(job.dataset or NOT_STATED), job.environment or NOT_STATED


def _has_task(job: JobFigures, task: Task) -> bool:
    """Return whether a job belongs to a task: to inference only where its report says so."""
    used = any(job.properties.get(key) is not None for key in INFERENCE_KEYS)
    if task is Task.INFERENCE:
        return used
    return job.energy_joules is not None or not used


def not_alike(jobs: Sequence[JobFigures]) -> list[str]:
    """Return one phrase per circumstance in which jobs differ or are not known to be alike."""
    found = []
    for key in NOTED:
        circumstance = CIRCUMSTANCES[key]
        values = [circumstance.read(job) for job in jobs]
        known = {value: job for value, job in zip(values, jobs, strict=True) if value is not None}
        absent = values.count(None)
        if len(known) > 1:
            shown = sorted(circumstance.show(job) for job in known.values())
            more = f" and {len(shown) - MOST_SHOWN} more" if len(shown) > MOST_SHOWN else ""
            found.append(f"{circumstance.words}: {', '.join(shown[:MOST_SHOWN])}{more}")
        elif absent and (known or key in METER):
            whom = f" for {absent} of {len(jobs)}" if known else ""
            found.append(f"{circumstance.words}: unknown{whom}")
    return found


def _best(rows: Sequence[Mapping[str, float | None]], task: Task) -> dict[str, float]:
    found = {
        key: best_of([row.get(key) for row in rows], PROPERTIES[key].better)
        for key in TASK_PROPERTIES[task]
    }
    return {key: value for key, value in found.items() if value is not None}


def _boundaries(
    rows: Sequence[Mapping[str, float | None]],
    references: Sequence[Mapping[str, float]],
    task: Task,
) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for key in TASK_PROPERTIES[task]:
        indices = (
            index_of(row.get(key), reference.get(key), PROPERTIES[key].better)
            for row, reference in zip(rows, references, strict=True)
        )
        bounds = boundaries_from(_known(indices))
        if bounds is not None:
            found[key] = list(bounds)
    return found


def _known(indices: Iterable[float | Undefined]) -> list[float]:
    return [index for index in indices if not isinstance(index, Undefined)]


def _job_row(
    number: int,
    job: JobFigures,
    values: Mapping[str, float | None],
    group: int,
    task: Task,
    sources: SourceSentences,
) -> dict[str, Any]:
    shown = {name: getattr(job, field) for name, field in JOB_FIELDS.items()}
    row: dict[str, Any] = {
        "id": number,
        "name": job.name,
        "model": job.model or job.name,
        "task": str(task),
        "group": group,
        "values": {k: v for k, v in values.items() if v is not None and k in PROPERTIES},
        "job": {name: value for name, value in shown.items() if value is not None},
        **_beside_figures(job, task, sources),
    }
    if job.mock:
        row["mock"] = True
    return row


def _beside_figures(job: JobFigures, task: Task, sources: SourceSentences) -> dict[str, Any]:
    """Return what a row has beside its figures: the texts of its label, and its epochs."""
    row: dict[str, Any] = {"label": label_texts(job, task, sources)}
    if job.epoch_joules and task is Task.TRAINING:
        planned = max(job.epochs_planned or 0, len(job.epoch_joules))
        row |= {"epoch_joules": list(job.epoch_joules), "planned_epochs": planned}
        prediction = predicted_total(job.epoch_joules, planned=planned, unit="J")
        if prediction.value is not None and prediction.uncertainty is not None:
            row["prediction"] = {
                "value": joules_to_kwh(prediction.value),
                "low": joules_to_kwh(prediction.uncertainty.low),
                "high": joules_to_kwh(prediction.uncertainty.high),
            }
    return row
