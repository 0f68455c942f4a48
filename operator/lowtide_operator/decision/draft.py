"""Draft of a job's next status, and the decision that it becomes.

A draft starts from the stored status and is changed section by section; `finish` turns it into a
`Decision`. Times are cut to whole seconds, as they are stored, so that a status built again from
the same facts equals the stored one and is not written.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lowtide.trainingjob.conditions import Conditions, ConditionType, Truth
from lowtide.trainingjob.display import display_of
from lowtide.trainingjob.status import Attempt, PlanStatus, TrainingJobStatus
from lowtide.trainingjob.times import whole_seconds
from lowtide_operator.decision.actions import Action
from lowtide_operator.decision.observation import Observation


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now, the status to write afterwards, and when to look again at the latest.

    `look_again_seconds` is `None` where only a change can lead to another decision.
    """

    actions: tuple[Action, ...]
    status: TrainingJobStatus
    look_again_seconds: float | None


class Draft:
    """Status under construction."""

    def __init__(self, seen: Observation) -> None:
        self.now = seen.now
        self.generation = seen.job.generation
        self.before = seen.job.status
        self.conditions = Conditions(
            self.before.conditions, now=whole_seconds(seen.now), generation=seen.job.generation
        )
        self._sections: dict[str, Any] = {}
        self._actions: list[Action] = []
        self._looks: list[datetime] = []

    def condition(self, kind: ConditionType, status: Truth, reason: str, message: str = "") -> None:
        """Give a condition its new value."""
        self.conditions.set(kind, status, reason, message)

    def section(self, **values: Any) -> None:
        """Replace sections of the status."""
        self._sections.update(values)

    def act(self, action: Action) -> None:
        """Ask for an action."""
        self._actions.append(action)

    def look_at(self, moment: datetime) -> None:
        """Look again at `moment` or before."""
        self._looks.append(moment)

    def look_in(self, seconds: float) -> None:
        """Look again in `seconds` or before."""
        self._looks.append(self.now + timedelta(seconds=seconds))

    @property
    def status(self) -> TrainingJobStatus:
        """The status as drafted so far; conditions and columns are still those before."""
        return self.before.model_copy(update=self._sections)

    @property
    def plan(self) -> PlanStatus | None:
        """The plan as drafted so far."""
        plan: PlanStatus | None = self._sections.get("plan", self.before.plan)
        return plan

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts as drafted so far."""
        attempts: tuple[Attempt, ...] = self._sections.get("attempts", self.before.attempts)
        return attempts

    def finish(self) -> Decision:
        """Return the decision."""
        status = self.before.model_copy(
            update={
                **self._sections,
                "conditions": self.conditions.build(),
                "observed_generation": self.generation,
            }
        )
        status = status.model_copy(update={"display": display_of(status)})
        look = None
        if self._looks:
            look = max(0.0, (min(self._looks) - self.now).total_seconds())
        return Decision(tuple(self._actions), status, look)
