"""Reasons that keep a started job from going on, whatever its plan says.

Its budget does, and pods that stop by themselves again and again.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from lowtide import names
from lowtide.trainingjob.budget import BudgetAction
from lowtide.trainingjob.conditions import Reason
from lowtide.trainingjob.spec import TrainingJobSpec
from lowtide_operator.decision.draft import Draft
from lowtide_operator.decision.limits import judge_budget
from lowtide_operator.decision.observation import Observation
from lowtide_operator.decision.pausing import Wish
from lowtide_operator.objects.job_manifest import EXIT_CODE_TERMINATED
from lowtide_operator.objects.pods import PodView

MOST_RESTARTS: Final = 6
"""Times in one attempt that pods may stop as if told to, with no pause in sight; each costs."""
STOPPED: Final = frozenset({names.EXIT_CODE_PAUSED, EXIT_CODE_TERMINATED})
"""Exit codes of pods that were told to stop; the Job controller does not count them as failures."""


def kept_back(seen: Observation, spec: TrainingJobSpec, draft: Draft) -> tuple[Wish | None, bool]:
    """Return the wish to rest of a job that may not go on, and whether it is to end.

    `None` where nothing keeps it. The budget is judged in any case, and says so.
    """
    by_budget, stops = _by_budget(seen, spec, draft)
    return by_budget or _by_restarts(seen, draft), stops


def _by_budget(seen: Observation, spec: TrainingJobSpec, draft: Draft) -> tuple[Wish | None, bool]:
    """Return the wish of a job that its budget keeps, and whether it is to end.

    A Job that Kueue holds and a workload that somebody else wrote are warned about only.
    """
    over = judge_budget(spec.budget, draft)
    is_foreign = seen.workload is not None or (seen.child is not None and seen.child.queued)
    if over is None or over.action is BudgetAction.WARN or is_foreign:
        return None, False
    stops = over.action is BudgetAction.STOP
    then = "the job ends" if stops else "the job rests until spec.budget allows more"
    return Wish(False, Reason.BUDGET_EXCEEDED, f"{over.sentence}: {then}"), stops


def _by_restarts(seen: Observation, draft: Draft) -> Wish | None:
    """Return the wish of a job that keeps stopping by itself.

    Its exit codes are excused for pauses and drained nodes, so the Job controller restarts it
    without a limit.
    """
    mine = {pod.uid for pod in draft.attempts[-1].pods} if draft.attempts else set()
    stopped = [
        pod
        for pod in seen.pods
        if pod.uid in mine and pod.phase == "Failed" and pod.exit_code in STOPPED
    ]
    stops = _stops(stopped)
    if stops <= MOST_RESTARTS:
        return None
    message = (
        f"its pods ended {stops} times with exit code {stopped[-1].exit_code}, which means that "
        "they were told to stop, and they were not: the Job is suspended; mend the training and "
        "create a new TrainingJob, or delete these pods to go on"
    )
    return Wish(False, Reason.RESTARTS_EXHAUSTED, message)


def _stops(pods: Sequence[PodView]) -> int:
    """Return how many times pods stopped; those that ran side by side stopped together.

    One drained node stops every pod of a training on several.
    """
    spans = sorted((pod.end, pod.start or pod.end) for pod in pods if pod.end is not None)
    stops = len(pods) - len(spans)
    stopped_at: datetime | None = None
    for end, start in spans:
        if stopped_at is None or start >= stopped_at:
            stops, stopped_at = stops + 1, end
    return stops
