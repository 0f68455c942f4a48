"""When a training job should run: constraints and a forecast in, a plan out. Pure."""

from lowtide.grid.forecast import Forecast, Source
from lowtide.planning.calendar import Calendar, Reservation
from lowtide.planning.durations import DurationEstimate, learn_duration
from lowtide.planning.errors import ForecastError, PlanningError, RequestError, TraceError
from lowtide.planning.outlook import forecast_for
from lowtide.planning.planner import plan, plan_all
from lowtide.planning.types import Plan, PlanReason, Request, Segment

__all__ = [
    "Calendar",
    "DurationEstimate",
    "Forecast",
    "ForecastError",
    "Plan",
    "PlanReason",
    "PlanningError",
    "Request",
    "RequestError",
    "Reservation",
    "Segment",
    "Source",
    "TraceError",
    "forecast_for",
    "learn_duration",
    "plan",
    "plan_all",
]
