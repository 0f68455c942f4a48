"""Jobs that run in one piece: where the cheapest window lies, and whether to start now.

The cost of a window is piecewise linear in its start, so the earliest cheapest start is one of
few exact candidates; no grid of ticks is needed. All times are seconds after the horizon's begin.
"""

import numpy as np

from lowtide.planning.horizon import Array, Horizon

TIE = 1e-9
"""Relative difference below which two costs are equal; the earlier of equal plans wins."""


def candidate_starts(horizon: Horizon, length_seconds: float, latest_seconds: float) -> Array:
    """Return every start at which the window cost can have its minimum, ascending.

    These are the begin, the latest start, every slot boundary b and every b - length.
    """
    edges = horizon.edges
    starts = np.concatenate(([0.0, latest_seconds], edges, edges - length_seconds))
    return np.unique(starts[(starts >= 0.0) & (starts <= latest_seconds)])


def cheapest_start(horizon: Horizon, length_seconds: float, latest_seconds: float) -> float:
    """Return the earliest start of a cheapest window, in seconds after the horizon's begin."""
    starts = candidate_starts(horizon, length_seconds, latest_seconds)
    totals = horizon.window_totals(starts, length_seconds)
    best = totals.min()
    return float(starts[np.argmax(totals <= best + TIE * abs(best))])
