"""Table of what pods used, by owner, namespace or node: for people, as JSON and as CSV. Pure.

Machine output is in base units. Unknown is an empty field and a dash, never zero.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Any, Final

from lowtide.accounts.usage import Usage
from lowtide.energy.bill import electricity_bill
from lowtide.energy.carbon import CarbonResult, operational_grams
from lowtide.energy.profile import Span
from lowtide.grid.series import IntensitySeries
from lowtide.prices.series import PriceSeries
from lowtide.report.factor_words import words_of_factor
from lowtide.report.run_table import DASH
from lowtide.report.text_columns import text_columns
from lowtide.units import (
    format_coverage,
    format_energy,
    format_mass,
    format_significant,
    format_time_column,
    format_timestamp,
)

UNKNOWN: Final = "owner not known"
GROUP_FIELDS: Final = {
    "owner": ("namespace", "owner_kind", "owner_name"),
    "namespace": ("namespace",),
    "node": ("node",),
}
"""What the rows of each grouping are told apart by."""
FIGURES: Final = (
    "pods",
    "energy_joules",
    "operational_grams",
    "priced_ratio",
    "electricity_cost",
    "currency",
    "energy_coverage_ratio",
    "time_coverage_ratio",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """One group's use."""

    group: tuple[str, ...]
    """Values of the fields in `GROUP_FIELDS`."""
    pods: int
    """How many pods ran."""
    energy_joules: float
    """Energy in the time asked for."""
    grams: float | None
    """Operational emissions of that part of it whose intensity is known; `None` without any."""
    priced_ratio: float
    """Share of the energy whose intensity is known."""
    cost: float | None
    """What the energy cost; `None` where a part of it has no price."""
    energy_coverage_ratio: float
    """Share of the pods' time in which the exporter counted."""
    time_coverage_ratio: float
    """Share of the pods' time with samples close together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageTable:
    """Rows, and what holds for all of them."""

    by: str
    """Grouping: owner, namespace or node."""
    window: Span
    """The time asked for."""
    rows: tuple[UsageRow, ...]
    """Groups, those with most energy first."""
    intensity: IntensitySeries | None
    """Intensity that the energy was multiplied with."""
    currency: str | None
    """Currency of the costs."""
    pue: float | None
    """The data centre's overhead that the intensity carries."""
    unowned_joules: Mapping[str, float]
    """Energy of the nodes that belongs to no pod, by component."""


def usage_table(
    groups: Mapping[tuple[str, ...], Usage],
    *,
    by: str,
    window: Span,
    intensity: IntensitySeries | None,
    prices: PriceSeries | None,
    pue: float | None,
    unowned_joules: Mapping[str, float],
) -> UsageTable:
    """Return the table of groups that were made by the fields of `by`."""
    return UsageTable(
        by=by,
        window=window,
        rows=tuple(_row(group, usage, intensity, prices) for group, usage in groups.items()),
        intensity=intensity,
        currency=None if prices is None else prices.currency,
        pue=pue,
        unowned_joules=unowned_joules,
    )


def _row(
    group: tuple[str, ...],
    usage: Usage,
    intensity: IntensitySeries | None,
    prices: PriceSeries | None,
) -> UsageRow:
    carbon = None if intensity is None else operational_grams(usage.profile, intensity)
    bill = None if prices is None else electricity_bill(usage.profile, prices)
    return UsageRow(
        group=group,
        pods=len(usage.pods),
        energy_joules=usage.energy_joules,
        grams=known_grams(carbon),
        priced_ratio=0.0 if carbon is None else carbon.covered_ratio,
        cost=None if bill is None else bill.amount,
        energy_coverage_ratio=usage.energy_coverage_ratio,
        time_coverage_ratio=usage.time_coverage_ratio,
    )


def known_grams(carbon: CarbonResult | None) -> float | None:
    """Return the grams of the energy whose intensity is known; `None` where none of it is."""
    if carbon is None or carbon.covered_ratio == 0:
        return None
    return carbon.covered_grams


def usage_text(table: UsageTable) -> str:
    """Return the table for people, and below it what is not known."""
    head = [*(_heading(name) for name in GROUP_FIELDS[table.by]), "PODS", "ENERGY", "CARBON"]
    head += ["COST"] if table.currency else []
    lines = [[*head, "COUNTED"]]
    for row in table.rows:
        cells = [value or DASH for value in row.group]
        if table.by == "owner" and not row.group[1]:
            cells[1:] = [UNKNOWN, ""]
        cells += [str(row.pods), format_energy(row.energy_joules), _grams_text(row)]
        if table.currency:
            cells.append(
                DASH if row.cost is None else f"{format_significant(row.cost)} {table.currency}"
            )
        lines.append([*cells, format_coverage(row.energy_coverage_ratio)])
    shown = text_columns(lines)
    return "\n".join([*shown, "", *notes(table)]) + "\n"


def _heading(name: str) -> str:
    return name.removeprefix("owner_").upper()


def _grams_text(row: UsageRow) -> str:
    if row.grams is None:
        return DASH
    part = "" if row.priced_ratio >= 0.9995 else f" of {format_coverage(row.priced_ratio)}"
    return format_mass(row.grams) + part


def notes(table: UsageTable) -> list[str]:
    """Return sentences that say what the figures are of, and what is not known."""
    first, last = (format_time_column(moment) for moment in (table.window.start, table.window.end))
    total = fsum(row.energy_joules for row in table.rows)
    found = [f"{first} to {last}: {format_energy(total)} of pods."]
    if table.intensity is None:
        found.append("Grams are not known: no intensity was stored in this time.")
    else:
        found.append(
            f"Grams are operational, by the {table.intensity.signal.lower()} intensity of zone "
            f"{table.intensity.zone} ({factor_words(table.intensity)}), {table.intensity.source}; "
            f"{overhead_words(table.pue)}."
        )
        priced = fsum(row.energy_joules * row.priced_ratio for row in table.rows)
        if total > 0 and priced < 0.9995 * total:
            found.append(
                f"The intensity is known for {format_coverage(priced / total)} of the energy; "
                "the rest has no grams here."
            )
    if table.currency is None:
        found.append("Costs are not known: no price was stored in this time.")
    if table.by == "owner" and (unknown := [row for row in table.rows if not row.group[1]]):
        joules = fsum(row.energy_joules for row in unknown)
        found.append(
            f"Pods whose owner is not known: {sum(row.pods for row in unknown)} "
            f"({format_energy(joules)}); the exporter is older, or may not ask the API server."
        )
    if table.unowned_joules:
        parts = ", ".join(
            f"{format_energy(joules)} of {component}"
            for component, joules in sorted(table.unowned_joules.items())
        )
        found.append(f"Of no pod at all: {parts} (idle devices, the system, foreign processes).")
    return found


def factor_words(intensity: IntensitySeries) -> str:
    """Return which emissions the factors of an intensity include, in words."""
    return words_of_factor(str(intensity.factor))


def overhead_words(pue: float | None) -> str:
    """Return whether grams carry the overhead of the data centre, in words."""
    if pue is None:
        return "without the data centre's overhead"
    return f"with an overhead (PUE) of {format_significant(pue)}"


def usage_document(table: UsageTable) -> dict[str, Any]:
    """Return the table as JSON values in base units; what is not known is null."""
    grid = table.intensity
    return {
        "start": format_timestamp(table.window.start),
        "end": format_timestamp(table.window.end),
        "by": table.by,
        "zone": None if grid is None else grid.zone,
        "signal": None if grid is None else str(grid.signal),
        "factor": None if grid is None else str(grid.factor),
        "intensity_source": None if grid is None else grid.source,
        "pue": table.pue,
        "unowned_joules": dict(table.unowned_joules),
        "rows": [dict(zip(columns(table), values, strict=True)) for values in _records(table)],
    }


def usage_csv(table: UsageTable) -> str:
    """Return the table as CSV with a heading; what is not known is empty."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(columns(table))
    writer.writerows(["" if value is None else value for value in row] for row in _records(table))
    return written.getvalue()


def columns(table: UsageTable) -> tuple[str, ...]:
    """Return the names of a row's fields."""
    return (*GROUP_FIELDS[table.by], *FIGURES)


def _records(table: UsageTable) -> Sequence[list[Any]]:
    return [
        [
            *row.group,
            row.pods,
            row.energy_joules,
            row.grams,
            row.priced_ratio,
            row.cost,
            None if row.cost is None else table.currency,
            row.energy_coverage_ratio,
            row.time_coverage_ratio,
        ]
        for row in table.rows
    ]
