"""A fault in one job is said by that job, and never makes it start late."""

from dataclasses import replace
from datetime import timedelta
from math import inf
from typing import Any

import pytest
from standins.job_views import CREATED, new_job

from lowtide.trainingjob.conditions import ConditionType, find
from lowtide.trainingjob.models import parse_spec
from lowtide.trainingjob.status import Attempt, Condition, PlanStatus, TrainingJobStatus
from lowtide_operator.decision.actions import CreateJob, ResumeJob
from lowtide_operator.decision.in_spite import decide_in_spite, patience_seconds
from lowtide_operator.decision.observation import Observation
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.views import ChildView, Fault, JobView
from lowtide_operator.settings import OperatorSettings

HOUR = timedelta(hours=1)
SETTINGS = OperatorSettings.model_validate(
    {"schedule": {"startLatencySeconds": 0, "marginSeconds": 0}}
)
FAULT = RecursionError("too deep")


def job(**spec: Any) -> JobView:
    """Return a job of an hour that may wait for four."""
    schedule = {"expectedDurationSeconds": 3600, "maxDelaySeconds": 4 * 3600}
    return new_job(parse_spec({"template": {}, "schedule": schedule, **spec}))


def test_the_fault_is_a_condition_and_the_job_waits_until_its_latest_start() -> None:
    """It is looked at again within five minutes, and at the latest start exactly."""
    decision = decide_in_spite(Observation(now=CREATED, job=job()), FAULT, SETTINGS)
    running = find(decision.status.conditions, ConditionType.RUNNING)
    assert running is not None
    assert (running.status, running.reason) == ("Unknown", "HandlingFailed")
    assert running.message == (
        "the operator failed at this job (RecursionError: too deep); it tries again"
    )
    assert decision.status.display is not None
    assert decision.status.display.state == "HandlingFailed"
    assert (decision.actions, decision.look_again_seconds) == ((), 300)
    near = CREATED + 4 * HOUR - timedelta(seconds=7)
    assert decide_in_spite(Observation(now=near, job=job()), FAULT, SETTINGS).actions == ()


@pytest.mark.parametrize(
    ("view", "known", "starts"),
    [
        pytest.param(job(), {}, True, id="due"),
        pytest.param(job(suspend=True), {}, False, id="suspended"),
        pytest.param(job(), {"child_is_gone": True}, False, id="deleted by a user"),
        pytest.param(
            replace(job(), status=TrainingJobStatus(attempts=(Attempt(number=1, name="net-1"),))),
            {},
            False,
            id="started before",
        ),
    ],
)
def test_the_deadline_guard_holds_whatever_fails(
    view: JobView, known: dict[str, Any], starts: bool
) -> None:
    """At the latest start the Job is created, unless it was or must not be."""
    seen = Observation(now=CREATED + 4 * HOUR, job=view, **known)
    decision = decide_in_spite(seen, FAULT, SETTINGS)
    wanted = (CreateJob(Key("ml", "net"), "uid-1", 1, attempt=1),) if starts else ()
    assert decision.actions == wanted


def test_a_look_that_failed_is_repeated_when_the_job_is_due() -> None:
    """In an hour the plan begins; then every 30 s; a job that runs or rests by will can wait.

    A start that is recorded and not yet released is due, and so is what must start before its plan.
    """
    in_an_hour = TrainingJobStatus(observed_generation=1, plan=PlanStatus(start=CREATED + HOUR))
    planned = replace(job(), status=in_an_hour)
    assert patience_seconds(planned, CREATED) == 3600
    assert patience_seconds(planned, CREATED + 2 * HOUR) == 30
    assert patience_seconds(job(), CREATED) == 30
    assert patience_seconds(job(suspend=True), CREATED) == inf
    held = TrainingJobStatus(attempts=(Attempt(number=1, name="net-1"),))
    assert patience_seconds(replace(planned, status=held), CREATED + 2 * HOUR) == 30
    begun = TrainingJobStatus(attempts=(Attempt(number=1, name="net-1", start=CREATED),))
    assert patience_seconds(replace(planned, status=begun), CREATED + 2 * HOUR) == 30
    runs = begun.model_copy(
        update={
            "conditions": (
                Condition(
                    type=ConditionType.RUNNING,
                    status="True",
                    reason="Running",
                    last_transition_time=CREATED,
                ),
            )
        }
    )
    assert patience_seconds(replace(planned, status=runs), CREATED + 2 * HOUR) == inf
    early = PlanStatus(start=CREATED + HOUR, latest_start=CREATED + HOUR / 2)
    asked = replace(planned, status=TrainingJobStatus(observed_generation=1, plan=early))
    assert patience_seconds(asked, CREATED) == 1800


def test_a_plan_of_an_earlier_spec_does_not_say_when_a_job_is_due() -> None:
    """The user has changed the spec, or asks for the start now; the status cannot be written."""
    in_an_hour = TrainingJobStatus(observed_generation=1, plan=PlanStatus(start=CREATED + HOUR))
    edited = replace(job(), status=in_an_hour, generation=2)
    assert patience_seconds(edited, CREATED) == 30
    assert patience_seconds(replace(edited, generation=1, run_now=True), CREATED) == 30


@pytest.mark.parametrize(
    ("view", "starts"),
    [
        pytest.param(job(), True, id="held"),
        pytest.param(replace(job(), spec=Fault("unreadable")), True, id="spec unreadable by now"),
        pytest.param(job(suspend=True), False, id="suspended by its user"),
    ],
)
def test_a_job_that_was_created_is_released_whatever_fails(view: JobView, starts: bool) -> None:
    """Its start is recorded by one look, and the next one lets it go."""
    child = ChildView(
        name="net-1",
        uid="job-1",
        owner=view.key,
        owner_uid=view.uid,
        resource_version="7",
        created=CREATED,
        suspended=True,
        queued=False,
        active=0,
        ready=0,
        started=None,
        ending=None,
        deleting=False,
    )
    record = decide_in_spite(Observation(now=CREATED, job=view, child=child), FAULT, SETTINGS)
    assert record.actions == ()
    assert [one.name for one in record.status.attempts] == (["net-1"] if starts else [])
    recorded = replace(view, status=TrainingJobStatus(attempts=(Attempt(number=1, name="net-1"),)))
    release = decide_in_spite(Observation(now=CREATED, job=recorded, child=child), FAULT, SETTINGS)
    assert release.actions == ((ResumeJob("ml", "net-1", "job-1"),) if starts else ())
