"""Reading of a GPU without numbers that no GPU can have; `lowtide.limits` says which. Pure."""

from lowtide.limits import believable_counter, believable_watts, watts_max
from lowtide.meters.readings import GpuReading


def believable_reading(reading: GpuReading) -> GpuReading:
    """Return the reading with impossible numbers replaced by None.

    A power is measured against the highest limit that the GPU tells, where it tells one.
    """
    counter = believable_counter(reading.counter_millijoules)
    limit = believable_watts(reading.limit_watts)
    limit_max = believable_watts(reading.limit_max_watts)
    highest = watts_max(limit, limit_max)
    average = believable_watts(reading.average_watts, highest)
    instant = believable_watts(reading.instant_watts, highest)
    if (counter, average, instant, limit, limit_max) == (
        reading.counter_millijoules,
        reading.average_watts,
        reading.instant_watts,
        reading.limit_watts,
        reading.limit_max_watts,
    ):
        return reading
    return reading._replace(
        counter_millijoules=counter,
        average_watts=average,
        instant_watts=instant,
        limit_watts=limit,
        limit_max_watts=limit_max,
    )


def highest_limit(reading: GpuReading) -> float | None:
    """Return the highest power limit that the GPU tells, None where it tells none."""
    known = (reading.limit_watts, reading.limit_max_watts)
    return max((watts for watts in known if watts is not None), default=None)
