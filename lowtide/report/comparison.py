"""The comparison of jobs as a table for people, and as JSON or CSV for machines.

The table says better or worse in words, so that nobody reads a sign wrongly and colour carries no
meaning alone; the method line is always there; a difference that may not be computed is a dash
with the reason below. Text only: colour and the terminal's width are the caller's arguments.
"""

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any, Final

from lowtide.metrics.comparison import Comparison, Difference
from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.result import plain
from lowtide.metrics.sci import unit_word
from lowtide.records.jobs import to_report
from lowtide.units import format_duration, format_energy, format_mass, format_significant

DASH: Final = "–"

_LATEX: Final = {
    **{character: rf"\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    DASH: "--",
}

Painter = Callable[[str, str], str]
"""Takes a text and a verdict (better, worse) and returns the text, coloured or not."""


def plain_text(text: str, verdict: str) -> str:
    """Return the text as it is: the painter of files and pipes."""
    return text


def format_sci(job: JobFigures) -> str:
    """Return the score of a job for people, for example `812 g/job`."""
    if job.sci_grams_per_unit is None:
        return DASH
    return f"{format_mass(job.sci_grams_per_unit)}/{unit_word(job.functional_unit or 'unit')}"


def format_sci_range(job: JobFigures) -> str:
    """Return the range of a job's score for people, for example `770 g to 1.10 kg`."""
    if job.sci_low is None or job.sci_high is None:
        return DASH
    return f"{format_mass(job.sci_low)} to {format_mass(job.sci_high)}"


def format_carbon(job: JobFigures) -> str:
    """Return O + M for people; a part that is not known is a dash."""
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


def table_rows(comparison: Comparison) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return (label, one text per job) for every row of the table."""
    jobs = comparison.jobs
    sam = next((m.name for job in jobs if (m := job.metric("SAM")) is not None), "SAM")
    rows: list[tuple[str, Callable[[JobFigures], str]]] = [
        ("accuracy", lambda j: _optional(j.accuracy, lambda v: f"{v:.3f}")),
        ("energy", lambda j: _optional(j.energy_joules, format_energy)),
        ("time", lambda j: _optional(j.duration_seconds, format_duration)),
        ("cost", _format_cost),
        (
            "mean power",
            lambda j: _optional(j.mean_power_watts, lambda v: f"{format_significant(v)} W"),
        ),
        ("carbon (O + M)", format_carbon),
        ("SCI", format_sci),
        ("SCI, 95 % range", format_sci_range),
        ("avoided by waiting", format_avoided),
        (sam, _format_sam),
        ("label", lambda j: j.label or DASH),
    ]
    filled = [(label, tuple(show(job) for job in jobs)) for label, show in rows]
    return tuple(row for row in filled if set(row[1]) != {DASH})


def render(comparison: Comparison, *, width: int = 100, paint: Painter = plain_text) -> str:
    """Return the comparison as text that fits `width` columns.

    A table where it fits, else one block per quantity.
    """
    header, body = _cells(comparison)
    widths = [max(len(row[i]) for row in [header, *body]) for i in range(len(header))]
    if sum(widths) + 2 * (len(widths) - 1) <= width:
        lines = [_line(row, widths, paint) for row in [header, *body]]
    else:
        lines = _stacked(header, body, paint)
    return "\n".join([*lines, "", *_method_lines(comparison)])


def method_line(comparison: Comparison) -> str:
    """Return how the figures were had, in one line."""
    jobs = comparison.jobs
    same = "different methods" if comparison.mismatches else "same method, boundary and unit"
    signals = sorted({job.signal.lower() for job in jobs if job.signal})
    zones = sorted({job.zone for job in jobs if job.zone})
    parts = [same]
    if signals:
        parts.append(
            f"{' and '.join(signals)} intensity" + (f", {', '.join(zones)}" if zones else "")
        )
    parts.append(_energy_words(jobs))
    if any(job.mock for job in jobs):
        parts.append("GPUs: mock (stand-in numbers)")
    return " · ".join(parts)


def to_json(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison in base units: jobs, result objects of all differences, mismatches."""
    return {
        "baseline": comparison.jobs[0].name,
        "jobs": [plain(to_report(job)) for job in comparison.jobs],
        "differences": [
            {
                "candidate": job.name,
                "accuracy_points": comparison.accuracy_points[index],
                "quantities": {
                    row.quantity.name: {
                        **row.differences[index].percent.to_json(),
                        "verdict": row.differences[index].verdict,
                    }
                    for row in comparison.rows
                },
            }
            for index, job in enumerate(comparison.jobs[1:])
        ],
        "mismatches": list(comparison.mismatches),
        "overridden": comparison.overridden,
        "notes": list(comparison.notes),
        "method": method_line(comparison),
    }


def to_csv(comparison: Comparison) -> str:
    """Return one line per job in base units; the percentages are against the first job."""
    names = [row.quantity.name for row in comparison.rows]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["job", *names, *(f"{name} percent" for name in names)])
    for index, job in enumerate(comparison.jobs):
        values = [row.values[index] for row in comparison.rows]
        percent = [
            None if index == 0 else row.differences[index - 1].percent.value
            for row in comparison.rows
        ]
        writer.writerow([job.name, *("" if v is None else v for v in [*values, *percent])])
    return out.getvalue()


def to_latex(comparison: Comparison) -> str:
    """Return the table for a paper: a tabular with rules of the booktabs package."""
    header, body = _cells(comparison)
    columns = "l" + "r" * (len(header) - 1)
    rows = [" & ".join(_latex(cell) for cell in row) + r" \\" for row in [header, *body]]
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", rows[0], r"\midrule", *rows[1:]]
    lines += [r"\bottomrule", r"\end{tabular}"]
    return "\n".join([*lines, *(f"% {line}" for line in _method_lines(comparison)), ""])


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)


def _cells(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    header = ["", comparison.jobs[0].name]
    for job in comparison.jobs[1:]:
        header += [job.name, "difference"]
    by_label = {row.quantity.name: row.differences for row in comparison.rows}
    body = []
    for label, texts in table_rows(comparison):
        key = {"carbon (O + M)": "carbon"}.get(label, "SAM" if label.startswith("SAM") else label)
        differences = by_label.get(key)
        row = [label, texts[0]]
        for index, text in enumerate(texts[1:]):
            row += [text, "" if differences is None else _difference_text(differences[index])]
        body.append(row)
    return header, body


def _difference_text(difference: Difference) -> str:
    result = difference.percent
    if result.value is None:
        return DASH if str(result.reason) == "value_missing" else f"{DASH} ({result.reason})"
    return f"{result.value:+.1f} %  {difference.verdict or ''}".rstrip()


def _line(row: Sequence[str], widths: Sequence[int], paint: Painter) -> str:
    cells = [text.ljust(width) for text, width in zip(row, widths, strict=True)]
    return "  ".join(_paint(cell, paint) for cell in cells).rstrip()


def _stacked(header: Sequence[str], body: Sequence[Sequence[str]], paint: Painter) -> list[str]:
    lines = []
    for row in body:
        lines.append(row[0])
        for name, text in zip(header[1:], row[1:], strict=True):
            if text:
                lines.append(f"  {name}: {_paint(text, paint)}")
    return lines


def _paint(cell: str, paint: Painter) -> str:
    verdict = cell.rstrip().rsplit(" ", 1)[-1]
    return paint(cell, verdict) if verdict in ("better", "worse") else cell


def _method_lines(comparison: Comparison) -> list[str]:
    lines = [method_line(comparison)]
    if comparison.overridden:
        lines.append("differences are shown although the jobs were not made the same way:")
    lines += [f"not comparable: {text}" for text in comparison.mismatches]
    lines += [f"note: {text}" for text in comparison.notes]
    lines += [
        f"note: {job.name}: {metric.name} is {metric.reason}"
        for job in comparison.jobs
        if (metric := job.metric("SAM")) is not None and metric.value is None and metric.reason
    ]
    return lines


def _energy_words(jobs: Sequence[JobFigures]) -> str:
    qualities = sorted({quality for job in jobs for quality in job.qualities})
    coverages = [job.coverage_ratio for job in jobs if job.coverage_ratio is not None]
    kinds = sorted({job.energy_kind.lower() for job in jobs if job.energy_kind})
    words = ", ".join([*kinds, *qualities]) or "method not known"
    return f"energy: {words}" + (f", coverage {min(coverages):.0%}" if coverages else "")


def _optional(value: float | None, show: Callable[[float], str]) -> str:
    return DASH if value is None else show(value)


def _format_cost(job: JobFigures) -> str:
    if job.cost_amount is None:
        return DASH
    kind = f" ({job.cost_kind})" if job.cost_kind else ""
    return f"{format_significant(job.cost_amount)} {job.cost_currency or '?'}{kind}"


def _format_sam(job: JobFigures) -> str:
    sam = job.metric("SAM")
    return DASH if sam is None or sam.value is None else format_significant(sam.value)
