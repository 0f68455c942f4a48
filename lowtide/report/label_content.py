"""Content of an energy label: every word, number and letter on it, from a job and its rating."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.letters import Letter
from lowtide.metrics.properties import PROPERTIES, Task
from lowtide.metrics.rating import Rating
from lowtide.metrics.reference import ReferenceSet
from lowtide.metrics.sci import unit_word
from lowtide.units import format_duration, format_energy, format_mass, format_significant

NO_BREAK: Final = "\u00a0"
"""Space between a number and its unit, at which no line breaks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictogram:
    """A quarter of the label: the property, a word, a number with unit, a letter."""

    key: str
    word: str
    number: str | None
    letter: Letter | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """A figure without a letter: a word, a number with unit, how it is made up."""

    word: str
    number: str | None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelContent:
    """Everything on a label; `None` shows as n.a."""

    title: str
    """Model, without one the job's name."""
    subtitle: str
    """Task, data set and the job's name."""
    environment: str
    """Hardware and software that it ran on."""
    letter: Letter | None
    """Compound letter; `None` where the job is not rated."""
    reason: str
    """Why there is no letter; empty where there is one."""
    pictograms: tuple[Pictogram, Pictogram, Pictogram, Pictogram]
    """Energy, time, accuracy and size."""
    carbon: Plain
    """Operational and embodied emissions."""
    sci: Plain
    """Software Carbon Intensity with its unit."""
    sources: str
    """How energy and intensity were had."""
    basis: str
    """Reference set with its rows, or where the letters come from."""
    issued: str
    """Date of issue, YYYY-MM-DD."""
    url: str | None
    """Address of the report; without one the code holds the label as text."""
    mock: bool = False
    """Whether a stand-in replaced the GPU."""


def content_of(
    job: JobFigures, rating: Rating | None, *, issued: date, url: str | None
) -> LabelContent:
    """Return the content of a job's label; without a rating with the letters of its status."""
    letters: Mapping[str, Letter | None] = (
        {key: Letter[letter] for key, letter in job.letters.items()}
        if rating is None
        else {p.key: p.letter for p in rating.properties}
    )
    letter = rating.letter if rating is not None else (Letter[job.label] if job.label else None)
    energy, time, accuracy, size = pictograms(job, letters)
    return LabelContent(
        title=job.model or job.name,
        subtitle=subtitle_of(job, Task.TRAINING),
        environment=environment_of(job),
        letter=letter,
        reason="" if letter is not None else _reason(job, rating),
        pictograms=(energy, time, accuracy, size),
        carbon=carbon_of(job),
        sci=sci_of(job),
        sources=sources_of(job),
        basis=_basis(job, rating),
        issued=issued.isoformat(),
        url=url,
        mock=job.mock,
    )


def subtitle_of(job: JobFigures, task: Task) -> str:
    """Return task and data set of a job, with its name where the title is the model."""
    named = f" · {job.name}" if job.model else ""
    return f"{task} on {job.dataset or 'n.a.'}{named}"


def environment_of(job: JobFigures) -> str:
    """Return the environment of a job, or that it is unknown."""
    return job.environment or "environment n.a."


def pictograms(
    job: JobFigures, letters: Mapping[str, Letter | None], task: Task = Task.TRAINING
) -> tuple[Pictogram, ...]:
    """Return the four pictograms of a job, those of its use for `Task.INFERENCE`."""
    size = job.properties.get("parameters")
    energy, seconds = job.energy_joules, job.duration_seconds
    energy_key, time_key = "training_energy", "training_time"
    energy_text = None if energy is None else format_energy(energy)
    time_text = None if seconds is None else format_duration(seconds)
    if task is Task.INFERENCE:
        energy_key, time_key = "inference_energy", "inference_time"
        energy, milliseconds = job.properties.get(energy_key), job.properties.get(time_key)
        energy_text = None if energy is None else f"{format_significant(energy)} J"
        time_text = None if milliseconds is None else f"{format_significant(milliseconds)} ms"
    per = " per sample" if task is Task.INFERENCE else ""
    texts = (
        (energy_key, f"energy{per}", energy_text),
        (time_key, f"time{per}", time_text),
        (
            "accuracy_top1",
            "top-1 accuracy",
            None if job.accuracy is None else f"{100 * job.accuracy:.1f} %",
        ),
        (
            "parameters",
            PROPERTIES["parameters"].label,
            None if size is None else f"{format_significant(size)} M",
        ),
    )
    return tuple(
        Pictogram(key=key, word=word, number=number, letter=letters.get(key))
        for key, word, number in texts
    )


def carbon_of(job: JobFigures) -> Plain:
    """Return the emissions of a job; their sum only where both parts are known."""
    use, hardware = (
        "n.a." if grams is None else format_mass(grams).replace(" ", NO_BREAK)
        for grams in (job.operational_grams, job.embodied_grams)
    )
    total = job.carbon_grams
    known = job.operational_grams is not None or job.embodied_grams is not None
    return Plain(
        word="carbon, CO2eq",
        number=None if total is None else format_mass(total),
        note=f"electricity {use}, hardware {hardware}" if known else "not known",
    )


def sci_of(job: JobFigures) -> Plain:
    """Return the SCI of a job; a score whose unit is not stated says so."""
    score = job.score_grams_per_unit
    if score is None:
        return Plain(word="SCI", number=None, note="not known")
    kind = (
        "kind of intensity not stated" if job.signal is None else f"{job.signal.lower()} intensity"
    )
    unit = unit_word(job.functional_unit) if job.functional_unit else "unit n.a."
    place = f", {job.zone}" if job.zone else ""
    return Plain(word=f"SCI per {unit}", number=format_mass(score), note=f"{kind}{place}")


def sources_of(job: JobFigures) -> str:
    """Return one sentence on how the energy was measured."""
    if job.boundary is None and job.energy_kind is None:
        return "How the energy was measured is not stated."
    components = ", ".join(job.boundary or ()) or "n.a."
    kind = (job.energy_kind or "method n.a.").lower()
    qualities = f" ({', '.join(job.qualities)})" if job.qualities else ""
    coverage = "" if job.coverage_ratio is None else f", coverage {_share(job.coverage_ratio)}"
    overhead = ", with the data centre's overhead" if job.energy_includes_pue else ""
    return f"Energy of {components}: {kind}{qualities}{coverage}{overhead}."


def set_text(reference: ReferenceSet) -> str:
    """Return a reference set with its rows, data set and environment."""
    rows = "1 row" if reference.rows == 1 else f"{reference.rows} rows"
    return f"{reference.name} ({rows}: {reference.dataset}, {reference.environment})"


def _share(ratio: float) -> str:
    """Return a share in percent; only a whole one is called 100 %."""
    percent = 100 * ratio
    return f"{percent:.0f} %" if percent in (0.0, 100.0) else f"{min(percent, 99.9):.1f} %"


def _basis(job: JobFigures, rating: Rating | None) -> str:
    if rating is not None:
        mode = "" if rating.mode == "correct" else f", {rating.mode} mode"
        return f"Rated against {set_text(rating.reference)}, {rating.compound}{mode}."
    if job.label and job.reference:
        rows = "" if job.reference_rows is None else f" ({job.reference_rows} rows)"
        return f"Rated by the operator against {job.reference}{rows}."
    if job.label:
        return "Letter from the job's status; its reference set is not stated."
    return "Compared with no reference set."


def _reason(job: JobFigures, rating: Rating | None) -> str:
    if rating is not None:
        return f"no letter against {rating.reference.name}: {rating.reason}"
    return job.label_reason or "no reference set"
