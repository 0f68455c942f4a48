"""Values that the searches for contiguous and for interruptible jobs have in common.

Times are seconds after the start of a horizon, costs in the unit of the objective times seconds.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from lowtide.planning.elastic import Elastic
from lowtide.planning.horizon import Array, Horizon, integral_between

Bools = npt.NDArray[np.bool_]

TIE: Final = 1e-9
"""Relative difference below which two costs are equal; the earlier of equal plans wins."""
INFEASIBLE: Final = 1e15
"""Cost of what cannot be done; far above any real plan, far below overflow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchTask:
    """A job as the searches see it."""

    work_seconds: float
    """Full-power time that is left."""
    end_seconds: float
    """End of the window."""
    resume_seconds: float = 0.0
    """Full-power time that every resume adds."""
    tail_seconds: float = 0.0
    """How long room is kept after a contiguous run, because it may take longer."""
    started: bool = False
    """As in `Request`."""
    running: bool = False
    """As in `Request`."""
    elastic: Elastic | None = None
    """As in `Request`."""
    replicas: int = 0
    """As in `Request`."""

    @property
    def resumes_at_begin(self) -> bool:
        """Return whether running from the start is a resume."""
        return self.started and not self.running

    @property
    def run_now_seconds(self) -> float:
        """Return the full-power time of a run from the start without a pause."""
        return self.work_seconds + (self.resume_seconds if self.resumes_at_begin else 0.0)


@dataclass(frozen=True, slots=True)
class Room:
    """Times without room, as a running integral of barred seconds over `edges`.

    `edges` are seconds after the horizon's start, rising; before the first and past the last
    nothing is barred.
    """

    edges: Array
    integral: Array

    def barred_seconds(self, starts: Array, lengths: Array | float) -> Array:
        """Return how many seconds of each window are barred."""
        return integral_between(self.edges, self.integral, starts, lengths)


@dataclass(frozen=True, eq=False)
class SearchSpace:
    """The steps a search works on, and the room there is (`None`: no limit).

    Not slotted, compared by identity: the mask of barred steps is cached.
    """

    horizon: Horizon
    room: Room | None = None

    @cached_property
    def barred(self) -> Bools | None:
        """Return which steps are barred, wholly or in part; `None` where none are."""
        if self.room is None:
            return None
        edges = self.horizon.edges
        barred: Bools = self.room.barred_seconds(edges[:-1], np.diff(edges)) > 1e-6
        return barred if barred.any() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Result of a search: whether to run at the start, and the stretches it intends.

    `planned` and `at_once` are the costs of the stretches and of an uninterrupted run from the
    begin; `at_once` is `None` where that run would be barred or leaves the horizon. `expected` is
    the cost that the decision expects: less than planned, because the plan can still be changed.
    Without stretches nothing feasible was found. `sizes` holds the replicas of each stretch of a
    job that may change its size.
    """

    run: bool
    stretches: tuple[tuple[float, float], ...]
    planned: float
    at_once: float | None
    expected: float
    sizes: tuple[int, ...] = ()


def stretch_total(horizon: Horizon, stretches: tuple[tuple[float, float], ...]) -> float:
    """Return the cost of running in all stretches."""
    if not stretches:
        return 0.0
    bounds = np.array(stretches)
    return float(horizon.total(bounds[:, 0], bounds[:, 1] - bounds[:, 0]).sum())
