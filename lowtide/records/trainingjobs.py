"""Figures in the status of a TrainingJob, as the API server stores it.

A field that is absent stays unknown; a field of the wrong type is refused with its path. Nothing
is computed here that the operator should have computed, except sums of times that it wrote.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from lowtide.metrics.environment import environment_name
from lowtide.metrics.job_figures import EnergyShare, JobFigures, MetricFigure
from lowtide.metrics.result import MetricError
from lowtide.records.conversion import flag, number, text, whole
from lowtide.records.errors import ReportError, shown
from lowtide.trainingjob.spec import TrainingJobSpec
from lowtide.trainingjob.status import TrainingJobStatus
from lowtide.units import format_timestamp, parse_timestamp

T = TypeVar("T")


def from_trainingjob(manifest: Mapping[str, Any]) -> JobFigures:
    """Return the figures in the status of a TrainingJob.

    Raises:
        ReportError: a field is of the wrong type or outside its domain.
    """
    metadata = _Reader("", manifest.get("metadata") or {}, "metadata")
    name = metadata.text("name") or "?"
    status = _Reader(name, manifest.get("status") or {})
    training, energy = status.child("training"), status.child("energy")
    carbon, sci = status.child("carbon"), status.child("sci")
    avoided, cost = status.child("counterfactual"), status.child("cost")
    efficiency, range_ = status.child("efficiency"), sci.child("uncertainty")
    instance, electricity = cost.number("instance"), cost.number("energy")
    bill = status.child("electricity")
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
            electricity_paid=bill.number("paid"),
            electricity_saved=bill.number("saved"),
            electricity_saved_percent=bill.number("savedPercent"),
            electricity_currency=bill.text("currency"),
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
            factor=carbon.text("factor"),
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
            uid=metadata.text("uid"),
            started_at=_edge(status, "start", min),
            finished_at=_edge(status, "end", max),
            epochs=training.number("epochs"),
            epochs_planned=training.count("epochsPlanned"),
            epoch_joules=_epoch_joules(training),
            run_now_grams=avoided.number("runNowGrams"),
            resolution_seconds=carbon.number("resolutionSeconds"),
            embodied_source=carbon.text("embodiedSource"),
            embodied_total_grams=carbon.number("embodiedGramsPerGpu"),
            embodied_lifespan_seconds=carbon.number("embodiedLifespanSeconds"),
            pue=carbon.number("pue"),
            pue_kind=carbon.text("pueKind"),
            pue_source=carbon.text("pueSource"),
            boundary_text=sci.text("boundary"),
            shares=tuple(_share(item) for item in components),
            unavailable=energy.texts("unavailable"),
            properties=_properties(training),
        )
    except MetricError as error:
        raise ReportError(f"TrainingJob {name}: {error}") from error


def require_api_types(manifest: Mapping[str, Any]) -> None:
    """Refuse a TrainingJob with a field of a type that no version of the API has.

    Fields that this version does not know, or that an older one leaves out, are no fault.

    Raises:
        ReportError: a field cannot be used; its path is named.
    """
    for key, model in (("spec", TrainingJobSpec), ("status", TrainingJobStatus)):
        try:
            model.model_validate(manifest.get(key) or {})
        except ValidationError as error:
            for fault in error.errors(include_url=False, include_input=False):
                # A rule on fields that belong together is not about the type of one of them.
                is_rule = fault["type"] == "value_error" and not fault["loc"]
                if not is_rule and fault["type"] not in ("extra_forbidden", "missing"):
                    path = ".".join([key, *map(str, fault["loc"])])
                    message = fault["msg"].removeprefix("Value error, ")
                    raise ReportError(f"TrainingJob: {path}: {message}") from error


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
    return MetricFigure(
        name=item.text("name") or "?",
        value=item.number("value"),
        reason=item.text("reason"),
        warnings=item.texts("warnings"),
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
    answered = training.child("inference")
    rate = answered.number("samplesPerSecond")
    found = {
        "parameters": None if parameters is None else parameters / 1e6,
        "accuracy_top5": top5,
        "inference_energy": answered.number("joulesPerSample"),
        "inference_time": 1000 / rate if rate else None,
    }
    return {key: value for key, value in found.items() if value is not None}


def _epoch_joules(training: "_Reader") -> tuple[float, ...]:
    """Return the energy of every epoch; nothing where one is unknown or stands for several."""
    entries = list(training.children("history"))
    joules = [entry.number("joules") for entry in entries]
    whole = [entry.number("epoch") for entry in entries] == list(range(1, len(entries) + 1))
    return tuple(j for j in joules if j is not None) if whole and None not in joules else ()


class _Reader:
    """Fields of an API object, with their path for error messages."""

    def __init__(self, job: str, data: Any, path: str = "status") -> None:
        if not isinstance(data, dict):
            raise ReportError(f"TrainingJob {job}: {path} is {shown(data)}, expected an object")
        self._where, self._job, self._data, self._path = f"TrainingJob {job}", job, data, path

    def child(self, name: str) -> "_Reader":
        return _Reader(self._job, self._data.get(name) or {}, f"{self._path}.{name}")

    def _list(self, name: str) -> list[Any]:
        found = self._data.get(name)
        if found is not None and not isinstance(found, list):
            raise ReportError(
                f"{self._where}: {self._path}.{name} is {shown(found)}, expected a list"
            )
        return found or []

    def children(self, name: str) -> Iterator["_Reader"]:
        for index, item in enumerate(self._list(name)):
            yield _Reader(self._job, item, f"{self._path}.{name}[{index}]")

    def texts(self, name: str) -> tuple[str, ...]:
        path = f"{self._path}.{name}"
        return tuple(text(item, self._where, path) for item in self._list(name))

    def text(self, name: str) -> str | None:
        return self._read(name, text)

    def flag(self, name: str) -> bool | None:
        return self._read(name, flag)

    def count(self, name: str) -> int | None:
        return self._read(name, whole)

    def number(self, name: str) -> float | None:
        """Return an integer or decimal text as a number."""
        return self._read(name, number)

    def moment(self, name: str) -> datetime | None:
        value = self.text(name)
        try:
            return None if value is None else parse_timestamp(value)
        except (ValueError, OverflowError) as error:
            raise ReportError(f"{self._where}: {self._path}.{name}: {error}") from error

    def _read(self, name: str, convert: Callable[[Any, str, str], T]) -> T | None:
        value = self._data.get(name)
        return None if value is None else convert(value, self._where, f"{self._path}.{name}")
