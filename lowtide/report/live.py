"""Scene of all jobs under the intensity curve, for people who watch them wait and run.

A scene is plain data, made from API objects and measurements at every refresh;
`lowtide.report.live_view` draws it. Pure: manifests, readings and the time are arguments. A number
that was not reported stays `None`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from lowtide.grid.series import IntensitySeries
from lowtide.lenient_fields import mapping, mappings, moment
from lowtide.records.fields import Manifest, is_true, number
from lowtide.records.fields import conditions as conditions_of

DETAILS = re.compile(r" \((\d+ g/kWh expected|forecast: |latest start |would change ).*$")
"""Details of a plan's explanation; a line of the view has room for the reason only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveReading:
    """Prometheus' figures of a job now; `None` where it has none."""

    power_watts: float | None = None
    energy_joules: float | None = None
    epochs: float | None = None
    epochs_planned: float | None = None
    accuracy_ratio: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveJob:
    """One TrainingJob as it is shown."""

    namespace: str
    """Namespace of the object."""
    name: str
    """Name of the object."""
    state: str
    """State in one word, as `kubectl get` shows it."""
    reason: str
    """One sentence: why it waits or what is wrong; empty where the state says it all."""
    planned: tuple[tuple[datetime, datetime], ...]
    """Periods in which it runs or ran; before the start, the planned ones."""
    sizes: tuple[int | None, ...]
    """Replicas in each of these periods; `None` for a job of fixed size."""
    start: datetime | None
    """Time of its start; before that, of its planned start."""
    started: bool
    """Whether it has started."""
    ended: bool
    """Whether it is complete, failed or invalid."""
    settled: bool
    """Whether it has ended and its energy is final."""
    failed: bool
    """Whether it failed or is invalid."""
    energy_text: str
    """Measured energy as the status shows it; empty where there is none."""
    predicted_text: str
    """Predicted energy of the whole run; empty where there is none, and after the end."""
    finish_text: str
    """Predicted end, later the end; empty where it is not known."""
    sci_text: str
    """SCI as the status shows it; empty where there is none."""
    replicas_text: str
    """Replicas of an elastic job, now and in all; empty for one of fixed size."""
    avoided_text: str
    """Avoided grams as the status shows them; empty where there are none."""
    reading: LiveReading
    """Figures of this moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveScene:
    """The content of the screen at one moment."""

    now: datetime
    jobs: tuple[LiveJob, ...]
    curve: IntensitySeries | None
    """Actual intensity up to now and expected intensity after it."""
    window: tuple[datetime, datetime]
    """First and last moment of the curve."""
    note: str = ""
    """Note below the curve, for example that the grid is a replay."""

    @property
    def intensity_grams_per_kwh(self) -> float | None:
        """Return the intensity now."""
        return None if self.curve is None else self.curve.at(self.now)


def live_job(manifest: Manifest, reading: LiveReading | None = None) -> LiveJob:
    """Return one TrainingJob as it is shown.

    A field that the operator does not write is left out, never an error: the view must work with
    older and newer operators.
    """
    status = mapping(manifest.get("status"))
    conditions = conditions_of(manifest)
    attempts = list(mappings(status.get("attempts")))
    plan, display = mapping(status.get("plan")), mapping(status.get("display"))
    metadata = mapping(manifest.get("metadata"))
    started = moment(attempts[0].get("start")) if attempts else None
    invalid = conditions.get("Valid", {}).get("status") == "False"
    failed = invalid or is_true(conditions, "Failed")
    ended = failed or is_true(conditions, "Complete")
    settled = invalid or (ended and not _awaits_measurement(conditions))
    stretches = tuple(_spans(attempts)) or tuple(_spans(mappings(plan.get("segments"))))
    return LiveJob(
        namespace=str(metadata.get("namespace", "")),
        name=str(metadata.get("name", "")),
        state=str(display.get("state") or "New"),
        reason=_reason(conditions, plan, waiting=not attempts and not ended),
        planned=tuple((start, end) for start, end, _ in stretches),
        sizes=tuple(size for _, _, size in stretches),
        start=started or moment(plan.get("start")),
        started=started is not None,
        ended=ended,
        settled=settled,
        failed=failed,
        energy_text=str(display.get("energy") or ""),
        predicted_text=str(display.get("predicted") or ""),
        finish_text=str(display.get("finish") or ""),
        sci_text=str(display.get("sci") or ""),
        replicas_text=str(display.get("replicas") or ""),
        avoided_text=str(display.get("avoided") or ""),
        reading=_with_report(reading or LiveReading(), mapping(status.get("training"))),
    )


def changes(before: LiveScene | None, after: LiveScene) -> list[str]:
    """Return one line per change between two scenes, for output that is not a terminal."""
    known = {} if before is None else {(j.namespace, j.name): j for j in before.jobs}
    lines = []
    for job in after.jobs:
        old = known.get((job.namespace, job.name))
        if old is None or _gist(old) != _gist(job):
            lines.append(f"{job.name}: {job.state}" + (f", {job.reason}" if job.reason else ""))
        epochs = job.reading.epochs
        if epochs is not None and epochs > 0 and (old is None or old.reading.epochs != epochs):
            lines.append(f"{job.name}: {progress_text(job)}")
    return lines


def _gist(job: LiveJob) -> tuple[object, ...]:
    """Return what is worth a line; a plan's sentence counts down and is not."""
    return job.state, job.start, "" if job.planned else job.reason


def progress_text(job: LiveJob) -> str:
    """Return epochs, accuracy and power of a job in words, without those that are unknown."""
    reading = job.reading
    parts = []
    if reading.epochs is not None:
        planned = "" if reading.epochs_planned is None else f" of {reading.epochs_planned:.0f}"
        parts.append(f"epoch {reading.epochs:.0f}{planned}")
    if reading.accuracy_ratio is not None:
        parts.append(f"accuracy {reading.accuracy_ratio:.3f}")
    if reading.power_watts is not None:
        parts.append(f"{reading.power_watts:.0f} W")
    return ", ".join(parts)


def _with_report(reading: LiveReading, training: Manifest) -> LiveReading:
    """Return the reading, completed with the trainer's final report."""

    def known(live: float | None, field: str) -> float | None:
        return number(training.get(field)) if training.get(field) is not None else live

    return LiveReading(
        power_watts=reading.power_watts,
        energy_joules=reading.energy_joules,
        epochs=known(reading.epochs, "epochs"),
        epochs_planned=known(reading.epochs_planned, "epochsPlanned"),
        accuracy_ratio=known(reading.accuracy_ratio, "accuracy"),
    )


def _reason(conditions: Mapping[str, Manifest], plan: Manifest, *, waiting: bool) -> str:
    """Return the most urgent sentence about a job beyond its state."""
    for name, bad in (("Valid", "False"), ("Failed", "True")):
        if conditions.get(name, {}).get("status") == bad:
            return str(conditions[name].get("message", ""))
    measured = conditions.get("Measured", {})
    if measured.get("status") == "False" and is_true(conditions, "Complete"):
        return str(measured.get("message", ""))
    return DETAILS.sub("", str(plan.get("explanation") or "")) if waiting else ""


def _awaits_measurement(conditions: Mapping[str, Manifest]) -> bool:
    """Return whether energy may still arrive."""
    measured = conditions.get("Measured", {})
    if measured.get("status") == "True":
        return False
    return str(measured.get("reason", "")) in {"", "NotLookedAt", "NotMeasuredYet", "Settling"}


def _spans(entries: Iterable[Manifest]) -> Iterable[tuple[datetime, datetime, int | None]]:
    for entry in entries:
        start, end = moment(entry.get("start")), moment(entry.get("end"))
        if start is not None and end is not None and start < end:
            size = number(entry.get("replicas"))
            yield start, end, None if size is None else round(size)
