"""Figures of a job as flat names with units, for forms that hold names and numbers.

A figure that is unknown is left out, never zero. The circumstances (method, boundary, signal, zone)
go along as texts, and a stand-in's numbers are marked in every form.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from lowtide.metrics.job_figures import JobFigures
from lowtide.units import joules_to_kwh

MOCK_MARK: Final = "STAND-IN GPU, NUMBERS ARE NOT REAL"


class ExportError(Exception):
    """A form needs a figure that the job does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPeriod:
    """One time the job ran; its energy and emissions are `None` where they are unknown."""

    start: datetime
    end: datetime
    energy_joules: float | None
    operational_grams: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What an export needs beside the job's figures."""

    created: datetime
    """Time of the export, UTC."""
    training_type: str | None = None
    """`pre-training` or `fine-tuning`, as its author knows it."""
    attempts: tuple[RunPeriod, ...] = ()
    """Times the job ran, in order; empty where its record has none."""


def require_energy(job: JobFigures, form: str) -> float:
    """Return the energy of a job in kWh.

    Raises:
        ExportError: it is unknown.
    """
    if job.energy_joules is None:
        raise ExportError(f"{job.name} has no measured energy, which {form} needs")
    return joules_to_kwh(job.energy_joules)


def numbers_of(job: JobFigures) -> dict[str, float]:
    """Return the known figures of a job by a name that ends in its unit."""
    kwh = None if job.energy_joules is None else joules_to_kwh(job.energy_joules)
    figures = {
        "energy_kwh": kwh,
        "duration_seconds": job.duration_seconds,
        "mean_power_watts": job.mean_power_watts,
        "operational_grams": job.operational_grams,
        "embodied_grams": job.embodied_grams,
        "carbon_grams": job.carbon_grams,
        "sci_grams_per_unit": job.score_grams_per_unit,
        "run_now_grams": job.run_now_grams,
        "avoided_grams": job.avoided_grams,
        "accuracy_ratio": job.accuracy,
        "epochs": job.epochs,
        "energy_coverage_ratio": job.coverage_ratio,
        "pue": job.pue,
    }
    return {name: float(value) for name, value in figures.items() if value is not None}


def texts_of(job: JobFigures) -> dict[str, str]:
    """Return the known circumstances of a job by name."""
    texts = {
        "job": job.name,
        "model": job.model,
        "dataset": job.dataset,
        "environment": job.environment,
        "method": job.energy_kind,
        "boundary": ", ".join(job.boundary or ()) or None,
        "qualities": ", ".join(job.qualities) or None,
        "signal": job.signal,
        "factor": job.factor,
        "pue_kind": job.pue_kind,
        "zone": job.zone,
        "intensity_source": job.intensity_source,
        "functional_unit": job.functional_unit,
        "letter": job.label,
        "reference_set": job.reference,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "warning": MOCK_MARK if job.mock else None,
    }
    return {name: value for name, value in texts.items() if value is not None}


def method_sentence(job: JobFigures) -> str:
    """Return one sentence on where the figures come from."""
    mock = f"{MOCK_MARK}; " if job.mock else ""
    parts = ", ".join(job.boundary or ()) or "components not stated"
    kind = (job.energy_kind or "method not stated").lower()
    signal = f"{job.signal.lower()} intensity" if job.signal else "kind of intensity not stated"
    zone = f" of {job.zone}" if job.zone else ""
    overhead = ""
    if job.pue is not None:
        overhead = f"; PUE {job.pue:.4g} ({(job.pue_kind or 'kind not stated').lower()})"
    return f"{mock}Lowtide; energy of {parts}: {kind}; {signal}{zone}, location-based{overhead}"
