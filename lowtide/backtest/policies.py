"""Schedules of every policy over one class of jobs on one trace.

A policy sees costs per kilowatt-hour under an objective; what they are made of is not its concern.
"""

from dataclasses import dataclass, field
from typing import Final

from lowtide.backtest import rivals, rolling
from lowtide.backtest.pricing import PriceViews, price_views, weighed
from lowtide.backtest.rolling import Bools
from lowtide.backtest.trace import BacktestTrace, Case, Ints, Views
from lowtide.grid.analysis import Array
from lowtide.planning.objective import CARBON, Objective, ObjectiveKind

RUN_NOW: Final = "run-now"
BEST_WINDOW: Final = "best-window"
THRESHOLD: Final = "threshold"
CARBON_ONLY: Final = "carbon-only"
PRICE_ONLY: Final = "price-only"
LOWTIDE: Final = "lowtide"
CLAIRVOYANT: Final = "clairvoyant"
ELASTIC: Final = "elastic"
ELASTIC_CLAIRVOYANT: Final = "elastic-clairvoyant"

COST: Final = Objective(ObjectiveKind.COST)


@dataclass(frozen=True, kw_only=True)
class PolicyReplay:
    """One class of jobs on one trace."""

    trace: BacktestTrace
    case: Case
    objective: Objective
    submissions: Ints
    length: int
    """Slots of work of each job."""
    slack: int
    """Slots of the longest useful wait."""
    interruptible: bool
    resume: float
    """Slots of energy that a resume costs."""
    intensity: Views
    """Fused forecasts of the intensity."""
    week: bool
    """Whether the jobs see the course of the week."""
    _prices: list[PriceViews] = field(default_factory=list)

    def schedules(self) -> dict[str, Bools]:
        """Return each policy's schedules, as (jobs, slots of the window)."""
        actual = self.actual(self.objective)
        jobs = self.submissions, self.length, self.slack
        planned = {name: self.planned(objective) for name, objective in self._planners().items()}
        return {
            RUN_NOW: rivals.run_now(*jobs),
            BEST_WINDOW: rivals.best_window(
                self.trace, self.case, *jobs, self.objective, self._prices_at_submission()
            ),
            THRESHOLD: rivals.threshold(
                actual, self.trace.slots_per_hour, *jobs, interruptible=self.interruptible
            ),
            **planned,
            CLAIRVOYANT: self.optimum(actual),
        }

    def _planners(self) -> dict[str, Objective]:
        """Return the objectives that the planner is replayed with; ours comes last."""
        found = {LOWTIDE: self.objective}
        if self.trace.price_per_kwh is not None:
            found = {CARBON_ONLY: CARBON, PRICE_ONLY: COST, LOWTIDE: self.objective}
        return found

    def actual(self, objective: Objective) -> Array:
        """Return what a kilowatt-hour really counted in every slot of the trace."""
        return objective.costs(self.trace.actual, self.trace.price_per_kwh)

    def prices(self) -> PriceViews | None:
        """Return the price forecasts, `None` where the trace has no prices."""
        if self.trace.price_per_kwh is None:
            return None
        if not self._prices:
            known = self.trace.price_per_kwh
            self._prices.append(price_views(self.trace, known, self.intensity, week=self.week))
        return self._prices[0]

    def _prices_at_submission(self) -> Array | None:
        """Return the price forecasts that jobs are submitted with, as (jobs, slots)."""
        prices = self.prices()
        return None if prices is None else prices.expected[self.submissions - prices.first]

    def views(self, objective: Objective) -> Views:
        """Return the forecasts of what a kilowatt-hour counts under an objective."""
        if not objective.needs_prices:
            return self.intensity
        return weighed(objective, self.intensity, self.prices())

    def planned(self, objective: Objective) -> Bools:
        """Return the schedules of the planner under an objective."""
        views = self.views(objective)
        jobs = self.submissions, self.length, self.slack, 1 / self.trace.slots_per_hour
        if self.interruptible:
            return rolling.interruptible(views, *jobs, resume_slots=self.resume)
        return rolling.contiguous(views, *jobs)

    def optimum(self, actual: Array) -> Bools:
        """Return the schedules of jobs that know the actual costs."""
        jobs = self.submissions, self.length, self.slack
        if self.interruptible:
            return rolling.optimum(actual, *jobs, resume_slots=self.resume)
        return rivals.cheapest_windows(actual, *jobs)
