"""The comparison of runs as text: runs as rows, the best first, and one verdict as last line.

A change that may not be computed is a dash with the circumstance that forbids it, and a change
beside a circumstance that differs names it. The last lines say what was not alike, what is not
stated, and how the figures were made. Text only: colour and width are the caller's arguments.
"""

import textwrap
from collections.abc import Callable, Sequence
from typing import Final

from lowtide.metrics.comparison import (
    QUANTITIES,
    Change,
    Comparison,
    Quantity,
    quantity,
)
from lowtide.metrics.group_comparison import GroupComparison, GroupFigure, RunGroup
from lowtide.metrics.groups import ASSUMPTION, TEST, MeanDifference
from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.properties import Direction
from lowtide.report.figure_texts import (
    NUMBERS,
    format_avoided,
    format_change,
    format_sci_range,
    format_spread,
    value_text,
)
from lowtide.report.run_table import DASH, Block, Painter, TableCell, lines_of, plain_text
from lowtide.report.verdict import better_first, verdict_of_groups, verdict_of_runs
from lowtide.units import format_coverage

HEADERS: Final = {"carbon": "carbon (O + M)", "operational": "O"}
BASELINE: Final = "baseline"
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
    blocks = [_run_block(comparison, one, jobs) for one in _shown(chosen, comparison.jobs)]
    blocks += _extras(jobs)
    lines = lines_of(names, blocks, width=width, paint=paint)
    below = [_legend(comparison), *_sentences(comparison)]
    below += _sam_notes(comparison.jobs)
    below.append(method_line(comparison))
    return "\n".join(
        [
            *lines,
            "",
            *_wrapped(below, width),
            "",
            *_wrapped([verdict_of_runs(comparison, chosen)], width),
        ]
    )


def render_groups(
    comparison: GroupComparison,
    *,
    by: Quantity | None = None,
    width: int = 80,
    paint: Painter = plain_text,
) -> str:
    """Return the comparison of groups as text of at most `width` columns, the verdict last."""
    every = [job for group in comparison.groups for job in group.jobs]
    chosen = by or default_quantity(every)
    groups = sorted(comparison.groups, key=lambda group: _mean_first(comparison, chosen, group))
    counts = tuple(TableCell(f"{len(group.jobs)}") for group in groups)
    blocks = [Block(("runs",), (counts,))]
    blocks += [_group_block(comparison, one, groups) for one in _shown(chosen, every)]
    names = [group.name for group in groups]
    lines = lines_of(names, blocks, width=width, head=comparison.grouping, paint=paint)
    below = [
        f"mean ± standard deviation over the runs of a {comparison.grouping}; change of the mean "
        f"against {comparison.baseline.name} with its 95 % range",
        f"{TEST} for p and the range ({ASSUMPTION})"
        + (
            f"; each group against the baseline, not corrected for {len(groups) - 1} comparisons"
            if len(groups) > 2
            else ""
        ),
        *_sentences(comparison),
    ]
    verdict = _wrapped([verdict_of_groups(comparison, chosen)], width)
    return "\n".join([*lines, "", *_wrapped(below, width), "", *verdict])


def method_line(comparison: Comparison) -> str:
    """Return how the figures were made, in one line."""
    jobs = comparison.jobs
    parts = []
    if comparison.mismatches:
        parts.append("not all made alike")
    elif not comparison.unknown:
        parts.append("same method, boundary and unit")
    signals = sorted({job.signal.lower() for job in jobs if job.signal})
    zones = sorted({job.zone for job in jobs if job.zone})
    if signals:
        of = f", {', '.join(zones[:5])}{' …' if len(zones) > 5 else ''}" if zones else ""
        parts.append(f"{' and '.join(signals)} intensity{of}")
    parts.append(_energy_words(jobs))
    if any(job.mock for job in jobs):
        parts.append("GPUs: mock (stand-in numbers)")
    return " · ".join(parts)


def _shown(by: Quantity, jobs: Sequence[JobFigures]) -> list[Quantity]:
    """Return accuracy and the asked quantity, then the others; O only where M is unknown."""
    names = ["accuracy", by.name]
    names += [one.name for one in QUANTITIES if one.name not in names]
    if all(job.embodied_grams is not None or job.operational_grams is None for job in jobs):
        names = [name for name in names if name != "operational" or by.name == "operational"]
    elif all(job.carbon_grams is None for job in jobs):
        names = [name for name in names if name != "carbon" or by.name == "carbon"]
    return [quantity(name) for name in dict.fromkeys(names)]


def _run_block(comparison: Comparison, of: Quantity, jobs: Sequence[JobFigures]) -> Block:
    values = tuple(TableCell(value_text(of, job)) for job in jobs)
    changes = tuple(_change_cell(comparison, of, job) for job in jobs)
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
    value = difference.value
    if value is None:
        reason = str(difference.reason)
        if reason == "value_missing":
            return TableCell(DASH)
        return TableCell(f"{DASH} ({_because(difference) or reason.replace('_', ' ')})")
    points = comparison.points(job) if of.name == "accuracy" else None
    text = format_change(value) if points is None else f"{points:+.1f} points"
    named = ", ".join(
        [c.short for c in difference.likeness.different]
        + [f"{c.short}?" for c in difference.likeness.half_known]
    )
    if not named or difference.overridden:
        return TableCell(text, difference.verdict if difference.verdict != "same" else None)
    return TableCell(f"{text} ({named})")


def _because(difference: Change) -> str:
    alike = difference.likeness
    forbidding = [c.short for c in alike.different if c.effect != "named"]
    return ", ".join(dict.fromkeys(forbidding + [f"{c.short}?" for c in alike.unit_unknown]))


def _extras(jobs: Sequence[JobFigures]) -> list[Block]:
    columns: list[tuple[str, Callable[[JobFigures], str]]] = [
        ("SCI, 95 % range", format_sci_range),
        ("avoided by waiting", format_avoided),
        ("label", lambda job: job.label or DASH),
    ]
    return [
        Block((head,), (tuple(TableCell(show(job)) for job in jobs),)) for head, show in columns
    ]


def _mean_first(comparison: GroupComparison, by: Quantity, group: RunGroup) -> tuple[bool, float]:
    sample = comparison.figure(by, group).sample
    return better_first(by, None if sample is None else sample.mean)


def _group_block(comparison: GroupComparison, of: Quantity, groups: Sequence[RunGroup]) -> Block:
    figures = [comparison.figure(of, group) for group in groups]
    values = tuple(TableCell(_sample_text(of, figure)) for figure in figures)
    changes = tuple(
        TableCell(BASELINE) if group is comparison.baseline else _group_cell(of, figure)
        for group, figure in zip(groups, figures, strict=True)
    )
    tests = tuple(TableCell(_probability_text(figure.difference)) for figure in figures)
    if all(cell.text in ("", DASH, BASELINE) for cell in changes):
        return Block((HEADERS.get(of.name, of.name),), (values,))
    heads, columns = [HEADERS.get(of.name, of.name), "change"], [values, changes]
    if any(cell.text for cell in tests):
        heads, columns = [*heads, "p"], [*columns, tests]
    return Block(tuple(heads), tuple(columns))


def _sample_text(of: Quantity, figure: GroupFigure) -> str:
    sample = figure.sample
    if sample is None:
        return DASH
    show = NUMBERS[of.name]
    if sample.deviation is None:
        return show(sample.mean)
    return f"{show(sample.mean)} ± {format_spread(of.name, sample.deviation)}"


def _group_cell(of: Quantity, figure: GroupFigure) -> TableCell:
    difference = figure.difference
    if difference is None:
        reason = ", ".join(dict.fromkeys(c.short for c in figure.refused))
        return TableCell(f"{DASH} ({reason})" if reason else DASH)
    unit = "points" if of.name == "accuracy" else "%"
    text = f"{difference.value:+.1f} {unit}"
    if difference.low is not None and difference.high is not None:
        text += f" ({difference.low:+.1f} to {difference.high:+.1f})"
    if figure.named:
        return TableCell(f"{text} ({', '.join(dict.fromkeys(c.short for c in figure.named))})")
    verdict = None
    if difference.is_clear and of.better is not None:
        good = (difference.value < 0) == (of.better is Direction.LOWER)
        verdict = "better" if good else "worse"
    return TableCell(text, verdict)


def _probability_text(difference: MeanDifference | None) -> str:
    if difference is None or difference.probability is None:
        return ""
    p = difference.probability
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _legend(comparison: Comparison) -> str:
    has_sam = any(job.metric("SAM") is not None for job in comparison.jobs)
    more = "more accuracy and SAM are" if has_sam else "more accuracy is"
    return f"change against {comparison.baseline.name}; {more} better, less of everything else"


def _sentences(comparison: Comparison | GroupComparison) -> list[str]:
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
        f"note: {job.name}: {metric.name} is {metric.reason}"
        for job in jobs
        if (metric := job.metric("SAM")) is not None and metric.value is None and metric.reason
    ]


def _wrapped(lines: Sequence[str], width: int) -> list[str]:
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
