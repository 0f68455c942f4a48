"""Reads runs exported from MLflow: the table that `mlflow.search_runs().to_csv()` writes.

Only columns whose names carry their unit are taken (`metrics.energy_joules`, `metrics.energy_kwh`,
`metrics.emissions_grams`), because a bare `energy` could be anything. Running time is the time
between start and end of the run. Runs that did not finish are left out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from lowtide.metrics.properties import PROPERTIES
from lowtide.units import kwh_to_joules, parse_timestamp

MARK: Final = "run_id"
FINISHED: Final = "FINISHED"

Row = Mapping[str, str]

SOURCES: Final[Mapping[str, tuple[str, ...]]] = {
    "name": ("tags.mlflow.runName", "run_id"),
    "uid": ("run_id",),
    "accuracy": (
        "metrics.accuracy",
        "metrics.accuracy_top1",
        "metrics.val_accuracy",
        "metrics.test_accuracy",
    ),
    "energy_joules": ("metrics.energy_joules",),
    "duration_seconds": ("metrics.duration_seconds",),
    "operational_grams": ("metrics.emissions_grams",),
    "epochs": ("metrics.epochs", "params.epochs"),
    "model": ("params.model", "tags.model"),
    "dataset": ("params.dataset", "tags.dataset"),
    "environment": ("params.environment", "tags.environment"),
}
"""Field of a report and the columns it is read from, the first that is filled."""


def is_export(columns: Sequence[str]) -> bool:
    """Return whether the columns are those of an MLflow export."""
    return MARK in columns and any(name.startswith(("metrics.", "params.")) for name in columns)


def reports(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """Yield one report, as `lowtide.records.jobs` reads it, per finished run."""
    for row in rows:
        if row.get("status", FINISHED) == FINISHED:
            yield _report(row)


def _report(row: Row) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field, columns in SOURCES.items():
        text = next((row[name] for name in columns if row.get(name)), None)
        if text is not None:
            found[field] = text
    if "energy_joules" not in found and row.get("metrics.energy_kwh"):
        found["energy_joules"] = kwh_to_joules(float(row["metrics.energy_kwh"]))
    start, end = row.get("start_time"), row.get("end_time")
    if "duration_seconds" not in found and start and end:
        found["duration_seconds"] = (parse_timestamp(end) - parse_timestamp(start)).total_seconds()
    properties = {key: row[f"metrics.{key}"] for key in PROPERTIES if row.get(f"metrics.{key}")}
    return {**found, **({"properties": properties} if properties else {})}
