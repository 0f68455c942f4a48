"""The explorer: one self-contained HTML page over the figures of many jobs.

The page carries its data, style and scripts and asks no network for anything (its content
security policy forbids it). Indices and letters are computed in the page by the rules of
`lowtide.metrics` in correct mode, so that weights and boundaries can be changed there; tests hold
both to the same results. Texts from reports enter as data and only ever become text.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.letters import best_of, boundaries_from, index_of
from lowtide.metrics.properties import DEFAULT_WEIGHTS, PROPERTIES, TASK_PROPERTIES, Task
from lowtide.metrics.result import Undefined
from lowtide.metrics.scaling import predict_total
from lowtide.records.imagenet import environments, measurements, published_reference
from lowtide.records.references import property_values
from lowtide.report.page import fill_page
from lowtide.units import joules_to_kwh

PARTS: Final = {
    "/*STYLE*/": "style.css",
    "/*MODEL*/": "model.js",
    "/*CHARTS*/": "charts.js",
    "/*CARD*/": "card.js",
    "/*APP*/": "app.js",
    "/*VIEWS*/": "views.js",
}
NOT_STATED: Final = "not stated"
INFERENCE_KEYS: Final = ("inference_energy", "inference_time")

JOB_FIELDS: Final = {
    "sci": "sci_grams_per_unit",
    "sci_low": "sci_low",
    "sci_high": "sci_high",
    "unit": "functional_unit",
    "operational_grams": "operational_grams",
    "embodied_grams": "embodied_grams",
    "run_now_grams": "run_now_grams",
    "avoided_grams": "avoided_grams",
    "avoided_percent": "avoided_percent",
    "signal": "signal",
    "zone": "zone",
    "energy_kind": "energy_kind",
    "started_at": "started_at",
    "finished_at": "finished_at",
}
"""Figures of a job that its card shows, by their name in the page."""


def shipped_data() -> dict[str, Any]:
    """Return the page's data for the shipped ImageNet measurements, with published boundaries."""
    source = measurements()
    groups: list[dict[str, Any]] = []
    index: dict[tuple[str, str], int] = {}
    boundaries: dict[str, dict[str, list[float]]] = {}
    for task in Task:
        for environment in environments(task):
            reference = published_reference(task, environment)
            index[task, environment] = len(groups)
            groups.append(
                _group(task, source["dataset"], environment, reference.reference, reference.values)
            )
            boundaries[task] = {key: list(b) for key, b in reference.boundaries.items()}
    rows = [
        {
            "id": number,
            "name": row["model"],
            "model": row["model"],
            "task": row["task"],
            "group": index[row["task"], row["environment"]],
            "values": row["values"],
        }
        for number, row in enumerate(source["rows"])
    ]
    about = (
        f"{source['name']}: {len(rows)} measurements, {source['source']}. Ratings in correct mode "
        f"against {source['reference']} of the same environment, published boundaries."
    )
    return _data(about, groups, boundaries, rows)


def job_data(jobs: Sequence[JobFigures], *, origin: str) -> dict[str, Any]:
    """Return the page's data for jobs: their training, and their use where a report gives it.

    The reference of a job is the best value of its data set and environment; boundaries are the
    quantiles over all jobs of the task, for properties with at least five values.
    """
    groups: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    boundaries: dict[str, dict[str, list[float]]] = {}
    for task in Task:
        chosen = [job for job in jobs if _has_task(job, task)]
        values = [property_values(job) for job in chosen]
        places = [(job.dataset or NOT_STATED, job.environment or NOT_STATED) for job in chosen]
        numbers = {place: n for n, place in enumerate(dict.fromkeys(places), len(groups))}
        best: dict[int, dict[str, float]] = {}
        for (dataset, environment), number in numbers.items():
            own = [v for v, at in zip(values, places, strict=True) if numbers[at] == number]
            best[number] = _best(own, task)
            reference = "the best of the group"
            groups.append(_group(task, dataset, environment, reference, best[number]))
        if chosen:
            boundaries[task] = _boundaries(values, [best[numbers[p]] for p in places], task)
        rows += [
            _job_row(number, job, value, numbers[place], task)
            for number, (job, value, place) in enumerate(
                zip(chosen, values, places, strict=True), len(rows)
            )
        ]
    about = (
        f"{len(jobs)} jobs of {origin}. Index against the best of the same data set and "
        "environment; boundaries are quantiles of the jobs."
    )
    return _data(about, groups, boundaries, rows)


def _has_task(job: JobFigures, task: Task) -> bool:
    """Return whether a job belongs to a task: to inference only where its report says so."""
    used = any(job.properties.get(key) is not None for key in INFERENCE_KEYS)
    if task is Task.INFERENCE:
        return used
    return job.energy_joules is not None or not used


def render_page(data: Mapping[str, Any]) -> str:
    """Return the page with everything it needs inside."""
    return fill_page("explorer_page", PARTS, data)


def _data(
    about: str,
    groups: list[dict[str, Any]],
    boundaries: Mapping[str, Mapping[str, list[float]]],
    rows: list[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "about": about,
        "properties": [
            {
                "key": prop.key,
                "label": prop.label,
                "unit": prop.unit,
                "better": str(prop.better),
                "group": str(prop.group),
            }
            for prop in PROPERTIES.values()
        ],
        "tasks": {str(task): list(keys) for task, keys in TASK_PROPERTIES.items()},
        "weights": {key: float(weight) for key, weight in DEFAULT_WEIGHTS.items()},
        "boundaries": {str(task): dict(bounds) for task, bounds in boundaries.items()},
        "groups": groups,
        "rows": rows,
    }


def _group(
    task: Task, dataset: str, environment: str, reference: str, values: Mapping[str, float]
) -> dict[str, Any]:
    return {
        "task": str(task),
        "dataset": dataset,
        "environment": environment,
        "reference": reference,
        "values": dict(values),
    }


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
    number: int, job: JobFigures, values: Mapping[str, float | None], group: int, task: Task
) -> dict[str, Any]:
    shown = {name: getattr(job, field) for name, field in JOB_FIELDS.items()}
    row: dict[str, Any] = {
        "id": number,
        "name": job.name,
        "model": job.model or job.name,
        "task": str(task),
        "group": group,
        "values": {key: value for key, value in values.items() if key in PROPERTIES},
        "job": {name: value for name, value in shown.items() if value is not None},
    }
    if job.mock:
        row["mock"] = True
    if job.epoch_joules and task is Task.TRAINING:
        planned = max(job.epochs_planned or 0, len(job.epoch_joules))
        row |= {"epoch_joules": list(job.epoch_joules), "planned_epochs": planned}
        prediction = predict_total(job.epoch_joules, planned=planned, unit="J")
        if prediction.value is not None and prediction.uncertainty is not None:
            row["prediction"] = {
                "value": joules_to_kwh(prediction.value),
                "low": joules_to_kwh(prediction.uncertainty.low),
                "high": joules_to_kwh(prediction.uncertainty.high),
            }
    return row
