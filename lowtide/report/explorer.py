"""Explorer of many jobs: one self-contained HTML page.

The page carries its data, style and scripts and loads nothing from the network (its content
security policy forbids it). It computes indices and letters by the rules of `lowtide.metrics` in
correct mode, so that weights and boundaries can be changed there, and draws the label of
`lowtide label`; tests hold both to the same results. Texts from reports enter as data and only ever
become text.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.properties import DEFAULT_WEIGHTS, PROPERTIES, TASK_PROPERTIES, Task
from lowtide.records.imagenet import environments, measurements, published_reference
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
from lowtide.units import kwh_to_joules

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
                group_entry(
                    task, source["dataset"], environment, reference.reference, reference.values,
                    set_name=reference.name, rows=reference.rows,
                )
            )  # fmt: skip
            boundaries[task] = {key: list(b) for key, b in reference.boundaries.items()}
    sources = SourceSentences()
    rows = [
        {
            "id": number,
            "name": row["model"],
            "model": row["model"],
            "task": row["task"],
            "group": index[row["task"], row["environment"]],
            "values": row["values"],
            "label": label_texts(
                _measured(row, source["dataset"]), Task(row["task"]), sources, source["source"]
            ),
        }
        for number, row in enumerate(source["rows"])
    ]
    about = (
        f"{source['name']}: {len(rows)} measurements, {source['source']}. Ratings in correct mode "
        f"against {source['reference']} of the same environment, published boundaries."
    )
    return page_data(about, groups, boundaries, rows, sources)


def render_page(data: Mapping[str, Any], *, issued: date | None = None) -> str:
    """Return the page with everything it needs inside; `issued` is the date on its labels."""
    day = "" if issued is None else issued.isoformat()
    return fill_page("explorer_page", PARTS, {**data, "issued": day})


class SourceSentences:
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


def label_texts(
    job: JobFigures, task: Task, sources: SourceSentences, source: str | None = None
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


def page_data(
    about: str,
    groups: list[dict[str, Any]],
    boundaries: Mapping[str, Mapping[str, list[float]]],
    rows: list[dict[str, Any]],
    sources: SourceSentences,
) -> dict[str, Any]:
    """Return the data of a page: what every page has, and these groups, boundaries and rows."""
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


def group_entry(
    task: Task,
    dataset: str,
    environment: str,
    reference: str,
    values: Mapping[str, float],
    *,
    set_name: str,
    rows: int,
) -> dict[str, Any]:
    """Return the page's entry for the rows of a task that have one reference."""
    return {
        "task": str(task),
        "dataset": dataset,
        "environment": environment,
        "reference": reference,
        "values": dict(values),
        "set": {"name": set_name, "rows": rows},
    }
