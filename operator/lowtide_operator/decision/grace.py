"""Grace period of a job's pods: whether a pause leaves time to save before SIGKILL."""

from math import ceil
from typing import Final

from lowtide.trainingjob.conditions import ConditionType, Reason
from lowtide.trainingjob.spec import TrainingJobSpec
from lowtide_operator.decision.draft import Draft
from lowtide_operator.decision.observation import Observation

SAFETY: Final = 1.5
"""A checkpoint may take this many times as long as the slowest one that was seen."""
SPARE_SECONDS: Final = 5.0
"""Time for the batch that is under way, and for the report."""


def say_grace(seen: Observation, spec: TrainingJobSpec, draft: Draft) -> None:
    """Draft the condition PauseAtRisk of a job that may be paused and has reported a checkpoint.

    It appears with the first risk, and stays to say that the risk is gone.
    """
    training, pods = draft.status.training, [pod for pod in seen.pods if pod.phase == "Running"]
    checkpoint = None if training is None else training.checkpoint
    longest = None if checkpoint is None else checkpoint.longest_seconds
    if longest is None or not pods or not spec.schedule.interruption.allowed:
        return
    grace = min(pod.grace_seconds for pod in pods)
    needed = SAFETY * float(longest) + SPARE_SECONDS
    if needed > grace:
        message = (
            f"saving a checkpoint took {float(longest):.1f} s and a pod has {grace:.0f} s between "
            f"SIGTERM and SIGKILL: set terminationGracePeriodSeconds in spec.template to "
            f"{ceil(needed)} or more"
        )
        draft.condition(ConditionType.PAUSE_AT_RISK, "True", Reason.GRACE_PERIOD_SHORT, message)
    elif any(one.type == ConditionType.PAUSE_AT_RISK for one in draft.before.conditions):
        draft.condition(ConditionType.PAUSE_AT_RISK, "False", Reason.GRACE_PERIOD_SUFFICES)
