"""Plan as JSON content: base units, UTC, `null` for what is not known."""

from dataclasses import asdict
from typing import Any

from lowtide.cli.outlook import Outlook
from lowtide.planning import Forecast, Plan, Request
from lowtide.planning.alternatives import Alternative
from lowtide.units import format_timestamp


def plan_document(
    zone: str,
    request: Request,
    made: Plan,
    outlook: Outlook,
    others: tuple[Alternative, ...] = (),
) -> dict[str, Any]:
    """Return the plan as JSON content: base units, UTC, `null` for what is not known."""
    forecast = outlook.forecast
    return {
        "zone": zone,
        "now": format_timestamp(outlook.now),
        "run": made.run,
        "reason": made.reason,
        "explanation": made.explanation,
        "replicas": made.replicas,
        "segments": [
            {
                "start": format_timestamp(one.start),
                "end": format_timestamp(one.end),
                "replicas": one.replicas,
            }
            for one in made.segments
        ],
        "deadline": format_timestamp(request.deadline),
        "latest_start": format_timestamp(made.latest_start),
        "look_again_at": format_timestamp(made.look_again_at),
        "planned_grams_per_kwh": made.planned_grams_per_kwh,
        "run_now_grams_per_kwh": made.run_now_grams_per_kwh,
        "saving_ratio": made.saving_ratio,
        "objective": request.objective.kind.lower(),
        "price_per_tonne": request.objective.price_per_tonne,
        "currency": made.currency,
        "planned_price_per_kwh": made.planned_price_per_kwh,
        "run_now_price_per_kwh": made.run_now_price_per_kwh,
        "money_saving_ratio": made.money_saving_ratio,
        "objective_saving_ratio": made.objective_saving_ratio,
        "alternatives": [
            {
                "objective": one.objective.kind.lower(),
                "start": format_timestamp(one.plan.segments[0].start),
                "saving_ratio": one.plan.saving_ratio,
                "money_saving_ratio": one.plan.money_saving_ratio,
            }
            for one in others
        ],
        "scaling": None if made.scaling is None else asdict(made.scaling),
        "would_change": made.would_change or None,
        "failures": [
            {"provider": one.provider, "reason": one.reason, "message": one.message}
            for one in outlook.failures
        ],
        "forecast": None if forecast is None else _forecast_document(forecast),
    }


def _forecast_document(forecast: Forecast) -> dict[str, Any]:
    made = forecast.generated_at
    return {
        "signal": forecast.signal,
        "factor": forecast.factor,
        "provider": forecast.provider,
        "generated_at": None if made is None else format_timestamp(made),
        "start": format_timestamp(forecast.start),
        "slot_seconds": forecast.slot_seconds,
        "grams_per_kwh": list(forecast.grams_per_kwh),
        "spread_grams_per_kwh": list(forecast.spread_grams_per_kwh),
        "sources": [str(source) for source in forecast.sources],
    }
