"""Reads the figures of finished jobs from what people have: API objects and report files.

A TrainingJob (or a list of them, as `kubectl get -o json` prints it) and Lowtide's own report
(`{"kind": "JobFigures", ...}`) are understood. A field that is absent stays unknown; a field of
the wrong type is refused with its path. Nothing is computed here that the operator should have
computed, except sums of times it wrote.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import TypeAdapter, ValidationError

from lowtide.metrics.environment import environment_name
from lowtide.metrics.job_figures import EnergyShare, JobFigures, MetricFigure
from lowtide.metrics.properties import PROPERTIES
from lowtide.metrics.result import MetricError
from lowtide.records import mlflow
from lowtide.units import format_timestamp, parse_timestamp

REPORT_KIND: Final = "JobFigures"
SUFFIXES: Final = (".csv", ".json", ".yaml", ".yml")

_REPORTS: Final = TypeAdapter(JobFigures)
_FIELDS: Final = frozenset(field.name for field in fields(JobFigures))
_LISTS: Final = frozenset(
    {
        "metrics",
        "shares",
        "properties",
        "letters",
        "boundary",
        "qualities",
        "unavailable",
        "epoch_joules",
    }
)
_COLUMNS: Final = (_FIELDS - _LISTS) | frozenset(PROPERTIES)


class ReportError(ValueError):
    """A report cannot be read; the message names the file or job and the field."""


def read_path(path: Path) -> tuple[JobFigures, ...]:
    """Return the jobs of a file, or of all JSON, YAML and CSV files of a directory in name order.

    A CSV file has one job per line; its columns are fields of a report or rated properties, and
    `name` is one of them. An empty cell is not known.

    Raises:
        ReportError: nothing is there, or a file is no report.
    """
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix in SUFFIXES)
        if not files:
            raise ReportError(f"{path} holds no report: expected .json, .yaml or .csv files")
        return tuple(job for file in files for job in read_path(file))
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(f"{path} cannot be read: {error}") from error
    if path.suffix == ".csv":
        return _from_table(text, str(path))
    try:
        data = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (json.JSONDecodeError, yaml.YAMLError) as error:
        raise ReportError(f"{path} is neither JSON nor YAML: {error}") from error
    return read_object(data, where=str(path))


def read_object(data: Any, *, where: str) -> tuple[JobFigures, ...]:
    """Return the jobs in a parsed document.

    Raises:
        ReportError: the document is no report, or a field of it cannot be used.
    """
    if isinstance(data, list):
        return tuple(job for item in data for job in read_object(item, where=where))
    if not isinstance(data, dict):
        raise ReportError(f"{where} holds {type(data).__name__}, not a report")
    if str(data.get("kind", "")).endswith("List") and isinstance(data.get("items"), list):
        return read_object(data["items"], where=where)
    if data.get("kind") == "TrainingJob":
        return (from_trainingjob(data),)
    if data.get("kind") == REPORT_KIND:
        return (_from_report(data, where),)
    raise ReportError(
        f"{where} is of kind {data.get('kind')!r}: expected TrainingJob or {REPORT_KIND}"
    )


def to_report(job: JobFigures) -> dict[str, Any]:
    """Return the report file of a job: base units, nothing that is not known."""
    known = {key: value for key, value in asdict(job).items() if value not in (None, (), {})}
    return {"kind": REPORT_KIND, **known}


def _from_table(text: str, where: str) -> tuple[JobFigures, ...]:
    reader = csv.DictReader(io.StringIO(text))
    columns = [name.strip() for name in reader.fieldnames or ()]
    if mlflow.is_export(columns):
        return _from_mlflow(reader, where)
    if "name" not in columns:
        raise ReportError(f"{where} has no column name: its first line must name the columns")
    unknown = [name for name in columns if name not in _COLUMNS]
    if unknown:
        raise ReportError(
            f"{where} has a column {unknown[0]!r} that is no figure of a job: "
            f"use {', '.join(sorted(_COLUMNS))}"
        )
    jobs = []
    for number, line in enumerate(reader, start=2):
        if None in line:
            raise ReportError(f"{where} line {number} has more cells than there are columns")
        cells = {key.strip(): cell.strip() for key, cell in line.items() if cell and cell.strip()}
        properties = {key: cells.pop(key) for key in list(cells) if key in PROPERTIES}
        row = {**cells, **({"properties": properties} if properties else {})}
        jobs.append(_from_report(row, f"{where} line {number}"))
    return tuple(jobs)


def _from_mlflow(reader: Iterable[Mapping[str, str]], where: str) -> tuple[JobFigures, ...]:
    try:
        found = list(mlflow.reports(reader))
    except ValueError as error:
        raise ReportError(f"{where}: {error}") from error
    if not found:
        raise ReportError(f"{where} is an MLflow export without a finished run")
    return tuple(_from_report(run, f"{where}: run {run.get('uid')}") for run in found)


def _from_report(data: Mapping[str, Any], where: str) -> JobFigures:
    given = {key: value for key, value in data.items() if key != "kind"}
    unknown = sorted(set(given) - _FIELDS)
    if unknown:
        raise ReportError(f"{where}: {unknown[0]} is no field of a report")
    try:
        return _REPORTS.validate_python(given)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        path = ".".join(str(part) for part in fault["loc"]) or "report"
        message = fault["msg"].removeprefix("Value error, ")
        raise ReportError(f"{where}: {path}: {message}") from error


def from_trainingjob(manifest: Mapping[str, Any]) -> JobFigures:
    """Return the figures in the status of a TrainingJob.

    Raises:
        ReportError: a field is of the wrong type or outside its domain.
    """
    name = str((manifest.get("metadata") or {}).get("name", "?"))
    status = _Reader(name, manifest.get("status") or {})
    training, energy = status.child("training"), status.child("energy")
    carbon, sci = status.child("carbon"), status.child("sci")
    avoided, cost = status.child("counterfactual"), status.child("cost")
    efficiency, range_ = status.child("efficiency"), sci.child("uncertainty")
    instance, electricity = cost.number("instance"), cost.number("energy")
    components = list(energy.children("components"))
    try:
        return JobFigures(
            name=name,
            accuracy=training.number("accuracy"),
            energy_joules=energy.number("totalJoules"),
            duration_seconds=_running_seconds(status),
            run_seconds=energy.number("runSeconds"),
            stated_power_watts=energy.number("meanPowerWatts"),
            stated_grams_per_kwh=carbon.number("meanGramsPerKwh"),
            cost_amount=instance if instance is not None else electricity,
            cost_currency=cost.text("currency"),
            cost_kind=_cost_kind(instance, electricity),
            operational_grams=carbon.number("operationalGrams"),
            embodied_grams=carbon.number("embodiedGrams"),
            sci_grams_per_unit=sci.number("gramsPerUnit"),
            sci_low=range_.number("low"),
            sci_high=range_.number("high"),
            sci_range_basis=range_.text("basis"),
            functional_unit=sci.text("functionalUnit"),
            functional_units=sci.number("functionalUnitCount"),
            avoided_grams=avoided.number("avoidedGrams"),
            avoided_percent=avoided.number("avoidedPercent"),
            metrics=tuple(_metric(item) for item in efficiency.children("metrics")),
            label=efficiency.text("label"),
            label_reason=efficiency.text("message"),
            reference=efficiency.text("reference"),
            reference_rows=efficiency.count("referenceRows"),
            letters={
                text: letter
                for item in efficiency.children("ratings")
                if (text := item.text("property")) and (letter := item.text("letter"))
            },
            energy_kind=energy.text("kind"),
            boundary=_distinct(components, "component") or None,
            qualities=_distinct(components, "quality"),
            signal=carbon.text("signal"),
            zone=carbon.text("zone"),
            intensity_source=carbon.text("source"),
            coverage_ratio=energy.number("energyCoverage"),
            final=energy.flag("final"),
            mock=energy.flag("mock") or False,
            model=training.text("model"),
            dataset=training.text("dataset"),
            environment=environment_name(
                energy.text("gpuModel"), energy.count("gpuCount"), training.text("framework")
            ),
            uid=(manifest.get("metadata") or {}).get("uid"),
            started_at=_edge(status, "start", min),
            finished_at=_edge(status, "end", max),
            epochs=training.number("epochs"),
            epochs_planned=training.count("epochsPlanned"),
            epoch_joules=_epoch_joules(training),
            run_now_grams=avoided.number("runNowGrams"),
            resolution_seconds=carbon.number("resolutionSeconds"),
            embodied_source=carbon.text("embodiedSource"),
            boundary_text=sci.text("boundary"),
            shares=tuple(_share(item) for item in components),
            unavailable=tuple(str(name) for name in energy.value("unavailable") or []),
            properties=_properties(training),
        )
    except MetricError as error:
        raise ReportError(f"TrainingJob {name}: {error}") from error


def _running_seconds(status: "_Reader") -> float | None:
    """Return the time the job ran, over all attempts; `None` while one has no end."""
    total = 0.0
    attempts = list(status.children("attempts"))
    for attempt in attempts:
        start, end = attempt.moment("start"), attempt.moment("end")
        if start is None or end is None:
            return None
        total += (end - start).total_seconds()
    return total if attempts else None


def _cost_kind(instance: float | None, electricity: float | None) -> str | None:
    if instance is not None:
        return "instance"
    return None if electricity is None else "electricity"


def _metric(item: "_Reader") -> MetricFigure:
    warnings = item.value("warnings") or []
    return MetricFigure(
        name=item.text("name") or "?",
        value=item.number("value"),
        reason=item.text("reason"),
        warnings=tuple(str(warning) for warning in warnings),
    )


def _distinct(components: list["_Reader"], field: str) -> tuple[str, ...]:
    return tuple(sorted({text for c in components if (text := c.text(field)) is not None}))


def _edge(
    status: "_Reader", field: str, choose: Callable[[list[datetime]], datetime]
) -> str | None:
    """Return the first start or the last end of all attempts as text."""
    moments = [m for a in status.children("attempts") if (m := a.moment(field)) is not None]
    return format_timestamp(choose(moments)) if moments else None


def _share(item: "_Reader") -> EnergyShare:
    return EnergyShare(
        component=item.text("component") or "?",
        part=item.text("part") or "?",
        method=item.text("method") or "?",
        quality=item.text("quality") or "?",
        energy_joules=item.number("joules") or 0.0,
    )


def _properties(training: "_Reader") -> dict[str, float | None]:
    parameters, top5 = training.number("parameters"), training.number("accuracyTop5")
    found = {
        "parameters": None if parameters is None else parameters / 1e6,
        "accuracy_top5": top5,
    }
    return {key: value for key, value in found.items() if value is not None}


def _epoch_joules(training: "_Reader") -> tuple[float, ...]:
    """Return the energy of every epoch; nothing where one is unknown or stands for several."""
    entries = list(training.children("history"))
    joules = [entry.number("joules") for entry in entries]
    whole = [entry.number("epoch") for entry in entries] == list(range(1, len(entries) + 1))
    return tuple(j for j in joules if j is not None) if whole and None not in joules else ()


class _Reader:
    """Reads fields of an API object and knows their path for error messages."""

    def __init__(self, job: str, data: Any, path: str = "status") -> None:
        if not isinstance(data, dict):
            raise ReportError(f"TrainingJob {job}: {path} is {data!r:.60}, expected an object")
        self._job, self._data, self._path = job, data, path

    def value(self, name: str) -> Any:
        return self._data.get(name)

    def child(self, name: str) -> "_Reader":
        return _Reader(self._job, self._data.get(name) or {}, f"{self._path}.{name}")

    def children(self, name: str) -> Iterator["_Reader"]:
        for index, item in enumerate(self._data.get(name) or []):
            yield _Reader(self._job, item, f"{self._path}.{name}[{index}]")

    def text(self, name: str) -> str | None:
        value = self._data.get(name)
        return None if value is None else str(value)

    def moment(self, name: str) -> datetime | None:
        value = self._data.get(name)
        try:
            return None if value is None else parse_timestamp(str(value))
        except ValueError as error:
            raise ReportError(f"TrainingJob {self._job}: {self._path}.{name}: {error}") from error

    def flag(self, name: str) -> bool | None:
        value = self._data.get(name)
        if value is not None and not isinstance(value, bool):
            raise ReportError(f"TrainingJob {self._job}: {self._path}.{name} is {value!r}, no flag")
        return value

    def count(self, name: str) -> int | None:
        value = self.number(name)
        return None if value is None else round(value)

    def number(self, name: str) -> float | None:
        """Return an integer or decimal text as a number."""
        value = self._data.get(name)
        if value is None:
            return None
        if not isinstance(value, bool):
            try:
                return float(value)
            except (TypeError, ValueError):
                pass
        raise ReportError(
            f"TrainingJob {self._job}: {self._path}.{name} is {value!r:.60}, expected a number"
        )
