"""The comparison of runs as text: runs as rows, the best first, and one verdict as last line.

A change that may not be computed is a dash with the circumstance that forbids it, and a change
beside a circumstance that differs names it. The last lines say what was not alike, what is not
stated, and how the figures were made. Text only: colour and width are the caller's arguments.
"""

import textwrap
from collections.abc import Callable, Sequence
from typing import Final

from lowtide.metrics.comparison import Change, Comparison
from lowtide.metrics.group_comparison import GroupComparison
from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.quantities import QUANTITIES, Quantity, quantity
from lowtide.metrics.result import Undefined
from lowtide.report.factor_words import words_of_factor
from lowtide.report.figure_texts import (
    format_avoided,
    format_change,
    format_electricity,
    format_money_saved,
    format_sci_range,
    text_reader,
)
from lowtide.report.run_table import DASH, Block, Painter, TableCell, lines_of, plain_text
from lowtide.report.verdict import better_first, verdict_of_runs
from lowtide.units import format_coverage

HEADERS: Final = {"carbon": "carbon (O + M)", "operational": "O"}
BASELINE: Final = "baseline"
DASHED: Final = TableCell(DASH)
FIRST: Final = ("energy", "carbon", "SCI", "cost", "time", "accuracy", "operational", "SAM")
"""Quantities to sort by where none is asked for: the first that a run has."""


def default_quantity(jobs: Sequence[JobFigures]) -> Quantity:
    """Return the quantity to sort by: energy, or the first in order that any run has."""
    for name in FIRST:
        if any(quantity(name).read(job) is not None for job in jobs):
            return quantity(name)
    return quantity(FIRST[0])


def ordered(comparison: Comparison, by: Quantity) -> list[JobFigures]:
    """Return the runs with the best first; those without the quantity come last."""
    return sorted(comparison.jobs, key=lambda job: better_first(by, by.read(job)))


def render(
    comparison: Comparison,
    *,
    by: Quantity | None = None,
    width: int = 80,
    paint: Painter = plain_text,
) -> str:
    """Return the comparison as text of at most `width` columns, the verdict last."""
    chosen = by or default_quantity(comparison.jobs)
    jobs = ordered(comparison, chosen)
    names = [job.name for job in jobs]
    blocks = [
        _run_block(comparison, one, jobs)
        for one in shown_quantities(chosen, comparison.jobs)
        if any(one.read(job) is not None for job in jobs)
    ]
    blocks += _extras(jobs)
    lines = lines_of(names, blocks, width=width, paint=paint)
    below = [_legend(comparison)] if len(jobs) > 1 else []
    below += difference_lines(comparison)
    below += _sam_notes(comparison.jobs)
    below.append(method_line(comparison))
    return "\n".join(
        [
            *lines,
            "",
            *wrapped_lines(below, width),
            "",
            *wrapped_lines([verdict_of_runs(comparison, chosen)], width),
        ]
    )


def method_line(comparison: Comparison) -> str:
    """Return how the figures were made, in one line."""
    jobs = comparison.jobs
    parts = []
    if comparison.mismatches:
        parts.append("not all made alike")
    elif not comparison.unknown and len(jobs) > 1:
        parts.append("same method, boundary and unit")
    signals = sorted({job.signal.lower() for job in jobs if job.signal})
    zones = sorted({job.zone for job in jobs if job.zone})
    if signals:
        of = f", {', '.join(zones[:5])}{' …' if len(zones) > 5 else ''}" if zones else ""
        factors = sorted({job.factor for job in jobs if job.factor} - {"unknown"})
        included = f" ({' and '.join(words_of_factor(one) for one in factors)})" if factors else ""
        parts.append(f"{' and '.join(signals)} intensity{included}{of}")
    parts.append(_energy_words(jobs))
    if any(job.mock for job in jobs):
        parts.append("GPUs: mock (stand-in numbers)")
    return " · ".join(parts)


def shown_quantities(by: Quantity, jobs: Sequence[JobFigures]) -> list[Quantity]:
    """Return accuracy and the asked quantity, then the others; O only where M is unknown."""
    names = ["accuracy", by.name]
    names += [one.name for one in QUANTITIES if one.name not in names]
    if all(job.embodied_grams is not None or job.operational_grams is None for job in jobs):
        names = [name for name in names if name != "operational" or by.name == "operational"]
    elif all(job.carbon_grams is None for job in jobs):
        names = [name for name in names if name != "carbon" or by.name == "carbon"]
    return [quantity(name) for name in dict.fromkeys(names)]


def _run_block(comparison: Comparison, of: Quantity, jobs: Sequence[JobFigures]) -> Block:
    text_of = text_reader(of)
    values = tuple([TableCell(text_of(job)) for job in jobs])
    changes = tuple([_change_cell(comparison, of, job) for job in jobs])
    header = _header(of, comparison.jobs)
    if all(cell.text in ("", DASH, BASELINE) for cell in changes):
        return Block((header,), (values,))
    return Block((header, "change"), (values, changes))


def _header(of: Quantity, jobs: Sequence[JobFigures]) -> str:
    if of.name != "SAM":
        return HEADERS.get(of.name, of.name)
    names = sorted({sam.name for job in jobs if (sam := job.metric("SAM")) is not None})
    return names[0] if len(names) == 1 else "SAM"


def _change_cell(comparison: Comparison, of: Quantity, job: JobFigures) -> TableCell:
    if job is comparison.baseline:
        return TableCell(BASELINE if of.read(job) is not None else DASH)
    difference = comparison.change(of, job)
    value, reason, verdict, alike, overridden = difference
    if value is None:
        if reason is Undefined.VALUE_MISSING:
            return DASHED
        return TableCell(f"{DASH} ({_because(difference) or str(reason).replace('_', ' ')})")
    points = comparison.points(job) if of.name == "accuracy" else None
    text = format_change(value) if points is None else f"{points:+.1f} points"
    if overridden or not (alike.different or alike.half_known):
        return TableCell(text, verdict if verdict != "same" else None)
    return TableCell(f"{text} ({', '.join(alike.touching)})")


def _because(difference: Change) -> str:
    alike = difference.likeness
    forbidding = [c.short for c in alike.different if c.effect != "named"]
    return ", ".join(dict.fromkeys(forbidding + [f"{c.short}?" for c in alike.unit_unknown]))


def _extras(jobs: Sequence[JobFigures]) -> list[Block]:
    bill: list[tuple[str, Callable[[JobFigures], str]]] = [
        ("electricity paid", format_electricity),
        ("saved by waiting", format_money_saved),
    ]
    columns: list[tuple[str, Callable[[JobFigures], str]]] = [
        ("SCI, 95 % range", format_sci_range),
        ("avoided by waiting", format_avoided),
        *(bill if any(job.electricity_paid is not None for job in jobs) else ()),
        ("label", lambda job: job.label or DASH),
    ]
    return [
        Block((head,), (tuple(TableCell(show(job)) for job in jobs),)) for head, show in columns
    ]


def _legend(comparison: Comparison) -> str:
    has_sam = any(job.metric("SAM") is not None for job in comparison.jobs)
    more = "more accuracy and SAM are" if has_sam else "more accuracy is"
    return f"change against {comparison.baseline.name}; {more} better, less of everything else"


def difference_lines(comparison: Comparison | GroupComparison) -> list[str]:
    """Return what was not alike, what is not stated, and the notes, a line each."""
    lines = []
    if comparison.allow_mismatch and comparison.mismatches:
        lines.append("differences are shown although the jobs were not made the same way:")
    lines += [f"not comparable: {text}" for text in comparison.mismatches]
    lines += [f"differs: {text}" for text in comparison.conditions]
    if comparison.unknown:
        lines.append(f"not stated: {'; '.join(comparison.unknown)}")
    return lines + [f"note: {text}" for text in comparison.notes]


def _sam_notes(jobs: Sequence[JobFigures]) -> list[str]:
    return [
        f"note: {job.name}: {metric.name} has no value: {metric.reason}"
        for job in jobs
        if (metric := job.metric("SAM")) is not None and metric.value is None and metric.reason
    ]


def wrapped_lines(lines: Sequence[str], width: int) -> list[str]:
    """Return lines of at most `width` columns, continued with an indent."""
    return [
        part
        for line in lines
        for part in textwrap.wrap(
            line, max(20, width), subsequent_indent="  ", break_long_words=False,
            break_on_hyphens=False,
        )
    ]  # fmt: skip


def _energy_words(jobs: Sequence[JobFigures]) -> str:
    qualities = sorted({quality for job in jobs for quality in job.qualities})
    coverages = [job.coverage_ratio for job in jobs if job.coverage_ratio is not None]
    kinds = sorted({job.energy_kind.lower() for job in jobs if job.energy_kind})
    words = ", ".join([*kinds, *qualities]) or "method not stated"
    return f"energy: {words}" + (
        f", coverage {format_coverage(min(coverages))}" if coverages else ""
    )
