"""Explorer of many jobs: one self-contained HTML page.

The page carries its data, style and scripts and loads nothing from the network (its content
security policy forbids it). It computes indices and letters by the rules of `lowtide.metrics` in
correct mode, so that weights and boundaries can be changed there, and draws the label of
`lowtide label`; tests hold both to the same results. Texts from reports enter as data and only ever
become text.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final

from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.letters import best_of, boundaries_from, index_of
from lowtide.metrics.likeness import CIRCUMSTANCES, METER, plain_dataset
from lowtide.metrics.properties import DEFAULT_WEIGHTS, PROPERTIES, TASK_PROPERTIES, Task
from lowtide.metrics.result import Undefined
from lowtide.metrics.scaling import predict_total
from lowtide.records.imagenet import environments, measurements, published_reference
from lowtide.records.references import property_values
from lowtide.report.label_content import (
    carbon_of,
    environment_of,
    pictograms,
    sci_of,
    sources_of,
    subtitle_of,
)
from lowtide.report.lettering import width_table
from lowtide.report.page import fill_page
from lowtide.units import joules_to_kwh, kwh_to_joules

PARTS: Final = {
    "/*STYLE*/": "style.css",
    "/*MODEL*/": "model.js",
    "/*SCALES*/": "scales.js",
    "/*CHARTS*/": "charts.js",
    "/*MAPS*/": "maps.js",
    "/*QR*/": "qr.js",
    "/*LABEL*/": "label.js",
    "/*CARD*/": "card.js",
    "/*STATE*/": "state.js",
    "/*OVERVIEW*/": "overview.js",
    "/*RANKING*/": "ranking.js",
    "/*APP*/": "app.js",
    "/*VIEWS*/": "views.js",
    "/*SAVING*/": "saving.js",
    "/*CONTROLS*/": "controls.js",
}
"""Mark in the page and the file that takes its place, in the order in which they load."""
SECONDS_PER_HOUR: Final = 3600
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
    "zone": "zone",
    "energy_kind": "energy_kind",
    "started_at": "started_at",
    "finished_at": "finished_at",
}
"""Figures of a job that its card shows, by their name in the page."""
NOTED: Final = (*METER, "pue", "signal", "dataset", "environment", "epochs", "functional_unit")
"""Circumstances whose differences the page names."""
MOST_SHOWN: Final = 3
"""Values of a circumstance that are listed."""
BEST_OF_GROUP: Final = "the best of its group"


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
                _group(
                    task, source["dataset"], environment, reference.reference, reference.values,
                    set_name=reference.name, rows=reference.rows,
                )
            )  # fmt: skip
            boundaries[task] = {key: list(b) for key, b in reference.boundaries.items()}
    sources = _Sources()
    rows = [
        {
            "id": number,
            "name": row["model"],
            "model": row["model"],
            "task": row["task"],
            "group": index[row["task"], row["environment"]],
            "values": row["values"],
            "label": _label(
                _measured(row, source["dataset"]), Task(row["task"]), sources, source["source"]
            ),
        }
        for number, row in enumerate(source["rows"])
    ]
    about = (
        f"{source['name']}: {len(rows)} measurements, {source['source']}. Ratings in correct mode "
        f"against {source['reference']} of the same environment, published boundaries."
    )
    return _data(about, groups, boundaries, rows, sources)


def job_data(jobs: Sequence[JobFigures], *, origin: str) -> dict[str, Any]:
    """Return the page's data for jobs: their training, and their use where a report gives it.

    The reference of a job is the best value of its data set and environment; boundaries are the
    quantiles over all jobs of the task, for properties with at least five values.
    """
    groups: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    boundaries: dict[str, dict[str, list[float]]] = {}
    sources = _Sources()
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
                _group(
                    task, dataset, environment, BEST_OF_GROUP, best[number],
                    set_name=BEST_OF_GROUP, rows=len(own),
                )
            )  # fmt: skip
        if chosen:
            apart[str(task)] = not_alike(chosen)
            boundaries[task] = _boundaries(values, [best[numbers[p]] for p in places], task)
        rows += [
            _job_row(number, job, value, numbers[place], task, sources)
            for number, (job, value, place) in enumerate(
                zip(chosen, values, places, strict=True), len(rows)
            )
        ]
    about = (
        f"{len(jobs)} jobs of {origin}. Index against the best of the same data set and "
        "environment; boundaries are quantiles of the jobs."
    )
    return {**_data(about, groups, boundaries, rows, sources), "apart": apart}


def _place(job: JobFigures) -> tuple[str, str]:
    """Return data set and environment as they are compared."""
    return plain_dataset(job.dataset or NOT_STATED), job.environment or NOT_STATED


def _has_task(job: JobFigures, task: Task) -> bool:
    """Return whether a job belongs to a task: to inference only where its report says so."""
    used = any(job.properties.get(key) is not None for key in INFERENCE_KEYS)
    if task is Task.INFERENCE:
        return used
    return job.energy_joules is not None or not used


def render_page(data: Mapping[str, Any], *, issued: date | None = None) -> str:
    """Return the page with everything it needs inside; `issued` is the date on its labels."""
    day = "" if issued is None else issued.isoformat()
    return fill_page("explorer_page", PARTS, {**data, "issued": day})


class _Sources:
    """Sentences on how energy was measured, each kept once."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._places: dict[str, int] = {}

    def place(self, text: str) -> int:
        """Return the place of a sentence in `texts`."""
        if text not in self._places:
            self._places[text] = len(self.texts)
            self.texts.append(text)
        return self._places[text]


def _measured(row: Mapping[str, Any], dataset: str) -> JobFigures:
    """Return a shipped measurement as the figures that a label shows."""
    values = row["values"]
    kwh, hours = values.get("training_energy"), values.get("training_time")
    return JobFigures(
        name=row["model"],
        dataset=dataset,
        environment=row["environment"],
        accuracy=values.get("accuracy_top1"),
        energy_joules=None if kwh is None else kwh_to_joules(kwh),
        duration_seconds=None if hours is None else hours * SECONDS_PER_HOUR,
        properties=values,
    )


def _label(
    job: JobFigures, task: Task, sources: _Sources, source: str | None = None
) -> dict[str, Any]:
    """Return the texts of a job's label that the page does not know; its letters follow there."""
    carbon, sci = carbon_of(job), sci_of(job)
    texts: dict[str, Any] = {
        "subtitle": subtitle_of(job, task),
        "numbers": [one.number for one in pictograms(job, {}, task)],
        "carbon": [carbon.word, carbon.number, carbon.note],
        "sci": [sci.word, sci.number, sci.note],
        "sources": sources.place(sources_of(job) if source is None else source),
    }
    if job.environment is None:
        texts["environment"] = environment_of(job)
    return texts


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


def _data(
    about: str,
    groups: list[dict[str, Any]],
    boundaries: Mapping[str, Mapping[str, list[float]]],
    rows: list[dict[str, Any]],
    sources: _Sources,
) -> dict[str, Any]:
    return {
        "about": about,
        "widths": {"regular": list(width_table(False)), "bold": list(width_table(True))},
        "sources": sources.texts,
        "pictograms": {
            str(task): [[one.key, one.word] for one in pictograms(JobFigures(name="any"), {}, task)]
            for task in Task
        },
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
    task: Task,
    dataset: str,
    environment: str,
    reference: str,
    values: Mapping[str, float],
    *,
    set_name: str,
    rows: int,
) -> dict[str, Any]:
    return {
        "task": str(task),
        "dataset": dataset,
        "environment": environment,
        "reference": reference,
        "values": dict(values),
        "set": {"name": set_name, "rows": rows},
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
    number: int,
    job: JobFigures,
    values: Mapping[str, float | None],
    group: int,
    task: Task,
    sources: _Sources,
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
        "label": _label(job, task, sources),
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
