"""Report of a namespace that was only watched, as one page. Pure."""

from collections.abc import Sequence
from typing import Any, Final

from lowtide.accounts.observed import ObservedReport, ObservedRow
from lowtide.accounts.waiting import RunOutcome
from lowtide.accounts.zone_past import ZonePast
from lowtide.grid.series import Point
from lowtide.report.observed_text import (
    MOST_ROWS,
    answer,
    basis,
    cost_text,
    grams_text_of,
    money_text,
    saving_cells,
)
from lowtide.report.page import fill_page
from lowtide.report.run_table import DASH
from lowtide.report.workload_story import saving_text
from lowtide.units import format_energy

PARTS: Final = {"/*STYLE*/": "style.css", "/*APP*/": "app.js"}
MOST_RUNS: Final = 24
"""Runs that the picture shows: those that could have saved most."""
MOST_CURVES: Final = 4
"""Zones whose intensity is drawn: those with most energy."""
MOST_POINTS: Final = 700
"""Points of the intensity curve."""


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
            "value": money_text(total.planned_saving_cost, total.currency),
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
            *saving_cells(account, with_money=report.has_costs),
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
