"""What a budget does: before the start, during the run and at the end."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from standins.job_views import CREATED, new_job

from lowtide.trainingjob.budget import AmountLimit, Budget, BudgetAction, FinishLimit
from lowtide.trainingjob.conditions import Conditions, ConditionType, Reason, find
from lowtide.trainingjob.prediction import PredictedAmount, PredictedMoment, PredictionStatus
from lowtide.trainingjob.schedule import Interruption, Policy, Schedule
from lowtide.trainingjob.spec import TrainingJobSpec
from lowtide.trainingjob.status import (
    Attempt,
    AttemptPod,
    CheckpointStatus,
    EnergyStatus,
    TrainingJobStatus,
    TrainingStatus,
)
from lowtide_operator.decision.actions import CreateJob, ResumeJob, SuspendJob
from lowtide_operator.decision.decide import decide
from lowtide_operator.decision.draft import Decision
from lowtide_operator.decision.observation import Observation
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.pods import PodView
from lowtide_operator.objects.views import ChildView, JobView
from lowtide_operator.settings import OperatorSettings
from lowtide_operator.status.events import notes_between

SETTINGS = OperatorSettings()
KEY = Key("default", "net")
HOUR = timedelta(hours=1)
CHILD = ChildView(
    name="net-1",
    uid="job-1",
    owner=KEY,
    owner_uid="uid-1",
    resource_version="7",
    created=CREATED,
    suspended=False,
    queued=False,
    active=1,
    ready=1,
    started=CREATED,
    ending=None,
    deleting=False,
)
POD = PodView(
    name="net-1-abcde",
    uid="pod-1",
    node="gpu-3",
    phase="Running",
    start=CREATED,
    end=None,
    trouble=None,
    trouble_message="",
    exit_code=None,
    end_reason=None,
    report=None,
)


def joules(low: float, expected: float, high: float) -> PredictionStatus:
    """Return the prediction of an energy."""
    amount = PredictedAmount(expected=f"{expected:.0f}", low=f"{low:.0f}", high=f"{high:.0f}")
    return PredictionStatus(method="Epochs", energy_joules=amount)


def job(budget: Budget, status: TrainingJobStatus | None = None) -> JobView:
    """Return a job that runs at once, saves checkpoints, and has this budget."""
    spec = TrainingJobSpec(
        template={},
        budget=budget,
        schedule=Schedule(
            policy=Policy.IMMEDIATE,
            interruption=Interruption(allowed=True),
            deadline=CREATED + 100 * HOUR,
        ),
    )
    return new_job(spec, key=KEY, status=status or TrainingJobStatus())


def energy_limit(action: BudgetAction, limit: str = "1000000") -> Budget:
    """Return a budget of one megajoule."""
    return Budget(energy_joules=AmountLimit(limit=limit, action=action))


RUNNING = TrainingJobStatus(
    observed_generation=1,
    attempts=(
        Attempt(
            number=1,
            name="net-1",
            start=CREATED,
            pods=(AttemptPod(name=POD.name, uid=POD.uid, start=CREATED),),
        ),
    ),
)


def running(budget: Budget, **known: Any) -> Decision:
    """Return the decision about a job that has run for an hour."""
    seen = Observation(
        now=CREATED + HOUR,
        job=job(budget, RUNNING),
        template_checked=True,
        **{"child": CHILD, "pods": (POD,), **known},
    )
    return decide(seen, SETTINGS)


def over_budget(decision: Decision) -> tuple[str, str] | None:
    """Return status and reason of the condition."""
    found = find(decision.status.conditions, ConditionType.OVER_BUDGET)
    return None if found is None else (found.status, found.reason)


@pytest.mark.parametrize("action", list(BudgetAction))
def test_an_interval_that_reaches_inside_the_budget_does_nothing(action: BudgetAction) -> None:
    """Two megajoules are expected of the one allowed, but 0.9 are still possible."""
    decision = running(energy_limit(action), prediction=joules(0.9e6, 2e6, 3e6))

    assert decision.actions == ()
    assert over_budget(decision) == ("False", "WithinBudget")


@pytest.mark.parametrize(
    ("action", "actions"),
    [
        (BudgetAction.WARN, ()),
        (BudgetAction.PAUSE, (SuspendJob("default", "net-1", "job-1"),)),
        (BudgetAction.STOP, (SuspendJob("default", "net-1", "job-1"),)),
    ],
)
def test_a_sure_excess_is_acted_on_while_the_job_runs(
    action: BudgetAction, actions: tuple[Any, ...]
) -> None:
    """The whole interval lies above the limit: a warning, or SIGTERM, which saves."""
    decision = running(energy_limit(action), prediction=joules(1.1e6, 2e6, 3e6))

    assert decision.actions == actions
    assert over_budget(decision) == ("True", "BudgetWillBeExceeded")
    notes = {note.reason: note for note in notes_between(RUNNING, decision.status)}
    # By hand: two megajoules are 556 Wh.
    assert notes["OverBudget"].text.startswith("energy of 556 Wh is predicted, at least 306 Wh")


def test_what_was_measured_counts_without_a_prediction() -> None:
    """1.2 MJ were used of the one allowed."""
    decision = running(energy_limit(BudgetAction.PAUSE), joules_so_far={POD.uid: 1.2e6})

    assert over_budget(decision) == ("True", "BudgetExceeded")
    assert decision.actions == (SuspendJob("default", "net-1", "job-1"),)


def test_a_paused_job_rests_until_its_budget_is_raised() -> None:
    """The same facts keep it paused; a larger limit resumes it."""
    suspended = replace(CHILD, suspended=True, active=0)
    known = {"child": suspended, "pods": (), "prediction": joules(1.1e6, 2e6, 3e6)}

    rests = running(energy_limit(BudgetAction.PAUSE), **known)
    goes_on = running(energy_limit(BudgetAction.PAUSE, "5000000"), **known)

    assert rests.actions == ()
    paused = find(rests.status.conditions, ConditionType.PAUSED)
    assert paused is not None
    assert (paused.status, paused.reason) == ("True", "BudgetExceeded")
    assert "until spec.budget allows more" in paused.message
    assert ResumeJob in {type(action) for action in goes_on.actions}


def test_a_stopped_job_ends_after_its_last_pod_has_saved() -> None:
    """While a pod still saves it is not over; then it has failed, with the budget as reason."""
    saving = replace(CHILD, suspended=True, active=1)
    gone = replace(CHILD, suspended=True, active=0)
    limits = energy_limit(BudgetAction.STOP)

    waits = running(limits, child=saving, prediction=joules(1.1e6, 2e6, 3e6))
    ends = running(limits, child=gone, pods=(), prediction=joules(1.1e6, 2e6, 3e6))

    unended = find(waits.status.conditions, ConditionType.FAILED)
    ended = find(ends.status.conditions, ConditionType.FAILED)
    assert unended is not None
    assert unended.status == "False"
    assert ended is not None
    assert (ended.status, ended.reason) == ("True", "BudgetExceeded")
    assert ends.status.attempts[-1].end is not None
    assert ends.look_again_seconds == 0


def test_a_job_whose_series_surely_needs_more_does_not_start() -> None:
    """Before the start there is nothing to save: Pause and Stop both keep it waiting."""
    for action, starts in (
        (BudgetAction.WARN, True),
        (BudgetAction.PAUSE, False),
        (BudgetAction.STOP, False),
    ):
        prediction = joules(1.1e6, 2e6, 3e6).model_copy(update={"method": "Series"})
        seen = Observation(
            now=CREATED,
            job=job(energy_limit(action)),
            template_checked=True,
            prediction=prediction,
        )

        decision = decide(seen, SETTINGS)

        assert any(isinstance(one, CreateJob) for one in decision.actions) is starts
        assert over_budget(decision) == ("True", "BudgetWillBeExceeded")
        if not starts:
            assert decision.status.display is not None
            assert decision.status.display.state == "BudgetExceeded"


def test_a_waiting_job_is_kept_by_its_budget_before_its_planned_time_too() -> None:
    """Its planned time is an hour away; what keeps it is told now, and no plan hides it."""
    view = job(Budget(finish=FinishLimit(limit=CREATED - HOUR, action=BudgetAction.PAUSE)))
    assert isinstance(view.spec, TrainingJobSpec)
    schedule = Schedule(
        policy=Policy.IMMEDIATE, start_no_earlier_than=CREATED + HOUR, deadline=CREATED + 9 * HOUR
    )
    later = replace(view, spec=view.spec.model_copy(update={"schedule": schedule}))

    decision = decide(Observation(now=CREATED, job=later, template_checked=True), SETTINGS)

    running = find(decision.status.conditions, ConditionType.RUNNING)
    assert running is not None
    assert (running.status, running.reason) == ("False", "BudgetExceeded")
    assert decision.actions == ()


@pytest.mark.parametrize("suspended", [True, False])
def test_a_waiting_job_whose_budget_was_removed_no_longer_speaks_of_it(suspended: bool) -> None:
    """Whatever keeps it: its own suspension too."""
    view = job(Budget())
    assert isinstance(view.spec, TrainingJobSpec)
    held = replace(view, spec=view.spec.model_copy(update={"suspend": suspended}))
    before = decide(Observation(now=CREATED, job=held, template_checked=True), SETTINGS)
    assert over_budget(before) == ("Unknown", "NotPredicted")
    assert isinstance(held.spec, TrainingJobSpec)
    spec = held.spec.model_copy(update={"budget": None})

    removed = decide(
        Observation(
            now=CREATED, job=replace(held, spec=spec, status=before.status), template_checked=True
        ),
        SETTINGS,
    )

    assert over_budget(removed) is None


def test_a_suspended_job_is_looked_at_when_its_budget_says_that_it_should_have_ended() -> None:
    """Nothing else happens to it then; a second later the condition can be told."""
    limit = CREATED + HOUR
    view = job(Budget(finish=FinishLimit(limit=limit)))
    assert isinstance(view.spec, TrainingJobSpec)
    held = replace(view, spec=view.spec.model_copy(update={"suspend": True}))

    decision = decide(Observation(now=CREATED, job=held, template_checked=True), SETTINGS)
    late = Observation(now=limit + timedelta(seconds=1), job=held, template_checked=True)

    assert decision.look_again_seconds == 3601
    assert over_budget(decide(late, SETTINGS)) == ("True", "BudgetExceeded")


def test_the_plan_of_a_job_that_its_budget_keeps_is_not_written_at_every_look() -> None:
    """It could start at every moment, so the plan that it would follow moves with the clock."""
    view = job(Budget(finish=FinishLimit(limit=CREATED - HOUR, action=BudgetAction.PAUSE)))
    first = decide(Observation(now=CREATED, job=view, template_checked=True), SETTINGS)
    later = Observation(
        now=CREATED + 0.5 * HOUR, job=replace(view, status=first.status), template_checked=True
    )

    second = decide(later, SETTINGS)

    assert first.status.plan is not None
    assert first.status.plan.start == CREATED
    assert second.status == first.status


def test_an_end_that_is_surely_too_late_is_told() -> None:
    """The earliest end lies after the limit; a later limit is kept."""
    finish = PredictedMoment(
        expected=CREATED + 6 * HOUR, earliest=CREATED + 5 * HOUR, latest=CREATED + 7 * HOUR
    )
    known = {"prediction": PredictionStatus(method="Epochs", finish=finish)}

    late = running(Budget(finish=FinishLimit(limit=CREATED + 4 * HOUR)), **known)
    kept = running(Budget(finish=FinishLimit(limit=CREATED + 5.5 * HOUR)), **known)
    past = running(Budget(finish=FinishLimit(limit=CREATED + 0.5 * HOUR)))

    assert over_budget(late) == ("True", "BudgetWillBeExceeded")
    assert over_budget(kept) == ("False", "WithinBudget")
    assert over_budget(past) == ("True", "BudgetExceeded")


def test_the_strictest_action_counts() -> None:
    """A warning about grams beside a pause for energy: it pauses, and both are told."""
    budget = Budget(
        energy_joules=AmountLimit(limit="1000000", action=BudgetAction.PAUSE),
        grams=AmountLimit(limit="10"),
    )
    grams = PredictedAmount(expected="200", low="150", high="250")
    prediction = joules(1.1e6, 2e6, 3e6).model_copy(update={"grams": grams})

    decision = running(budget, prediction=prediction)

    assert decision.actions == (SuspendJob("default", "net-1", "job-1"),)
    found = find(decision.status.conditions, ConditionType.OVER_BUDGET)
    assert found is not None
    assert "energy of" in found.message
    assert "emissions of 200 g" in found.message


@pytest.mark.parametrize(
    ("limit", "found"),
    [("900000", ("True", "BudgetExceeded")), ("2000000", ("False", "WithinBudget"))],
)
def test_a_budget_that_is_edited_after_the_end_is_judged_again(
    limit: str, found: tuple[str, str]
) -> None:
    """A megajoule was measured; the condition is about the budget that stands in the spec."""
    known = Conditions((), now=CREATED, generation=1)
    known.set(ConditionType.COMPLETE, "True", Reason.JOB_COMPLETE)
    known.set(ConditionType.MEASURED, "True", Reason.MEASURED)
    known.set(ConditionType.OVER_BUDGET, "Unknown", Reason.NOT_PREDICTED)
    ended = RUNNING.model_copy(
        update={
            "conditions": known.build(),
            "energy": EnergyStatus(total_joules=1_000_000, final=True),
            "attempts": (RUNNING.attempts[0].model_copy(update={"end": CREATED + HOUR}),),
        }
    )
    seen = Observation(
        now=CREATED + 2 * HOUR, job=job(energy_limit(BudgetAction.STOP, limit), ended)
    )

    assert over_budget(decide(seen, SETTINGS)) == found


def test_a_prediction_is_lifted_to_the_energy_that_was_used_since() -> None:
    """The training answers no more; 1.5 MJ are on the meters, and 0.9 to 1.2 were predicted."""
    before = RUNNING.model_copy(update={"prediction": joules(0.9e6, 1e6, 1.2e6)})
    seen = Observation(
        now=CREATED + HOUR,
        job=job(Budget(), before),
        template_checked=True,
        child=CHILD,
        pods=(POD,),
        joules_so_far={POD.uid: 1.5e6},
    )

    prediction = decide(seen, SETTINGS).status.prediction

    assert prediction is not None
    assert prediction.energy_joules == joules(1.5e6, 1.5e6, 1.5e6).energy_joules


def test_a_job_without_a_budget_has_no_such_condition() -> None:
    """And one whose budget was removed loses it."""
    plain = running(Budget()).status
    assert find(plain.conditions, ConditionType.OVER_BUDGET) is not None
    without = job(Budget(), plain)
    assert isinstance(without.spec, TrainingJobSpec)
    spec = without.spec.model_copy(update={"budget": None})
    seen = Observation(
        now=CREATED + HOUR,
        job=replace(without, spec=spec),
        template_checked=True,
        child=CHILD,
        pods=(POD,),
    )

    assert find(decide(seen, SETTINGS).status.conditions, ConditionType.OVER_BUDGET) is None


@pytest.mark.parametrize(
    ("seconds", "grace", "found"),
    [("21.5", 30.0, ("True", "GracePeriodShort")), ("21.5", 60.0, None), ("3", 30.0, None)],
)
def test_a_grace_period_that_becomes_too_short_is_told(
    seconds: str, grace: float, found: tuple[str, str] | None
) -> None:
    """By hand: 1.5 times 21.5 s and 5 more are 37.25 s, which 30 s do not hold."""
    training = TrainingStatus(checkpoint=CheckpointStatus(longest_seconds=seconds))
    pod = replace(POD, grace_seconds=grace)

    decision = running(Budget(), training=training, pods=(pod,))

    condition = find(decision.status.conditions, ConditionType.PAUSE_AT_RISK)
    assert (None if condition is None else (condition.status, condition.reason)) == found
    if condition is not None:
        assert "to 38 or more" in condition.message
        enough = replace(POD, grace_seconds=38.0)
        mended = running(Budget(), training=training, pods=(enough,)).status.conditions
        assert find(mended, ConditionType.PAUSE_AT_RISK) is None
