"""Counts of what the operator did, for the metrics page and the health probe."""

from collections import Counter
from dataclasses import dataclass, field

from lowtide_operator.objects.key import Key


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
    events_dropped: int = 0
    """Events that could not be recorded."""
    events_left_out: int = 0
    """Events about plans that a flood of them left out."""
    jobs_faulty: set[Key] = field(default_factory=set)
    """Jobs that this operator cannot handle at the moment."""
    namespaces_refused: dict[str, str] = field(default_factory=dict)
    """Namespaces that cannot be listed, and why."""
    loop_lag_seconds: float = 0.0
    """How late the event loop last was."""
    longest_loop_lag_seconds: float = 0.0
    """How late it ever was."""
    settings_reload_failures: int = 0
    """Changed settings files that could not be used."""
