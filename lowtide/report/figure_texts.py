"""Figures of a job as texts for people: three significant digits and a scaled unit."""

from collections.abc import Callable, Mapping
from typing import Final

from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.quantities import Quantity
from lowtide.metrics.sci import unit_word
from lowtide.report.run_table import DASH
from lowtide.units import format_duration, format_energy, format_mass, format_significant


def format_percent(ratio: float) -> str:
    """Return a fraction for people, for example `86.1 %`."""
    return f"{ratio * 100:.1f} %"


def format_change(percent: float) -> str:
    """Return a change with its sign; large ones as a factor, small ones never as zero."""
    if percent >= 999.95:
        return f"x {format_significant(percent / 100 + 1)}"
    if percent != 0 and abs(percent) < 0.05:
        return "+<0.1 %" if percent > 0 else "-<0.1 %"
    return f"{percent:+.1f} %"


def format_sci(job: JobFigures) -> str:
    """Return the score of a job for people, for example `812 g/job`."""
    score = job.score_grams_per_unit
    if score is None:
        return DASH
    return f"{format_mass(score)}/{unit_word(job.functional_unit or 'unit not stated')}"


def format_sci_range(job: JobFigures) -> str:
    """Return the range of a job's score for people, for example `770 g to 1.10 kg`."""
    if job.sci_low is None or job.sci_high is None:
        return DASH
    return f"{format_mass(job.sci_low)} to {format_mass(job.sci_high)}"


def format_carbon(job: JobFigures) -> str:
    """Return O + M for people; an unknown part is a dash."""
    parts = [job.operational_grams, job.embodied_grams]
    if parts == [None, None]:
        return DASH
    return " + ".join(DASH if grams is None else format_mass(grams) for grams in parts)


def format_avoided(job: JobFigures) -> str:
    """Return what waiting avoided for people; negative where it made things worse."""
    if job.avoided_grams is None:
        return DASH
    percent = "" if job.avoided_percent is None else f" {job.avoided_percent:.0f} %"
    return f"{format_mass(job.avoided_grams)}{percent}"


def format_electricity(job: JobFigures) -> str:
    """Return what was paid for electricity at prices in time, with its currency."""
    if job.electricity_paid is None:
        return DASH
    return f"{format_significant(job.electricity_paid)} {job.electricity_currency or '?'}"


def format_money_saved(job: JobFigures) -> str:
    """Return what waiting saved in money for people; negative where it made things dearer."""
    if job.electricity_saved is None:
        return DASH
    percent = job.electricity_saved_percent
    text = f"{format_significant(job.electricity_saved)} {job.electricity_currency or '?'}"
    return text if percent is None else f"{text} {percent:.0f} %"


def format_cost(job: JobFigures) -> str:
    """Return the cost of a job with its currency and kind."""
    if job.cost_amount is None:
        return DASH
    kind = f" ({job.cost_kind})" if job.cost_kind else ""
    return f"{format_significant(job.cost_amount)} {job.cost_currency or '?'}{kind}"


def format_sam(job: JobFigures) -> str:
    """Return SAM without its name."""
    sam = job.metric("SAM")
    return DASH if sam is None or sam.value is None else format_significant(sam.value)


def _watts(value: float) -> str:
    return f"{format_significant(value)} W"


def format_spread(name: str, deviation: float) -> str:
    """Return a standard deviation for people; that of an accuracy is in percentage points."""
    if name == "accuracy":
        return f"{format_significant(deviation * 100, 2)} %"
    return NUMBERS[name](deviation)


NUMBERS: Final[Mapping[str, Callable[[float], str]]] = {
    "accuracy": format_percent,
    "energy": format_energy,
    "time": format_duration,
    "cost": format_significant,
    "mean power": _watts,
    "operational": format_mass,
    "carbon": format_mass,
    "SCI": format_mass,
    "SAM": format_significant,
}
"""How a bare value of each quantity is shown."""
TEXTS: Final[Mapping[str, Callable[[JobFigures], str]]] = {
    "cost": format_cost,
    "carbon": format_carbon,
    "SCI": format_sci,
    "SAM": format_sam,
}
"""Quantities whose text says more than the value."""


def text_reader(quantity: Quantity) -> Callable[[JobFigures], str]:
    """Return what reads a job's value of a quantity for people, a dash where it is unknown."""
    if quantity.name in TEXTS:
        return TEXTS[quantity.name]
    read, show = quantity.read, NUMBERS[quantity.name]

    def text_of(job: JobFigures) -> str:
        value = read(job)
        return DASH if value is None else show(value)

    return text_of
