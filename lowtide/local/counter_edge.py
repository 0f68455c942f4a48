"""Energy counter of a GPU at a moment between two of its steps. Pure.

A counter is refreshed some ten times a second, so what it says is up to 0.1 s old: two percent of a
run of five seconds. What was drawn between the step before a moment and the step after it is
divided at the moment by the power before it and the power after it, which the next steps show.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple


class Look(NamedTuple):
    """One look at a counter: monotonic seconds, and the millijoules that it showed."""

    at_seconds: float
    millijoules: int


def steps_in(looks: Sequence[Look]) -> int:
    """Return how often the counter stepped between the first look and the last."""
    return sum(1 for one, other in pairwise(looks) if other.millijoules != one.millijoules)


def counter_at(edge: float, looks: Sequence[Look], watts_before: float | None) -> int | None:
    """Return what a counter without steps would have shown at `edge`, in millijoules.

    `looks` begin at `edge` or just after it; `watts_before` is the power until then. None where the
    counter has not stepped twice or went back: then what it shows must do.
    """
    steps = [
        Look((one.at_seconds + other.at_seconds) / 2, other.millijoules)
        for one, other in pairwise(looks)
        if other.millijoules != one.millijoules
    ]
    if len(steps) < 2 or any(b.millijoules < a.millijoules for a, b in pairwise(looks)):
        return None
    first, last = steps[0], steps[-1]
    period = (last.at_seconds - first.at_seconds) / (len(steps) - 1)
    watts_after = (last.millijoules - first.millijoules) / (last.at_seconds - first.at_seconds)
    before = max(0.0, edge - (first.at_seconds - period))
    after = max(0.0, first.at_seconds - edge)
    weight_before = before * (watts_after if watts_before is None else 1000 * watts_before)
    weights = weight_before + after * watts_after
    drawn = first.millijoules - looks[0].millijoules
    return looks[0].millijoules + (round(drawn * weight_before / weights) if weights else 0)
