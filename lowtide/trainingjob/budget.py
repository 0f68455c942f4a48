"""Budget in the spec of a TrainingJob: limits, and what happens when one is exceeded.

A prediction counts only if its whole 90 % interval lies above the limit; what was measured counts
as it is.
"""

from enum import StrEnum

from pydantic import Field

from lowtide.trainingjob.base import ApiModel, PositiveDecimal, Timestamp


class BudgetAction(StrEnum):
    """What happens when a limit is exceeded, or surely will be."""

    WARN = "Warn"
    """A condition and an Event say so; the job goes on."""
    PAUSE = "Pause"
    """The job saves a checkpoint and rests, or does not start, until its budget allows it."""
    STOP = "Stop"
    """The job saves a checkpoint and ends; one that has not started does not start."""


_ACTION = (
    "action is Warn, Pause (rest until the budget is raised) or Stop (save a checkpoint and end)."
)


class AmountLimit(ApiModel):
    """Limit of an amount."""

    limit: PositiveDecimal = Field(description="limit is the most that the whole run may take.")
    action: BudgetAction = Field(default=BudgetAction.WARN, description=_ACTION)


class FinishLimit(ApiModel):
    """Limit of the end of the run."""

    limit: Timestamp = Field(description="limit is when the run should have ended.")
    action: BudgetAction = Field(default=BudgetAction.WARN, description=_ACTION)


class Budget(ApiModel):
    """budget limits what the whole run may take, all attempts together."""

    energy_joules: AmountLimit | None = Field(
        default=None, description="energyJoules limits the energy."
    )
    grams: AmountLimit | None = Field(
        default=None,
        description="grams limits emissions: operational, and embodied where that is known.",
    )
    money: AmountLimit | None = Field(
        default=None,
        description=(
            "money limits the price of the reserved hardware, or of the energy where no price per "
            "hour is known, in the currency of the price."
        ),
    )
    finish: FinishLimit | None = Field(default=None, description="finish limits the end.")
