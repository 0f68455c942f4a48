"""Report of a namespace that was only watched, as JSON: base units, unknown is null. Pure."""

from collections.abc import Sequence
from typing import Any

from lowtide.accounts.observed import Account, ObservedReport
from lowtide.accounts.waiting import RunOutcome
from lowtide.accounts.zone_past import ZonePast
from lowtide.report.observed_text import answer, basis
from lowtide.report.workload_story import outcome_document
from lowtide.units import (
    format_timestamp,
)


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
