"""Report of a namespace that was only watched, for people, as JSON, and as data of its page. Pure.

It answers one question, whether waiting is worth it here, and says beside every answer what it
rests on. Machine output is in base units; unknown is null and a dash, never zero.
"""

from collections.abc import Sequence
from typing import Any, Final

from lowtide.accounts.observed import Account, ObservedReport, ObservedRow
from lowtide.accounts.waiting import RunOutcome
from lowtide.accounts.zone_past import ZonePast
from lowtide.grid.series import Point
from lowtide.report.page import fill_page
from lowtide.report.run_table import DASH
from lowtide.report.text_columns import text_columns
from lowtide.report.usage_table import factor_words, overhead_words
from lowtide.report.workload_story import outcome_document, saving_text
from lowtide.units import (
    format_coverage,
    format_duration,
    format_energy,
    format_mass,
    format_significant,
    format_time_column,
    format_timestamp,
)

PARTS: Final = {"/*STYLE*/": "style.css", "/*APP*/": "app.js"}
MOST_ROWS: Final = 40
"""Rows that are shown for people; JSON has all."""
MOST_RUNS: Final = 24
"""Runs that the picture shows: those that could have saved most."""
MOST_CURVES: Final = 4
"""Zones whose intensity is drawn: those with most energy."""
MOST_POINTS: Final = 700
"""Points of the intensity curve."""


def observed_text(report: ObservedReport, pue: float | None) -> str:
    """Return the report for people."""
    lines = [["WEEK", "WORKLOAD", "RUNS", "ENERGY", "CARBON", "PLANNER SAVES", "AT BEST", "DELAY"]]
    if report.has_costs:
        lines[0][5:6] = ["COST", "PLANNER SAVES", "MONEY SAVED"]
    if len(report.pasts) > 1:
        lines[0].insert(2, "ZONE")
    for row in report.rows[:MOST_ROWS]:
        account = row.account
        cells = [
            *(row.week, row.title, str(len(account.runs)), format_energy(account.energy_joules)),
            grams_text_of(account),
            *([cost_text(account)] if report.has_costs else []),
            *_saving_cells(account, with_money=report.has_costs),
        ]
        if len(report.pasts) > 1:
            cells.insert(2, row.zone or DASH)
        lines.append(cells)
    shown = text_columns(lines)
    if len(report.rows) > MOST_ROWS:
        shown.append(f"and {len(report.rows) - MOST_ROWS} more rows (all: --output json)")
    body = [answer(report), "", *shown, "", *_bullets(basis(report, pue))]
    return "\n".join(body) + "\n"


def _bullets(sentences: Sequence[str]) -> list[str]:
    return [f"- {sentence}" for sentence in sentences]


def grams_text_of(account: Account) -> str:
    """Return the emissions of some runs, with the share of the energy that they are of."""
    if account.grams is None:
        return DASH
    ratio = account.priced_ratio
    part = "" if ratio >= 0.9995 else f" of {format_coverage(ratio)}"
    return format_mass(account.grams) + part


def cost_text(account: Account) -> str:
    """Return the electricity cost of some runs."""
    return _money(account.cost, account.currency)


def _money(amount: float | None, currency: str | None) -> str:
    return DASH if amount is None else f"{format_significant(amount)} {currency}"


def _saving_cells(account: Account, *, with_money: bool) -> list[str]:
    delay = account.mean_delay
    money = _money(account.planned_saving_cost, account.currency)
    return [
        saving_text(account.planned_saving_grams, account.planned_at_once_grams),
        *([money] if with_money else []),
        saving_text(account.best_saving_grams, account.at_once_grams),
        DASH if delay is None else format_duration(delay.total_seconds()),
    ]


def answer(report: ObservedReport) -> str:
    """Return the answer in one or two sentences."""
    total, longest = report.total, format_duration(report.assumed.max_delay.total_seconds())
    judged = len(total.judged)
    if not total.runs:
        return f"Namespace {report.namespace}: no pod was measured in this time."
    if judged == 0 or total.at_once_grams is None:
        return (
            f"Namespace {report.namespace}: for none of {len(total.runs)} runs is it known what "
            "waiting would have saved; the reasons are below."
        )
    best = saving_text(total.best_saving_grams, total.at_once_grams)
    first = (
        f"Namespace {report.namespace}: {judged} runs that could have started up to {longest} "
        f"later emitted {format_mass(total.at_once_grams)}; {best} could have been saved at best"
    )
    if total.planned_saving_grams is None:
        return f"{first}. What a planner would have saved is not known: it had no forecast."
    planned = saving_text(total.planned_saving_grams, total.planned_at_once_grams)
    partly = "" if len(total.planned) == judged else f" of {len(total.planned)} of them"
    return f"{first}, {planned}{partly} by the planner {report.forecasts}."


def basis(report: ObservedReport, pue: float | None) -> list[str]:
    """Return sentences that say what the figures rest on, and what is not known."""
    window, total = report.assumed.window, report.total
    times = [format_time_column(moment) for moment in (window.start, window.end)]
    found = [f"Time: {times[0]} to {times[1]}; nothing was touched or delayed."]
    found += [report.zones_of_workloads] if report.zones_of_workloads else []
    found += [_grams_basis(past, pue) for past in report.pasts]
    found += [
        f"Money{_of_zone(past)} is by prices in {past.prices.currency}, {past.prices.source}; "
        "nothing is planned by it."
        for past in report.pasts
        if past.prices is not None
    ]
    longest = format_duration(report.assumed.max_delay.total_seconds())
    found.append(
        f"Assumed: every judged run may start up to {longest} later (--max-delay), in one piece, "
        "with the length and the power that were measured, and its length is known beforehand."
    )
    found.append("Not considered: whether GPUs would have been free at the other time.")
    found += [
        f"Not judged: {len(runs)} {'run' if len(runs) == 1 else 'runs'} "
        f"({format_energy(sum(run.usage.energy_joules for run in runs))}), because {reason}."
        for reason, runs in total.not_judged.items()
    ]
    if report.pods_without_owner:
        found.append(
            f"Pods whose workload is not known: {report.pods_without_owner}; the exporter is "
            "older, or may not ask the API server."
        )
    return found


def _grams_basis(past: ZonePast, pue: float | None) -> str:
    """Return which intensity a zone's grams are by, or why there are none."""
    grid = past.intensity
    of = _of_zone(past)
    if past.refused is not None:
        return f"Grams{of} are not known: intensities of two kinds never meet, {past.refused}."
    if grid is None:
        return f"Grams{of} are not known: no intensity was stored in this time."
    return (
        f"Grams are operational, by the {grid.signal.lower()} intensity of zone {grid.zone} "
        f"({factor_words(grid)}), {grid.source}; {overhead_words(pue)}."
    )


def _of_zone(past: ZonePast) -> str:
    return "" if past.zone is None else f" of zone {past.zone}"


def observed_document(report: ObservedReport, pue: float | None) -> dict[str, Any]:
    """Return the report as JSON values in base units."""
    window, only = report.assumed.window, _only(report.pasts)
    grid = None if only is None else only.intensity
    return {
        "namespace": report.namespace,
        "start": format_timestamp(window.start),
        "end": format_timestamp(window.end),
        "max_delay_seconds": report.assumed.max_delay.total_seconds(),
        "zone": None if grid is None else grid.zone,
        "signal": None if grid is None else str(grid.signal),
        "factor": None if grid is None else str(grid.factor),
        "intensity_source": None if grid is None else grid.source,
        "pue": pue,
        "forecasts": report.forecasts,
        "currency": report.total.currency,
        "zones": [_zone_document(past) for past in report.pasts],
        "answer": answer(report),
        "basis": basis(report, pue),
        "total": _account_document(report.total),
        "rows": [
            {
                "week": row.week,
                "owner_kind": row.kind or None,
                "owner_name": row.name or None,
                "zone": row.zone,
                "zone_sources": [str(source) for source in row.zone_sources],
                **_account_document(row.account),
                "runs": [_run_document(run) for run in row.account.runs],
            }
            for row in report.rows
        ],
    }


def _only(pasts: Sequence[ZonePast]) -> ZonePast | None:
    """Return the grid of a report of one zone; a report of several has them under `zones`."""
    return pasts[0] if len(pasts) == 1 else None


def _zone_document(past: ZonePast) -> dict[str, Any]:
    grid = past.intensity
    return {
        "zone": past.zone,
        "signal": None if grid is None else str(grid.signal),
        "factor": None if grid is None else str(grid.factor),
        "intensity_source": None if grid is None else grid.source,
        "forecasts": past.forecasts,
        "currency": None if past.prices is None else past.prices.currency,
        "price_source": None if past.prices is None else past.prices.source,
        "refused": past.refused,
    }


def _account_document(account: Account) -> dict[str, Any]:
    delay = account.mean_delay
    return {
        "energy_joules": account.energy_joules,
        "operational_grams": account.grams,
        "priced_ratio": account.priced_ratio,
        "electricity_cost": account.cost,
        "currency": account.currency,
        "run_count": len(account.runs),
        "judged_count": len(account.judged),
        "planned_count": len(account.planned),
        "at_once_grams": account.at_once_grams,
        "planned_at_once_grams": account.planned_at_once_grams,
        "planned_saving_grams": account.planned_saving_grams,
        "planned_saving_cost": account.planned_saving_cost,
        "best_saving_grams": account.best_saving_grams,
        "mean_delay_seconds": None if delay is None else delay.total_seconds(),
    }


def _run_document(run: RunOutcome) -> dict[str, Any]:
    return {
        "owner_uid": run.usage.pods[0].workload.uid or None,
        "start": format_timestamp(run.usage.span.start),
        "end": format_timestamp(run.usage.span.end),
        "pods": len(run.usage.pods),
        "energy_joules": run.usage.energy_joules,
        "operational_grams": run.grams,
        "energy_coverage_ratio": run.usage.energy_coverage_ratio,
        **outcome_document(run),
    }


def observed_page(report: ObservedReport, pue: float | None) -> str:
    """Return the report as one page that works offline."""
    return fill_page("observed_page", PARTS, page_data(report, pue))


def page_data(report: ObservedReport, pue: float | None) -> dict[str, Any]:
    """Return the data of the page: times in Unix seconds, figures as texts for people."""
    window = report.assumed.window
    shown = _most_promising(report.rows)
    end = max(
        [window.end, *(run.best.start for _, run in shown if run.best)],
    )
    seen = [points[-1].end for past in report.pasts if (points := _points_of(past))]
    if seen:
        end = min(max(end, window.end), max(seen))
    end = max(end, window.end)
    total = report.total
    return {
        "namespace": report.namespace,
        "answer": answer(report),
        "basis": basis(report, pue),
        "from": window.start.timestamp(),
        "to": end.timestamp(),
        "reportEnd": window.end.timestamp(),
        "figures": [
            {"name": "emitted by all pods", "value": grams_text_of(total)},
            {
                "name": "saved by the planner",
                "value": saving_text(total.planned_saving_grams, total.planned_at_once_grams),
            },
            {
                "name": "saved at best",
                "value": saving_text(total.best_saving_grams, total.at_once_grams),
            },
            {"name": "energy of all pods", "value": format_energy(total.energy_joules)},
            *_money_figures(report),
        ],
        "curves": [
            {"zone": past.zone, "points": _curve(report, past, end.timestamp())}
            for past in [past for past in report.pasts if _points_of(past)][:MOST_CURVES]
        ],
        "unit": "g/kWh",
        "runs": [_bar(row, run) for row, run in shown],
        "runsOf": sum(1 for row in report.rows for run in row.account.judged),
        "columns": _columns(report),
        "rows": [_page_row(report, row) for row in report.rows[:MOST_ROWS]],
        "rowsOf": len(report.rows),
    }


def _money_figures(report: ObservedReport) -> list[dict[str, str]]:
    if not report.has_costs:
        return []
    total = report.total
    return [
        {"name": "paid for electricity", "value": cost_text(total)},
        {
            "name": "of that saved by the planner",
            "value": _money(total.planned_saving_cost, total.currency),
        },
    ]


def _points_of(past: ZonePast) -> tuple[Point, ...]:
    return () if past.intensity is None else past.intensity.points


def _columns(report: ObservedReport) -> list[str]:
    cost = ["cost"] if report.has_costs else []
    saved = ["money saved"] if report.has_costs else []
    zone = ["zone"] if len(report.pasts) > 1 else []
    return [
        "workload",
        *zone,
        "runs",
        "energy",
        "carbon",
        *cost,
        "planner saves",
        *saved,
        "at best",
        "mean delay",
    ]


def _page_row(report: ObservedReport, row: ObservedRow) -> dict[str, Any]:
    account = row.account
    cost = [cost_text(account)] if report.has_costs else []
    zone = [row.zone or DASH] if len(report.pasts) > 1 else []
    return {
        "week": row.week,
        "cells": [
            row.title,
            *zone,
            str(len(account.runs)),
            format_energy(account.energy_joules),
            grams_text_of(account),
            *cost,
            *_saving_cells(account, with_money=report.has_costs),
        ],
    }


def _most_promising(rows: Sequence[ObservedRow]) -> list[tuple[ObservedRow, RunOutcome]]:
    """Return the judged runs that could have saved most, in the order of their start."""
    judged = [(row, run) for row in rows for run in row.account.judged]
    judged.sort(key=lambda item: -(item[1].best_saving_grams or 0.0))
    return sorted(judged[:MOST_RUNS], key=lambda item: item[1].usage.span.start)


def _bar(row: ObservedRow, run: RunOutcome) -> dict[str, Any]:
    """Return one run of the picture: where it ran, would have run, and should have run."""
    span = run.usage.span
    at_once, planned, best = run.at_once, run.planned, run.best
    return {
        "name": row.title,
        "ran": [span.start.timestamp(), span.end.timestamp()],
        "length": sum(part.duration_seconds for part in run.usage.profile.running_spans()),
        "planned": None if planned is None else planned.start.timestamp(),
        "best": None if best is None else best.start.timestamp(),
        "saved": saving_text(run.planned_saving_grams, None if at_once is None else at_once.grams),
        "bestSaved": saving_text(run.best_saving_grams, None if at_once is None else at_once.grams),
    }


def _curve(report: ObservedReport, past: ZonePast, end: float) -> list[list[float]]:
    """Return (start, end, g/kWh) of an intensity, thinned by means; gaps are left out."""
    start = report.assumed.window.start.timestamp()
    known = [
        (point.start.timestamp(), point.end.timestamp(), point.grams_per_kwh)
        for point in _points_of(past)
        if point.grams_per_kwh is not None
        and point.end.timestamp() > start
        and point.start.timestamp() < end
    ]
    group = max(1, -(-len(known) // MOST_POINTS))
    thinned = [known[at : at + group] for at in range(0, len(known), group)]
    return [
        [part[0][0], part[-1][1], round(sum(value for _, _, value in part) / len(part), 2)]
        for part in thinned
    ]
