"""Risk that a job misses its deadline, as the condition DeadlineAtRisk."""

from lowtide.trainingjob.conditions import ConditionType, Reason
from lowtide.trainingjob.times import clock_text
from lowtide.trainingjob.window import Window
from lowtide.units import format_duration
from lowtide_operator.decision.draft import Draft


def set_risk(draft: Draft, at_risk: bool, window: Window) -> None:
    """Draft the condition DeadlineAtRisk of a job that has not ended."""
    if draft.now > window.deadline:
        draft.condition(
            ConditionType.DEADLINE_AT_RISK,
            "True",
            Reason.DEADLINE_MISSED,
            f"the deadline {clock_text(window.deadline)} has passed",
        )
    elif at_risk:
        draft.condition(
            ConditionType.DEADLINE_AT_RISK,
            "True",
            Reason.TOO_LATE_TO_BE_SURE,
            f"a run takes up to {format_duration(window.high_seconds)} and may end after the "
            f"deadline {clock_text(window.deadline)}",
        )
    else:
        draft.condition(ConditionType.DEADLINE_AT_RISK, "False", Reason.IN_TIME)
