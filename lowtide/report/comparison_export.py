"""The comparison of runs for programs and papers: JSON, CSV, LaTeX and BibTeX.

Base units everywhere, named in the keys and headers. A change that may not be computed is null or
empty with its reason beside it.
"""

import csv
import io
from collections.abc import Iterable
from typing import Any, Final

from lowtide.metrics.comparison import Comparison
from lowtide.metrics.group_comparison import GroupComparison, GroupFigure
from lowtide.metrics.groups import ASSUMPTION, TEST
from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.quantities import QUANTITIES, Quantity
from lowtide.metrics.result import plain
from lowtide.records.jobs import to_report
from lowtide.report.comparison import method_line, ordered
from lowtide.report.verdict import verdict_of_groups, verdict_of_runs

COLUMNS: Final = {
    "accuracy": "accuracy_fraction",
    "energy": "energy_joules",
    "time": "duration_seconds",
    "cost": "cost_amount",
    "mean power": "mean_power_watts",
    "operational": "operational_grams",
    "carbon": "carbon_grams",
    "SCI": "sci_grams_per_unit",
    "SAM": "sam",
}
"""Quantity and its column, with the unit."""
BILL: Final = (
    "electricity_paid",
    "electricity_saved",
    "electricity_saved_percent",
    "electricity_currency",
)
"""Columns of the bill at prices in time, as the fields of a run are called."""


def to_json(comparison: Comparison, by: Quantity) -> dict[str, Any]:
    """Return the comparison in base units: jobs, result objects of all differences, mismatches."""
    return {
        "baseline": comparison.baseline.name,
        "sorted_by": by.name,
        "order": [job.name for job in ordered(comparison, by)],
        "jobs": [plain(to_report(job)) for job in comparison.jobs],
        "differences": [
            {
                "candidate": job.name,
                "accuracy_points": comparison.points(job),
                "quantities": {
                    one.name: _difference_json(comparison, one, job) for one in QUANTITIES
                },
            }
            for job in comparison.candidates
        ],
        "mismatches": list(comparison.mismatches),
        "conditions": list(comparison.conditions),
        "unknown": list(comparison.unknown),
        "overridden": comparison.overridden,
        "notes": list(comparison.notes),
        "method": method_line(comparison),
        "verdict": verdict_of_runs(comparison, by),
    }


def _difference_json(comparison: Comparison, of: Quantity, job: JobFigures) -> dict[str, Any]:
    difference = comparison.difference(of, job)
    return {
        **difference.percent.to_json(),
        "verdict": difference.verdict,
        "differs": [c.words for c in difference.likeness.different],
        "unknown": [
            c.words for c in (*difference.likeness.unknown, *difference.likeness.half_known)
        ],
    }


def groups_to_json(comparison: GroupComparison, by: Quantity) -> dict[str, Any]:
    """Return the groups with mean, standard deviation, change and range of each quantity."""
    return {
        "grouping": comparison.grouping,
        "baseline": comparison.baseline.name,
        "sorted_by": by.name,
        "test": TEST,
        "assumption": ASSUMPTION,
        "groups": [
            {
                "name": group.name,
                "runs": [job.name for job in group.jobs],
                "quantities": {
                    one.name: _group_json(one, comparison.figure(one, group)) for one in QUANTITIES
                },
            }
            for group in comparison.groups
        ],
        "mismatches": list(comparison.mismatches),
        "conditions": list(comparison.conditions),
        "unknown": list(comparison.unknown),
        "notes": list(comparison.notes),
        "verdict": verdict_of_groups(comparison, by),
    }


def _group_json(of: Quantity, figure: GroupFigure) -> dict[str, Any]:
    sample, difference = figure.sample, figure.difference
    return {
        "unit": of.unit,
        "count": 0 if sample is None else sample.count,
        "mean": None if sample is None else sample.mean,
        "standard_deviation": None if sample is None else sample.deviation,
        "change_unit": "points" if of.name == "accuracy" else "%",
        "change": None if difference is None else difference.value,
        "change_low": None if difference is None else difference.low,
        "change_high": None if difference is None else difference.high,
        "p": None if difference is None else difference.probability,
        "degrees_of_freedom": None if difference is None else difference.degrees,
        "refused": [c.words for c in figure.refused],
        "differs": [c.words for c in figure.named],
    }


def to_csv(comparison: Comparison, by: Quantity) -> str:
    """Return one line per run in base units, the best first; changes are against the baseline."""
    head = ["run", *COLUMNS.values(), "cost_currency", "functional_unit", "accuracy_points"]
    head += [f"{COLUMNS[one.name]}_percent" for one in QUANTITIES]
    head += [*BILL, "not_compared", "not_made_alike"]
    return _csv([head, *(_csv_line(comparison, job) for job in ordered(comparison, by))])


def _csv_line(comparison: Comparison, job: JobFigures) -> list[Any]:
    is_base = job is comparison.baseline
    values = [one.read(job) for one in QUANTITIES]
    found = [None if is_base else comparison.change(one, job) for one in QUANTITIES]
    reasons = [
        f"{one.name}: {d.reason}"
        for one, d in zip(QUANTITIES, found, strict=True)
        if d is not None and d.value is None and str(d.reason) != "value_missing"
    ]
    named = [
        f"{one.name}: {', '.join(d.likeness.touching)}"
        for one, d in zip(QUANTITIES, found, strict=True)
        if d is not None and d.value is not None and d.likeness.touching
    ]
    return [
        job.name,
        *values,
        job.cost_currency,
        job.functional_unit,
        None if is_base else comparison.points(job),
        *(None if d is None else d.value for d in found),
        *(getattr(job, name) for name in BILL),
        "; ".join(reasons),
        "; ".join(named),
    ]


def groups_to_csv(comparison: GroupComparison) -> str:
    """Return one line per group and quantity, in base units."""
    head = [comparison.grouping, "quantity", "unit", "runs", "mean", "standard_deviation"]
    head += ["change", "change_unit", "change_low", "change_high", "p", "refused"]
    head += ["not_made_alike"]
    rows: list[list[Any]] = [head]
    for group in comparison.groups:
        for one in QUANTITIES:
            data = _group_json(one, comparison.figure(one, group))
            if data["count"]:
                rows.append(
                    [group.name, one.name, one.unit, data["count"], data["mean"],
                     data["standard_deviation"], data["change"], data["change_unit"],
                     data["change_low"], data["change_high"], data["p"],
                     "; ".join(data["refused"]), "; ".join(data["differs"])]
                )  # fmt: skip
    return _csv(rows)


def _csv(rows: Iterable[list[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for row in rows:
        writer.writerow(["" if value is None else _safe(value) for value in row])
    return out.getvalue()


def _safe(value: Any) -> Any:
    """Return a text that no spreadsheet takes for a formula."""
    starts = isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t")
    return f"'{value}" if starts else value
