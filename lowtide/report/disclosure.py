"""The SCI disclosure of a job: the published YAML form, and a document for readers.

The form is Appendix A of the SCI specification 1.0
(docs/explanation/sources.md#gsf-sci-specification). A score that is undefined is not exported and a
mandatory field that is missing fails the export, each named; nothing is filled in for completeness'
sake.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.sci import unit_word
from lowtide.report.factor_words import words_of_factor
from lowtide.units import (
    format_coverage,
    format_energy,
    format_mass,
    format_significant,
    joules_to_kwh,
)

SCI_VERSION: Final = 1.1
COMPONENTS: Final = ("gpu", "cpu", "dram")
NEVER_MEASURED: Final = ("network", "storage")


class DisclosureError(ValueError):
    """A job cannot be disclosed; the message names everything that is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """Publisher of a disclosure, which the job itself cannot know."""

    contact_name: str | None = None
    contact_email: str | None = None
    organization: str | None = None
    entity_version: str | None = None
    report_url: str | None = None


def completeness(job: JobFigures, publisher: Publisher) -> tuple[str, ...]:
    """Return one sentence per thing that keeps the job from being disclosed."""
    missing = []
    if job.sci_grams_per_unit is None:
        missing.append("the score is undefined, and an undefined score is not exported")
    if job.functional_unit is None or not job.functional_units:
        missing.append("the functional unit or its count is not known")
    if not boundary_of(job):
        missing.append("the software boundary is not known: no component was measured")
    if job.uid is None or not _is_uuid(job.uid):
        missing.append("guid: the job has no unique id (RFC 4122)")
    if not publisher.contact_name:
        missing.append("contact-name is missing: give --contact-name")
    if not publisher.contact_email or not re.match(r"^\S+@\S+\.\S+$", publisher.contact_email):
        missing.append("contact-email is missing or no address: give --contact-email")
    if not publisher.entity_version:
        missing.append("entity-version is missing: give --entity-version")
    if job.final is False:
        missing.append("the energy is not final yet")
    return tuple(missing)


def sci_report(job: JobFigures, publisher: Publisher, *, calculated: date) -> dict[str, Any]:
    """Return the report in the published form, keys in the form's order.

    Raises:
        DisclosureError: a mandatory field is missing; all are named.
    """
    missing = completeness(job, publisher)
    if missing:
        raise DisclosureError(f"{job.name} cannot be disclosed: " + "; ".join(missing))
    units = job.functional_units or 0.0
    metadata: dict[str, Any] = {
        "name": job.name,
        "contact-name": publisher.contact_name,
        "contact-email": publisher.contact_email,
    }
    if publisher.organization:
        metadata["organization"] = publisher.organization
    metadata |= {
        "guid": job.uid,
        "entity-version": publisher.entity_version,
        "sci-version": SCI_VERSION,
        "calculation-date": calculated.isoformat(),
    }
    if job.started_at is not None:
        metadata["workload-start-time"] = job.started_at
    if job.duration_seconds is not None and units:
        metadata["calculation-period"] = round(job.duration_seconds / units, 3)
    metadata["calculation-information"] = calculation_information(job)
    if publisher.report_url:
        metadata["report-information-url"] = publisher.report_url
    return {
        "sci": {
            "software-boundary": boundary_of(job),
            "sci": job.sci_grams_per_unit,
            "r": units,
            "r-source": f"completed {_unit(job)}; gCO2eq per {_unit(job)}",
        },
        "metadata": metadata,
    }


def boundary_of(job: JobFigures) -> str:
    """Return what is in the score and what is out, each exclusion with its reason."""
    if job.boundary_text:
        return job.boundary_text
    if not job.boundary:
        return ""
    out = [f"{name} (no meter)" for name in COMPONENTS if name not in job.boundary]
    out += [f"{name} (not measured)" for name in NEVER_MEASURED]
    if job.pue is None:
        out.append("cooling and other overhead (no PUE) (not measured)")
    return f"in: {', '.join(job.boundary)} of {job.name}; out: {', '.join(out)}"


def calculation_information(job: JobFigures) -> str:
    """Return how E, I and M were obtained, in one line."""
    kind = (job.energy_kind or "not stated").lower()
    qualities = f" by {', '.join(job.qualities)}" if job.qualities else ""
    coverage = (
        "" if job.coverage_ratio is None else f", coverage {format_coverage(job.coverage_ratio)}"
    )
    signal = (job.signal or "not stated").lower()
    step = "" if job.resolution_seconds is None else f", step {job.resolution_seconds:g} s"
    text = (
        f"E: {kind}{qualities}{coverage}; {_overhead_words(job)}; "
        f"I: {signal}, {words_of_factor(job.factor)}, location-based, "
        f"zone {job.zone or 'not stated'}, "
        f"source {job.intensity_source or 'not stated'}{step}; "
        f"M: {job.embodied_source or 'source not stated'}; failed attempts included in C"
    )
    return f"STAND-IN GPU, NUMBERS ARE NOT REAL; {text}" if job.mock else text


def _overhead_words(job: JobFigures) -> str:
    factor, how = _overhead(job)
    return "PUE not included" if job.pue is None else f"PUE {factor} ({how})"


def document(job: JobFigures, publisher: Publisher, *, calculated: date) -> str:
    """Return the disclosure for readers, as Markdown; what is missing is shown."""
    missing = completeness(job, publisher)
    score = "undefined"
    if job.sci_grams_per_unit is not None:
        score = f"{format_significant(job.sci_grams_per_unit, 4)} gCO2eq per {_unit(job)}"
    lines = [
        f"# SCI disclosure: {job.name}",
        "",
        f"**{score}** (SCI specification {SCI_VERSION}), calculated {calculated.isoformat()}.",
    ]
    if job.mock:
        lines += ["", "**A stand-in took the place of the GPU: these numbers are not real.**"]
    lines += ["", "## Boundary", "", boundary_of(job) or "Not known.", "", "## Score", ""]
    lines += _table(("term", "value", "how"), _terms(job))
    lines += ["", "## Energy by component", ""]
    lines += _table(("component", "part", "method", "quality", "energy"), _components(job))
    lines += ["", "## Coefficients", ""]
    lines += _table(("coefficient", "value", "source"), _coefficients(job))
    lines += ["", "## Completeness", ""]
    lines += [f"- missing: {text}" for text in missing] or ["All mandatory fields are there."]
    lines += [
        "",
        f"Contact: {_contact(publisher)}",
        "",
    ]
    return "\n".join(lines)


def _terms(job: JobFigures) -> list[tuple[str, str, str]]:
    energy = job.energy_joules
    signal = "intensity of a kind that is not stated"
    if job.signal is not None:
        signal = f"{job.signal.lower()} intensity, {words_of_factor(job.factor)}"
    factor = "" if job.pue is None else "PUE × "
    units = job.functional_units
    count = "not known" if units is None else f"{units:.15g} {_unit(job)}"
    return [
        ("E", "–" if energy is None else format_energy(energy), (job.energy_kind or "–").lower()),
        ("O", _mass(job.operational_grams), f"sum of {factor}E × I over time, {signal}"),
        ("M", _mass(job.embodied_grams), job.embodied_source or "source not stated"),
        ("C = O + M", _mass(job.carbon_grams), "failed attempts included"),
        ("R", count, "completed only"),
    ]


def _components(job: JobFigures) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        (s.component, s.part, s.method, s.quality, format_energy(s.energy_joules))
        for s in job.shares
    ]
    rows += [(name, "–", "–", "no meter", "not measured") for name in job.unavailable]
    return rows or [("–", "–", "–", "–", "–")]


def _coefficients(job: JobFigures) -> list[tuple[str, str, str]]:
    mean = "–"
    if job.operational_grams is not None and job.energy_joules:
        grams = job.operational_grams / joules_to_kwh(job.energy_joules) / (job.pue or 1.0)
        mean = f"{format_significant(grams, 4)} g/kWh (energy-weighted, shown only)"
    step = "" if job.resolution_seconds is None else f", step {job.resolution_seconds:g} s"
    return [
        ("I", mean, f"{job.intensity_source or 'not stated'}, zone {job.zone or '–'}{step}"),
        ("PUE", *_overhead(job)),
        (
            "TE",
            _mass(job.embodied_total_grams)
            + ("" if job.embodied_total_grams is None else " per GPU"),
            job.embodied_source or "source not stated",
        ),
        (
            "EL",
            "not known"
            if job.embodied_lifespan_seconds is None
            else f"{job.embodied_lifespan_seconds / 3600:g} h",
            "as used for M",
        ),
        ("conversion", "1 kWh = 3.6 × 10⁶ J", "definition"),
    ]


def _overhead(job: JobFigures) -> tuple[str, str]:
    """Return the factor of the data centre and whether it was measured or assumed."""
    if job.pue is None:
        return "not included", "no figure of the data centre"
    kind = (job.pue_kind or "kind not stated").lower()
    return f"{job.pue:.4g}", f"{kind}, {job.pue_source}" if job.pue_source else kind


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [f"| {' | '.join(header)} |", "|" + "---|" * len(header)]
    return lines + [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]


def _contact(publisher: Publisher) -> str:
    name, address = publisher.contact_name, publisher.contact_email
    known = [text for text in (name, f"<{address}>" if address else None) if text]
    return " ".join(known) or "not stated"


def _mass(grams: float | None) -> str:
    return "not known" if grams is None else format_mass(grams)


def _unit(job: JobFigures) -> str:
    word = unit_word(job.functional_unit or "unit")
    return "training job" if word == "job" else word


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
