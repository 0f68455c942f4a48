"""Reading of a GPU without numbers that no GPU can have; `lowtide.limits` says which. Pure."""

from lowtide.limits import believable_counter, believable_watts
from lowtide.meters.readings import GpuReading


def believable_reading(reading: GpuReading) -> GpuReading:
    """Return the reading with impossible numbers replaced by None."""
    counter = believable_counter(reading.counter_millijoules)
    average, instant, limit = (
        believable_watts(watts)
        for watts in (reading.average_watts, reading.instant_watts, reading.limit_watts)
    )
    if (counter, average, instant, limit) == (
        reading.counter_millijoules,
        reading.average_watts,
        reading.instant_watts,
        reading.limit_watts,
    ):
        return reading
    return reading._replace(
        counter_millijoules=counter,
        average_watts=average,
        instant_watts=instant,
        limit_watts=limit,
    )


def highest_limit(reading: GpuReading) -> float | None:
    """Return the highest power limit that the GPU tells, None where it tells none."""
    known = (reading.limit_watts, reading.limit_max_watts)
    return max((watts for watts in known if watts is not None), default=None)
