"""Decision about one TrainingJob: the heart of the operator, and a pure function.

Level-based: the answer follows from the spec, the status and the cluster as they are, never from
earlier events. A process killed at any point, a lost event or a repeated one therefore lead to
the same decision again.

The job is in one of four situations, each with its own module:

    not started   `waiting`    plan, and start when the window opens
    started       `running`    follow the Job, pause and resume it
    ended         `ended`      wait for the energy figures
    not runnable  here         say why in one sentence
"""

from typing import Final

from lowtide.trainingjob.conditions import Reason, has_end
from lowtide_operator.decision.draft import Decision, Draft
from lowtide_operator.decision.ended import decide_ended, decide_lost
from lowtide_operator.decision.observation import Observation
from lowtide_operator.decision.running import decide_running
from lowtide_operator.decision.waiting import decide_waiting, refuse
from lowtide_operator.decision.workload import decide_missing, say_target
from lowtide_operator.objects.views import Fault, JobView
from lowtide_operator.settings import OperatorSettings

MANAGED_BY: Final = "lowtide.dev/operator"
"""Value of spec.managedBy that means this operator; absent means the same."""


def decide(seen: Observation, settings: OperatorSettings) -> Decision:
    """Return what to do for one TrainingJob at `seen.now`, and when to look again.

    Pure: no clock, no network, no logging. The same arguments give the same decision.
    """
    job = seen.job
    if job.deleting or is_managed_elsewhere(job):
        return Decision((), job.status, None)
    draft = Draft(seen)
    if has_ended(seen):
        decide_ended(seen, draft, settings)
    elif seen.child is not None:
        decide_running(seen, draft, settings)
    elif seen.child_is_gone:
        decide_lost(seen, draft, settings)
    elif isinstance(job.spec, Fault):
        refuse(draft, Reason.INVALID_SPEC, job.spec.message)
    elif seen.missing:
        decide_missing(seen, draft, settings)
    else:
        decide_waiting(seen, job.spec, draft, settings)
    say_target(seen, draft)
    return draft.finish()


def has_ended(seen: Observation) -> bool:
    """Return whether the job has ended: its Job says so, or its status does if the Job is gone."""
    remembered = has_end(seen.job.status.conditions)
    return remembered or (seen.child is not None and seen.child.ending is not None)


def is_managed_elsewhere(job: JobView) -> bool:
    """Return whether spec.managedBy names another controller."""
    return not isinstance(job.spec, Fault) and job.spec.managed_by not in (None, MANAGED_BY)
