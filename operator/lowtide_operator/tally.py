"""Counts of what the operator did, for the metrics page and the health probe."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """Numbers since the start."""

    reconciles: Counter[str] = field(default_factory=Counter)
    """Looks at jobs, by outcome."""
    reconcile_seconds: float = 0.0
    """Time spent on them."""
    status_writes: Counter[str] = field(default_factory=Counter)
    """Status writes, by outcome."""
    jobs_created: int = 0
    """Batch Jobs created."""
    planning_passes: int = 0
    """Passes of the joint planner."""
    planning_seconds: float = 0.0
    """Time spent in them."""
    events_recorded: int = 0
    """Events recorded."""
    loop_lag_seconds: float = 0.0
    """How late the event loop last was."""
    longest_loop_lag_seconds: float = 0.0
    """How late it ever was."""
    settings_reload_failures: int = 0
    """Changed settings files that could not be used."""
