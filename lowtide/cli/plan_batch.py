"""Start of a plan as an option of a batch system's own command."""

from datetime import datetime
from math import ceil

from lowtide.planning import Plan


def slurm_option(now: datetime, made: Plan) -> str:
    """Return the option of `sbatch` that holds a job back until the plan's start.

    In seconds from now, because Slurm reads a time of day in a zone that the option cannot name.
    """
    wait = 0.0
    if not made.run and made.segments:
        wait = (made.segments[0].start - now).total_seconds()
    return f"--begin=now+{ceil(wait)}" if wait > 0 else "--begin=now"
