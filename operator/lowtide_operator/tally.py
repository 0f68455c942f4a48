"""Counts of what the operator did, read by the metrics page and the health probe."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """Numbers since the start; the counters go by outcome.

    `loop_lag_seconds` is how late the event loop last was.
    """

    reconciles: Counter[str] = field(default_factory=Counter)
    reconcile_seconds: float = 0.0
    status_writes: Counter[str] = field(default_factory=Counter)
    jobs_created: int = 0
    planning_passes: int = 0
    planning_seconds: float = 0.0
    events_recorded: int = 0
    loop_lag_seconds: float = 0.0
    longest_loop_lag_seconds: float = 0.0
    settings_reload_failures: int = 0
