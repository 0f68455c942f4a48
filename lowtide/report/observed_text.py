"""Report of a namespace that was only watched, for people. Pure.

It answers one question, whether waiting is worth it here, and says beside every answer what it
rests on; unknown is a dash, never zero.
"""

from collections.abc import Sequence
from typing import Final

from lowtide.accounts.observed import Account, ObservedReport
from lowtide.accounts.zone_past import ZonePast
from lowtide.report.run_table import DASH
from lowtide.report.text_columns import text_columns
from lowtide.report.usage_table import factor_words, overhead_words
from lowtide.report.workload_story import saving_text
from lowtide.units import (
    format_coverage,
    format_duration,
    format_energy,
    format_mass,
    format_significant,
    format_time_column,
)

MOST_ROWS: Final = 40
"""Rows that are shown for people; JSON has all."""


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
            *saving_cells(account, with_money=report.has_costs),
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
    return money_text(account.cost, account.currency)


def money_text(amount: float | None, currency: str | None) -> str:
    """Return an amount, a dash where it is not known."""
    return DASH if amount is None else f"{format_significant(amount)} {currency}"


def saving_cells(account: Account, *, with_money: bool) -> list[str]:
    """Return what the planner and the best start would have saved, and the wait for it."""
    delay = account.mean_delay
    money = money_text(account.planned_saving_cost, account.currency)
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
