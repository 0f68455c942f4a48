"""Errors of the planner.

    PlanningError (ValueError)
    ├── RequestError    a job's constraints make no sense
    ├── ForecastError   a forecast is inconsistent with itself
    └── BacktestError      a backtest trace cannot be replayed

An infeasible deadline is not an error: such a job runs now, and its plan says why.
"""


class PlanningError(ValueError):
    """Base of the planner's errors."""


class RequestError(PlanningError):
    """A job's constraints make no sense; the message names the field and the value."""


class ForecastError(PlanningError):
    """A forecast is inconsistent with itself; the message names the mismatch."""


class BacktestError(PlanningError):
    """A trace cannot be replayed; the message names the row or the length."""
