"""Condition OverBudget of a job, and the limit that asks for the most.

The rule itself is the library's, so that a run without a cluster follows the same one. The answer
follows from the spec and the status alone, so a job that was paused rests until its budget is
raised.
"""

from datetime import timedelta

from lowtide.trainingjob.budget import Budget
from lowtide.trainingjob.budget_limits import Exceeded, budget_verdict
from lowtide.trainingjob.conditions import ConditionType
from lowtide_operator.decision.draft import Draft


def judge_budget(budget: Budget | None, draft: Draft) -> Exceeded | None:
    """Draft the condition OverBudget; return the limit that asks for the most, if there is one.

    A job without a budget has no such condition.
    """
    if budget is None:
        draft.conditions.drop(ConditionType.OVER_BUDGET)
        return None
    said = budget_verdict(budget, draft.status, draft.now)
    if budget.finish is not None and draft.now <= budget.finish.limit:
        # Not before the moment has passed: at it, the next look would be at once, for ever.
        draft.look_at(budget.finish.limit + timedelta(seconds=1))
    draft.condition(ConditionType.OVER_BUDGET, said.status, said.reason, said.message)
    return said.over
