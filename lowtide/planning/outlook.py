"""Choice of the forecast a job sees: only one that may wait for many days sees the whole week.

Where waiting ends within days, the course of the week is noise, and the last days tell the level
of a whole day better than eight weeks do (figures:
docs/explanation/planning-figures.md#course-of-the-week).
Invariant: the whole window counts and not what is left of it, so that a job keeps its forecast.
"""

from typing import Final

from lowtide.grid.forecast import Forecast
from lowtide.planning.guard import window_end
from lowtide.planning.types import Request

LONG_WINDOW_HOURS: Final = 96
WHOLE_DAY_HOURS: Final = 24


def sees_the_week(window_hours: float, length_hours: float, *, interruptible: bool) -> bool:
    """Return whether a job is planned with the course of the week, by hours of the data.

    It must be able to choose among days, and among the hours of a day: a run in one piece that
    takes a day sums over all of them.
    """
    return window_hours > LONG_WINDOW_HOURS and (interruptible or length_hours < WHOLE_DAY_HOURS)


def forecast_for(request: Request, forecast: Forecast | None) -> Forecast | None:
    """Return the forecast of the zone as the job sees it."""
    if forecast is None or forecast.with_week is None:
        return forecast
    hours_per_second = forecast.slot_hours / forecast.slot_seconds
    window = (window_end(request) - request.earliest).total_seconds() * hours_per_second
    length = request.remaining_seconds * hours_per_second
    week = sees_the_week(window, length, interruptible=request.interruptible)
    return forecast.with_week if week else forecast
