"""What the searches for contiguous and for interruptible jobs have in common.

Times are seconds after the begin of a horizon, costs g/kWh times seconds of full power.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from lowtide.planning.horizon import Array, Horizon, integral_between

Bools = npt.NDArray[np.bool_]

TIE: Final = 1e-9
"""Relative difference below which two costs are equal; the earlier of equal plans wins."""
INFEASIBLE: Final = 1e15
"""Cost of what cannot be done; far above any real plan, far below overflow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A job as the searches see it.

    `work_seconds` of full power are left; the window ends at `end_seconds`. Every resume adds
    `resume_seconds` of full power. After a contiguous run room is kept for `tail_seconds`, because
    it may take longer. `started` and `running` as in `Request`.
    """

    work_seconds: float
    end_seconds: float
    resume_seconds: float = 0.0
    tail_seconds: float = 0.0
    started: bool = False
    running: bool = False

    @property
    def resumes_at_begin(self) -> bool:
        """Return whether running from the begin is a resume."""
        return self.started and not self.running

    @property
    def run_now_seconds(self) -> float:
        """Return the full-power time of a run from the begin without a pause."""
        return self.work_seconds + (self.resume_seconds if self.resumes_at_begin else 0.0)


@dataclass(frozen=True, slots=True)
class Room:
    """Where there is no room: a running integral of barred seconds over `edges`.

    `edges` are seconds after the horizon's begin, rising; before the first and past the last
    nothing is barred.
    """

    edges: Array
    integral: Array

    def barred_seconds(self, starts: Array, lengths: Array | float) -> Array:
        """Return how many seconds of each window are barred."""
        return integral_between(self.edges, self.integral, starts, lengths)


@dataclass(frozen=True, eq=False)
class Scene:
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
    """What a search found: whether to run at the begin, and the stretches it intends.

    `planned` and `at_once` are the costs of the stretches and of an uninterrupted run from the
    begin; `at_once` is `None` where that run would be barred or leaves the horizon. `expected` is
    what the decision expects to pay: less than planned, because the plan can still be changed. No
    stretches: nothing feasible was found.
    """

    run: bool
    stretches: tuple[tuple[float, float], ...]
    planned: float
    at_once: float | None
    expected: float


def stretch_total(horizon: Horizon, stretches: tuple[tuple[float, float], ...]) -> float:
    """Return the cost of running in all stretches."""
    if not stretches:
        return 0.0
    bounds = np.array(stretches)
    return float(horizon.total(bounds[:, 0], bounds[:, 1] - bounds[:, 0]).sum())
