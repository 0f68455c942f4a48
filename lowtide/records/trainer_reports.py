"""Reports that the trainer writes, and the energy record of the same run beside them."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, Final

from lowtide.metrics.job_figures import JobFigures
from lowtide.records.conversion import figures_from
from lowtide.records.errors import ReportError

NAMES: Final = {
    "accuracy": "accuracy",
    "epochs": "epochs",
    "epochs_planned": "epochsPlanned",
    "duration_seconds": "trainingSeconds",
    "model": "model",
    "dataset": "dataset",
}
"""Field of a job and the report's name for it."""


def is_trainer_report(data: Any) -> bool:
    """Return whether a document is a trainer's report."""
    return isinstance(data, dict) and "schemaVersion" in data and "kind" not in data


def figures_of_report(data: dict[str, Any], name: str, where: str) -> JobFigures:
    """Return the run of a report, called by its file's name; it holds no energy.

    Raises:
        ReportError: a field cannot be used.
    """
    if data["schemaVersion"] != 1:
        raise ReportError(f"{where} has schemaVersion {data['schemaVersion']!r:.40}, expected 1")
    given: dict[str, Any] = {field: data.get(key) for field, key in NAMES.items()}
    properties: dict[str, Any] = {}
    if data.get("accuracyTop5") is not None:
        properties["accuracy_top5"] = data["accuracyTop5"]
    parameters = data.get("parameters")
    if isinstance(parameters, int) and not isinstance(parameters, bool):
        properties["parameters"] = parameters / 1e6 if abs(parameters) < 2**63 else parameters
    if properties:
        given["properties"] = properties
    return figures_from({"name": name, **given}, where)


def joined(jobs: Sequence[JobFigures]) -> JobFigures | None:
    """Return one job where exactly one has only training figures and the other only energy."""
    if len(jobs) != 2:
        return None
    trained = [job for job in jobs if job.energy_joules is None and job.epochs is not None]
    measured = [job for job in jobs if job.energy_joules is not None and job.accuracy is None]
    if len(trained) != 1 or len(measured) != 1:
        return None
    known = {
        field.name: value
        for field in fields(JobFigures)
        if field.name not in ("name", "duration_seconds")
        and (value := getattr(measured[0], field.name)) not in (None, (), {}, False)
    }
    # The meter's time is that of the energy; the trainer's leaves out start-up and pauses.
    seconds = measured[0].duration_seconds or trained[0].duration_seconds
    return replace(trained[0], **known, duration_seconds=seconds)
