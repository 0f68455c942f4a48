"""Summary of a workflow's job on GitHub, as Markdown, to be appended to `$GITHUB_STEP_SUMMARY`."""

from lowtide.export.figures import MOCK_MARK, Occasion, method_sentence
from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.sci import unit_word
from lowtide.units import format_duration, format_energy, format_mass


def export(job: JobFigures, occasion: Occasion) -> str:
    """Return a heading, a table of the known figures and how they were had."""
    rows = [
        ("energy", None if job.energy_joules is None else format_energy(job.energy_joules)),
        ("time", None if job.duration_seconds is None else format_duration(job.duration_seconds)),
        ("accuracy", None if job.accuracy is None else f"{100 * job.accuracy:.1f} %"),
        ("operational carbon", _mass(job.operational_grams)),
        ("embodied carbon", _mass(job.embodied_grams)),
        (_score_name(job), _mass(job.score_grams_per_unit)),
        ("avoided by waiting", _mass(job.avoided_grams)),
        ("label", job.label),
    ]
    lines = [f"### Energy and carbon of {_text(job.name)}", ""]
    if job.mock:
        lines += [f"> **{MOCK_MARK}**", ""]
    lines += ["| figure | value |", "|---|---|"]
    lines += [f"| {_text(name)} | {_text(value)} |" for name, value in rows if value is not None]
    lines += ["", f"{_text(method_sentence(job))}."]
    return "\n".join(lines) + "\n"


def _score_name(job: JobFigures) -> str:
    unit = unit_word(job.functional_unit) if job.functional_unit else "unit not stated"
    return f"SCI per {unit}"


def _mass(grams: float | None) -> str | None:
    return None if grams is None else f"{format_mass(grams)} CO2eq"


def _text(value: str) -> str:
    """Return a text that can neither end a cell nor become markup."""
    plain = " ".join(value.split())
    for sign in "\\`*_[]<>|#":
        plain = plain.replace(sign, f"\\{sign}")
    return plain
