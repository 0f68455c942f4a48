"""Forecasts that a planner could have made at a past time, from what was seen before it. Pure."""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from lowtide.grid.forecast import Forecast, Source
from lowtide.grid.fusion import fuse
from lowtide.grid.series import IntensitySeries


def history_forecasts(seen: IntensitySeries | None) -> Callable[[datetime], Forecast | None]:
    """Return the forecast of a time: the zone's own profile of the days before, no provider.

    `None` where too little was seen to forecast a course. Each slot's forecast is made once.
    """
    made: dict[int, Forecast | None] = {}
    ends = [] if seen is None else [point.end for point in seen.points]

    def at(moment: datetime) -> Forecast | None:
        count = bisect_right(ends, moment)
        if seen is None or count == 0:
            return None
        if count not in made:
            known = replace(seen, points=seen.points[:count])
            forecast = fuse(moment, known, None)
            is_flat = forecast is None or set(forecast.sources) == {Source.FLAT}
            made[count] = None if is_flat else forecast
        return made[count]

    return at
