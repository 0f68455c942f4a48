"""Planner of training jobs: constraints and a forecast in, a plan out. Pure."""

from lowtide.grid.forecast import Forecast, Source
from lowtide.planning.calendar import Calendar, Reservation
from lowtide.planning.durations import (
    DurationEstimate,
    DurationSource,
    Experience,
    PastRun,
    estimate_duration,
    learn,
)
from lowtide.planning.elastic import Elastic
from lowtide.planning.errors import BacktestError, ForecastError, PlanningError, RequestError
from lowtide.planning.objective import Objective, ObjectiveKind
from lowtide.planning.outlook import forecast_for
from lowtide.planning.planner import Plans, plan, plan_all, plan_each
from lowtide.planning.types import Plan, PlanReason, Request, Segment

__all__ = [
    "BacktestError",
    "Calendar",
    "DurationEstimate",
    "DurationSource",
    "Elastic",
    "Experience",
    "Forecast",
    "ForecastError",
    "Objective",
    "ObjectiveKind",
    "PastRun",
    "Plan",
    "PlanReason",
    "PlanningError",
    "Plans",
    "Request",
    "RequestError",
    "Reservation",
    "Segment",
    "Source",
    "estimate_duration",
    "forecast_for",
    "learn",
    "plan",
    "plan_all",
    "plan_each",
]
