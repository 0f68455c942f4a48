"""Decisions about one job: time, forecast and cluster are arguments, so nothing waits here."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standins.forecasts import exact_forecast
from standins.job_views import CREATED, KEY, new_job

from lowtide.accounts.figures import Measurement
from lowtide.grid.series import Signal
from lowtide.planning import Plan, Request, plan
from lowtide.trainingjob.conditions import OPTIONAL, ConditionType, Reason, find
from lowtide.trainingjob.models import parse_spec
from lowtide.trainingjob.status import EnergyStatus, TrainingJobStatus
from lowtide_operator.decision import intent
from lowtide_operator.decision.actions import CreateJob, DeleteTrainingJob, ResumeJob, SuspendJob
from lowtide_operator.decision.decide import decide
from lowtide_operator.decision.draft import Decision
from lowtide_operator.decision.due import needs_measuring
from lowtide_operator.decision.observation import ForecastView, Observation, Prepared, StartRefusal
from lowtide_operator.decision.questions import question_of
from lowtide_operator.objects.pods import PodView
from lowtide_operator.objects.views import ChildView, Ending, Fault, JobOutcome, JobView
from lowtide_operator.settings import OperatorSettings
from lowtide_operator.status.events import notes_between

HOUR = timedelta(hours=1)
SETTINGS = OperatorSettings.model_validate(
    {"schedule": {"startLatencySeconds": 60, "marginSeconds": 60}}
)


def forecast_of(values: list[float], start: datetime = CREATED) -> ForecastView:
    """Return a known forecast with one value per hour."""
    forecast = exact_forecast(values, start, provider="test", generated_at=start)
    return ForecastView(
        forecast=forecast,
        zone="DE",
        signal=Signal.AVERAGE,
        status="True",
        reason=Reason.FORECAST_IN_USE,
    )


DIRTY_THEN_CLEAN = forecast_of([400.0] * 4 + [100.0] * 40)


def job(**spec: Any) -> JobView:
    """Return a new job; keywords are fields of its spec."""
    return new_job(parse_spec({"template": {}, **spec}))


def waits_for_clean(**schedule: Any) -> JobView:
    """Return a job of two hours that may wait for ten."""
    return job(
        schedule={"expectedDurationSeconds": 7200, "maxDelaySeconds": 36000, **schedule},
    )


def seen(view: JobView, *, now: datetime = CREATED, **known: Any) -> Observation:
    """Return what is known about a job whose template was accepted."""
    return Observation(
        now=now, job=view, template_checked=True, **{"forecast": DIRTY_THEN_CLEAN, **known}
    )


def after(view: JobView, decision: Decision) -> JobView:
    """Return the job as the next look finds it: with the status that was decided."""
    stored = TrainingJobStatus.model_validate(decision.status.to_api())
    return replace(view, status=stored)


def condition(decision: Decision, kind: ConditionType) -> tuple[str, str]:
    """Return status and reason of a condition."""
    found = find(decision.status.conditions, kind)
    assert found is not None
    return found.status, found.reason


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


def test_every_condition_is_there_from_the_first_look_on() -> None:
    """No reader has to guess what a missing condition means, but for two that concern few jobs."""
    decision = decide(seen(waits_for_clean()), SETTINGS)
    everyone = [kind for kind in ConditionType if kind not in OPTIONAL]
    assert [c.type for c in decision.status.conditions] == everyone
    assert {c.observed_generation for c in decision.status.conditions} == {1}


def test_a_job_waits_for_the_clean_hours_and_wakes_when_they_begin() -> None:
    """400 g/kWh for four hours, then 100: it starts at two o'clock, not before."""
    view = waits_for_clean()
    first = decide(seen(view), SETTINGS)
    assert first.actions == ()
    assert first.status.plan is not None
    assert first.status.plan.start == CREATED + 4 * HOUR
    assert first.status.plan.expected_saving_percent == "75.0"
    assert first.look_again_seconds is not None
    assert 0 < first.look_again_seconds <= SETTINGS.schedule.look_again_seconds
    then = decide(seen(after(view, first), now=CREATED + 4 * HOUR), SETTINGS)
    assert then.actions == (CreateJob(KEY, "uid-1", 1, attempt=1),)
    assert condition(then, ConditionType.PLANNED) == ("True", "CleanestWindow")


def test_the_same_facts_give_the_same_status() -> None:
    """Nothing is written where nothing changed, however often one looks."""
    view = waits_for_clean()
    first = decide(seen(view), SETTINGS)
    again = decide(seen(after(view, first), now=CREATED + timedelta(minutes=7)), SETTINGS)
    assert again.status.to_api() == first.status.to_api()


def test_a_newer_forecast_that_means_the_same_changes_nothing_in_the_status() -> None:
    """An hour later, other values by a gram, a new time of issue: the sentence stays as it is."""
    view = waits_for_clean()
    first = decide(seen(view), SETTINGS)
    newer = forecast_of([401.0] * 3 + [101.0] * 40, CREATED + HOUR)
    now = CREATED + HOUR + timedelta(minutes=2)
    again = decide(seen(after(view, first), now=now, forecast=newer), SETTINGS)
    assert again.status.to_api() == first.status.to_api()
    assert notes_between(first.status, again.status) == ()


def test_status_event_and_the_command_say_the_same_sentence() -> None:
    """One sentence per plan, with times of the clock: it does not age while it stands there."""
    view = waits_for_clean()
    decision = decide(seen(view), SETTINGS)
    request = question_of(seen(view), SETTINGS)
    assert request is not None
    sentence = plan(CREATED, request, DIRTY_THEN_CLEAN.forecast).explanation
    planned = find(decision.status.conditions, ConditionType.PLANNED)
    (note,) = notes_between(view.status, decision.status)
    assert decision.status.plan is not None
    assert planned is not None
    assert {decision.status.plan.explanation, planned.message, note.text} == {sentence}
    assert "2026-11-30 14:00" in sentence


def test_a_plan_made_with_others_counts_only_for_the_same_question() -> None:
    """The deadline was edited since: the job is planned by itself, and not by the old answer."""
    view = waits_for_clean()
    request = question_of(seen(view), SETTINGS)
    assert request is not None
    prepared = Prepared(request, plan(CREATED, request, forecast_of([100.0] * 48).forecast))
    assert prepared.plan.run is True
    same = decide(seen(view, prepared=prepared), SETTINGS)
    assert len(same.actions) == 1
    other = waits_for_clean(minimumSavingPercent=5)
    assert decide(seen(other, prepared=prepared), SETTINGS).actions == ()


def test_a_forecast_that_never_comes_keeps_no_job_past_its_patience() -> None:
    """It waits for the first fetch for a bounded time and then runs by policy."""
    until = CREATED + timedelta(seconds=60)
    pending = ForecastView(zone="DE", signal=Signal.AVERAGE, pending_until=until)
    view = waits_for_clean()
    first = decide(seen(view, forecast=pending), SETTINGS)
    assert first.actions == ()
    assert first.look_again_seconds == 60
    late = decide(seen(after(view, first), now=until, forecast=pending), SETTINGS)
    assert condition(late, ConditionType.PLANNED) == ("True", "NoForecast")
    assert len(late.actions) == 1


def test_a_remembered_plan_holds_while_there_is_no_forecast() -> None:
    """A restarted operator whose grid service is down goes on with the plan of the one before."""
    view = waits_for_clean()
    view = after(view, decide(seen(view), SETTINGS))
    nothing = ForecastView(zone="DE", status="False", reason="Unavailable")
    early = decide(seen(view, now=CREATED + HOUR, forecast=nothing), SETTINGS)
    assert early.actions == ()
    assert early.status.plan == view.status.plan
    on_time = decide(seen(view, now=CREATED + 4 * HOUR, forecast=nothing), SETTINGS)
    assert len(on_time.actions) == 1


@given(st.integers(0, 20 * 60), st.lists(st.floats(0, 900), min_size=24, max_size=48))
def test_no_forecast_whatever_keeps_a_job_past_its_latest_start(
    minutes: int, values: list[float]
) -> None:
    """The latest start is ten hours after creation; from then on the answer is to run."""
    now = CREATED + timedelta(minutes=minutes)
    decision = decide(seen(waits_for_clean(), now=now, forecast=forecast_of(values)), SETTINGS)
    if now >= CREATED + 10 * HOUR:
        assert len(decision.actions) == 1
    assert len(decision.actions) <= 1


def test_too_small_a_saving_is_not_waited_for() -> None:
    """One per cent less in four hours: it runs now and says why."""
    flat = forecast_of([400.0] * 4 + [396.0] * 40)
    decision = decide(seen(waits_for_clean(), forecast=flat), SETTINGS)
    assert len(decision.actions) == 1
    assert condition(decision, ConditionType.PLANNED) == ("True", "SavingTooSmall")


@pytest.mark.parametrize(
    ("policy", "reason"), [("Immediate", "PolicyImmediate"), ("Observe", "PolicyObserve")]
)
def test_policies_that_do_not_wait(policy: str, reason: str) -> None:
    """Both start at once; Observe keeps the plan that waiting would have had."""
    decision = decide(seen(waits_for_clean(policy=policy)), SETTINGS)
    assert len(decision.actions) == 1
    assert condition(decision, ConditionType.PLANNED) == ("True", reason)
    plan = decision.status.plan
    assert plan is not None
    assert (plan.start == CREATED + 4 * HOUR) == (policy == "Observe")


def test_the_annotation_overrides_plan_and_permission() -> None:
    """Run now means now, also before startNoEarlierThan."""
    later = (CREATED + 5 * HOUR).isoformat()
    view = replace(waits_for_clean(startNoEarlierThan=later), run_now=True)
    decision = decide(seen(view), SETTINGS)
    assert len(decision.actions) == 1
    assert condition(decision, ConditionType.PLANNED) == ("True", "RunNowRequested")


def test_a_suspended_job_does_not_start() -> None:
    """It is planned again once spec.suspend is false."""
    decision = decide(seen(job(suspend=True, schedule={"policy": "Immediate"})), SETTINGS)
    assert decision.actions == ()
    assert condition(decision, ConditionType.PLANNED) == ("False", "Suspended")


@pytest.mark.parametrize("child", [None, CHILD])
def test_a_suspended_job_rests_although_it_was_told_to_run_now(child: ChildView | None) -> None:
    """The annotation stays where it was set; what is asked for last is spec.suspend."""
    view = replace(job(suspend=True), run_now=True)
    decision = decide(seen(view, child=child, pods=() if child is None else (POD,)), SETTINGS)
    assert [type(action) for action in decision.actions] == ([SuspendJob] if child else [])


def test_a_job_deleted_before_its_start_was_written_down_is_lost_and_not_started_again() -> None:
    """The Job was seen, the status never had an attempt."""
    decision = decide(seen(job(schedule={"policy": "Immediate"}), child_is_gone=True), SETTINGS)
    assert decision.actions == ()
    assert condition(decision, ConditionType.FAILED) == ("True", "JobDeleted")
    assert [attempt.outcome for attempt in decision.status.attempts] == ["Deleted"]


def test_a_job_lost_by_a_clock_that_is_behind_ends_no_earlier_than_it_began() -> None:
    """The node says that the pod began at ten; the operator's own clock is five minutes behind."""
    view = after(job(), decide(seen(job(), child=CHILD, pods=(POD,)), SETTINGS))
    behind = CREATED - timedelta(minutes=5)
    lost = decide(seen(view, now=behind, child_is_gone=True), SETTINGS)
    assert lost.status.attempts[0].end == CREATED


def test_a_lost_job_whose_last_pod_was_still_running_ends_when_that_is_noticed() -> None:
    """An end that was seen of an earlier pod is not the end of the later one."""
    earlier = replace(POD, name="net-1-first", uid="pod-0", end=CREATED + timedelta(minutes=10))
    view = after(job(), decide(seen(job(), child=CHILD, pods=(earlier, POD)), SETTINGS))
    noticed = CREATED + timedelta(hours=2)
    lost = decide(seen(view, now=noticed, child_is_gone=True), SETTINGS)
    assert lost.status.attempts[0].end == noticed


def test_another_controllers_job_is_left_alone() -> None:
    """spec.managedBy hands the job over: no action, no status."""
    decision = decide(seen(job(managedBy="example.com/other")), SETTINGS)
    assert decision == Decision((), TrainingJobStatus(), None)


def test_a_spec_that_cannot_be_read_is_said() -> None:
    """The fault's sentence is the message."""
    view = replace(job(), spec=Fault("spec.policy is not a field of a TrainingJob"))
    decision = decide(seen(view), SETTINGS)
    assert condition(decision, ConditionType.VALID) == ("False", "InvalidSpec")
    assert decision.status.display is not None
    assert decision.status.display.state == "Invalid"


def test_a_job_that_could_not_be_created_says_so_and_has_no_attempt() -> None:
    """The next look tries again."""
    refusal = StartRefusal(Reason.CREATE_REFUSED, "exceeded quota", lasting=False)
    view = job(schedule={"policy": "Immediate"})
    decision = decide(seen(view, refusal=refusal), SETTINGS)
    assert decision.actions == ()
    assert decision.status.attempts == ()
    assert condition(decision, ConditionType.RUNNING) == ("False", "CreateRefused")


def test_a_started_job_without_its_status_is_adopted() -> None:
    """The process that created the Job died before it wrote anything."""
    decision = decide(seen(waits_for_clean(), child=CHILD, pods=(POD,)), SETTINGS)
    assert decision.actions == ()
    assert [a.name for a in decision.status.attempts] == ["net-1"]
    assert condition(decision, ConditionType.RUNNING) == ("True", "PodsRunning")
    assert condition(decision, ConditionType.PLANNED) == ("True", "Started")


def test_a_job_past_its_deadline_says_so_and_runs_on() -> None:
    """Stopping it would waste what it used."""
    view = job(schedule={"deadline": "2026-11-30T12:00:00Z", "expectedDurationSeconds": 3600})
    now = CREATED + 3 * HOUR
    decision = decide(seen(view, now=now, child=CHILD, pods=(POD,)), SETTINGS)
    assert condition(decision, ConditionType.DEADLINE_AT_RISK) == ("True", "DeadlineMissed")
    assert decision.actions == ()


@pytest.mark.parametrize("policy", ["Observe", "Immediate", "CarbonOptimal"])
@pytest.mark.parametrize("rests", [False, True])
def test_a_deadline_edited_after_the_start_is_told_and_judges_the_end(
    policy: str, rests: bool
) -> None:
    """Six hours instead of two: such a job is not planned again, yet ends in time after four."""
    schedule = {"policy": policy, "expectedDurationSeconds": 3600}
    view = job(schedule={**schedule, "deadline": "2026-11-30T12:00:00Z"})
    view = after(view, decide(seen(view, child=CHILD, pods=(POD,)), SETTINGS))
    assert view.status.plan is not None
    assert view.status.plan.deadline == CREATED + 2 * HOUR
    spec = {"template": {}, "schedule": {**schedule, "deadline": "2026-11-30T16:00:00Z"}}
    view = replace(view, generation=2, spec=parse_spec({**spec, "suspend": rests}))
    child = replace(CHILD, suspended=rests)

    edited = decide(seen(view, now=CREATED + HOUR, child=child, pods=(POD,)), SETTINGS)

    assert edited.status.plan is not None
    assert edited.status.plan.deadline == CREATED + 6 * HOUR
    view = after(view, edited)
    end = Ending(outcome=JobOutcome.COMPLETE, at=CREATED + 4 * HOUR, reason="", message="")
    ended = replace(CHILD, ending=end)
    decision = decide(seen(view, now=CREATED + 4 * HOUR, child=ended), SETTINGS)
    assert condition(decision, ConditionType.DEADLINE_AT_RISK) == ("False", "Ended")


def test_a_suspended_job_is_told_when_its_deadline_passes() -> None:
    """Two hours do not fit any more from 10:00 on; a second after 12:00 it is too late."""
    schedule = {"deadline": "2026-11-30T12:00:00Z", "expectedDurationSeconds": 7200}
    view = job(schedule=schedule, suspend=True)
    before = decide(seen(view), SETTINGS)
    assert condition(before, ConditionType.DEADLINE_AT_RISK) == ("True", "TooLateToBeSure")
    assert before.look_again_seconds == 7201
    passed = decide(seen(after(view, before), now=CREATED + timedelta(seconds=7201)), SETTINGS)
    assert condition(passed, ConditionType.DEADLINE_AT_RISK) == ("True", "DeadlineMissed")


def test_a_deadline_that_only_just_holds_the_run_is_at_risk_and_runs_now() -> None:
    """Two hours fit, the 90th percentile of 2.4 h does not."""
    view = job(schedule={"deadline": "2026-11-30T12:10:00Z", "expectedDurationSeconds": 7200})
    decision = decide(seen(view), SETTINGS)
    assert len(decision.actions) == 1
    assert condition(decision, ConditionType.DEADLINE_AT_RISK) == ("True", "TooLateToBeSure")


def started(**schedule: Any) -> JobView:
    """Return an interruptible job that runs since its creation."""
    interruption = {"allowed": True, "restartCostSeconds": 60}
    view = waits_for_clean(interruption=interruption, **schedule)
    clean_now = forecast_of([100.0, 100.0] + [400.0] * 4 + [150.0] * 40)
    first = decide(seen(view, forecast=clean_now), SETTINGS)
    assert len(first.actions) == 1
    running = decide(seen(after(view, first), child=CHILD, pods=(POD,)), SETTINGS)
    return after(view, running)


def test_an_interruptible_job_rests_when_the_grid_gets_dirty() -> None:
    """An hour of work is left, and the next clean hour is five hours away."""
    dirty = forecast_of([400.0] * 5 + [50.0] * 40, CREATED + HOUR)
    look = seen(started(), now=CREATED + HOUR, forecast=dirty, child=CHILD, pods=(POD,))
    assert decide(look, SETTINGS).actions == (SuspendJob("ml", "net-1", "job-1"),)


def test_a_resting_job_resumes_when_its_next_stretch_begins() -> None:
    """The batch Job is resumed, and a new attempt begins with it."""
    suspended = replace(CHILD, suspended=True, active=0, ready=0)
    dirty = forecast_of([400.0] * 5 + [50.0] * 40, CREATED + HOUR)
    view = started()
    rest = decide(seen(view, now=CREATED + HOUR, forecast=dirty, child=suspended), SETTINGS)
    assert condition(rest, ConditionType.PAUSED) == ("True", "CleanerLater")
    assert rest.actions == ()
    view = after(view, rest)
    assert view.status.attempts[0].outcome == "Paused"
    clean = forecast_of([50.0] * 40, CREATED + 6 * HOUR)
    wake = decide(seen(view, now=CREATED + 6 * HOUR, forecast=clean, child=suspended), SETTINGS)
    assert wake.actions == (ResumeJob("ml", "net-1", "job-1"),)
    view = after(view, wake)
    on = decide(seen(view, now=CREATED + 6 * HOUR, forecast=clean, child=CHILD), SETTINGS)
    assert [attempt.number for attempt in on.status.attempts] == [1, 2]


def test_a_pod_whose_end_was_not_seen_has_run_until_its_job_is_found_at_rest() -> None:
    """The first pod failed after ten minutes, its successor was gone before the next look.

    The attempt ended with the successor, not before it: its energy belongs to later hours.
    """
    first = replace(POD, phase="Failed", end=CREATED + timedelta(minutes=10))
    second = replace(
        POD, name="net-1-b", uid="pod-2", start=CREATED + timedelta(minutes=12), end=None
    )
    dirty = forecast_of([400.0] * 5 + [50.0] * 40, CREATED + HOUR)
    both = seen(started(), now=CREATED + HOUR / 2, child=CHILD, pods=(first, second))
    view = after(started(), decide(both, SETTINGS))
    suspended = replace(CHILD, suspended=True, active=0, ready=0)
    rest = decide(seen(view, now=CREATED + HOUR, forecast=dirty, child=suspended), SETTINGS)
    (attempt,) = rest.status.attempts
    assert (attempt.outcome, attempt.end) == ("Paused", CREATED + HOUR)


@pytest.mark.parametrize(
    ("told", "now", "ended"),
    [
        pytest.param(60, 60 - 4.5, 60, id="the clock is 270 s behind the API server's"),
        pytest.param(60, 62, 62, id="it saves for two minutes"),
        pytest.param(60, 60 + 180, 70, id="the look comes three hours later"),
    ],
)
def test_a_pod_whose_end_was_not_seen_stopped_after_its_job_told_it_to(
    told: float, now: float, ended: float
) -> None:
    """The Job controller's condition says when, by the API server's clock; all are minutes."""
    view = after(started(), decide(seen(started(), child=CHILD, pods=(POD,)), SETTINGS))
    suspended = replace(
        CHILD,
        suspended=True,
        active=0,
        ready=0,
        rests_since=CREATED + timedelta(minutes=told),
    )
    dirty = forecast_of([400.0] * 9 + [50.0] * 40, CREATED)
    at = CREATED + timedelta(minutes=now)
    rest = decide(seen(view, now=at, forecast=dirty, child=suspended), SETTINGS)
    (attempt,) = rest.status.attempts
    assert (attempt.outcome, attempt.end) == ("Paused", CREATED + timedelta(minutes=ended))


def test_a_start_in_the_last_year_of_the_calendar_fails_at_nothing() -> None:
    """A status may have been written by someone else; the deadline is before that start."""
    far = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    view = started()
    attempt = view.status.attempts[0].model_copy(update={"start": far})
    view = replace(view, status=view.status.model_copy(update={"attempts": (attempt,)}))
    found = decide(seen(view, now=CREATED + HOUR, child=CHILD, pods=(POD,)), SETTINGS)
    assert condition(found, ConditionType.RUNNING)[0] == "True"
    assert condition(found, ConditionType.DEADLINE_AT_RISK)[0] == "True"


def test_a_job_that_may_not_be_interrupted_is_never_paused_by_the_grid() -> None:
    """However dirty it gets."""
    view = waits_for_clean()
    view = after(view, decide(seen(view, child=CHILD, pods=(POD,)), SETTINGS))
    dirty = forecast_of([900.0] * 5 + [1.0] * 40, CREATED + HOUR)
    look = seen(view, now=CREATED + HOUR, forecast=dirty, child=CHILD, pods=(POD,))
    assert decide(look, SETTINGS).actions == ()


def words(decision: Decision, kind: ConditionType) -> str:
    """Return the message of a condition."""
    found = find(decision.status.conditions, kind)
    return "" if found is None else found.message


NO_NODE = replace(
    POD,
    node="",
    phase="Pending",
    start=None,
    trouble="Unschedulable",
    trouble_message="0/1 nodes are available: 1 Insufficient nvidia.com/gpu.",
)


def test_a_job_without_room_is_promised_no_window_and_says_what_it_waits_for() -> None:
    """In the scheduler's words; once it runs, its plan begins where it began."""
    view = waits_for_clean(policy="Immediate")
    view = after(view, decide(seen(view), SETTINGS))
    pending = replace(CHILD, ready=0)
    waits = decide(seen(view, child=pending, pods=(NO_NODE,)), SETTINGS)
    assert waits.status.plan is not None
    assert (waits.status.plan.segments, waits.status.plan.start) == ((), None)
    assert waits.status.plan.reason == "Unschedulable"
    assert waits.status.plan.explanation == (
        "waits for room: pod net-1-abcde cannot start: 0/1 nodes are available: "
        "1 Insufficient nvidia.com/gpu."
    )
    assert waits.status.display is not None
    assert (waits.status.display.state, waits.status.display.start) == ("Unschedulable", None)
    began = CREATED + HOUR
    running = (replace(POD, start=began),)
    now = began + timedelta(minutes=1)
    runs = decide(seen(after(view, waits), now=now, child=CHILD, pods=running), SETTINGS)
    assert runs.status.plan is not None
    assert runs.status.plan.start == began
    assert runs.status.plan.reason == "Started"


def test_pods_that_a_quota_refuses_are_said_in_the_controllers_words() -> None:
    """The Job exists and has no pod: only an Event of the Job controller says why."""
    view = waits_for_clean(policy="Immediate")
    view = after(view, decide(seen(view), SETTINGS))
    failure = 'pods "net-1-…" is forbidden: exceeded quota: gpus'
    decision = decide(seen(view, child=CHILD, creation_failure=failure), SETTINGS)
    assert condition(decision, ConditionType.RUNNING) == ("False", "FailedCreate")
    assert words(decision, ConditionType.RUNNING) == f"the Job's pods cannot be created: {failure}"
    assert decision.status.display is not None
    assert decision.status.display.state == "FailedCreate"


@pytest.mark.parametrize(("count", "rests"), [(6, False), (7, True)])
def test_a_training_that_stops_by_itself_again_and_again_is_not_restarted_for_ever(
    count: int, rests: bool
) -> None:
    """Exit 143 is excused for drained nodes, so the Job controller has no limit of its own.

    Two pods of a training on two nodes stop together, which is one stop and not two.
    """
    stopped = tuple(
        replace(
            POD,
            uid=f"pod-{n}-{rank}",
            name=f"net-1-{n}-{rank}",
            phase="Failed",
            exit_code=143,
            start=CREATED + n * timedelta(minutes=1),
            end=CREATED + timedelta(minutes=n, seconds=40 + rank),
        )
        for n in range(count)
        for rank in range(2)
    )
    view = after(job(), decide(seen(job(), child=CHILD, pods=stopped), SETTINGS))
    decision = decide(seen(view, child=CHILD, pods=stopped), SETTINGS)
    assert decision.actions == ((SuspendJob("ml", "net-1", "job-1"),) if rests else ())
    if rests:
        resting = replace(CHILD, suspended=True, active=0, ready=0)
        later = decide(seen(after(view, decision), child=resting, pods=stopped), SETTINGS)
        assert later.actions == ()
        assert condition(later, ConditionType.PAUSED) == ("True", "RestartsExhausted")
        assert "its pods ended 7 times with exit code 143" in words(later, ConditionType.PAUSED)


def many_stops() -> tuple[PodView, ...]:
    """Return pods that stopped seven times by themselves."""
    return tuple(
        replace(
            POD,
            uid=f"pod-{n}",
            phase="Failed",
            exit_code=143,
            start=CREATED + n * timedelta(minutes=1),
            end=CREATED + timedelta(minutes=n, seconds=40),
        )
        for n in range(7)
    )


@pytest.mark.parametrize("reason", ["BudgetExceeded", "RestartsExhausted"])
def test_the_plan_of_a_job_that_is_kept_at_rest_does_not_move_with_the_clock(reason: str) -> None:
    """It could go on at every moment, so looks later on have nothing to write."""
    limit = CREATED + timedelta(minutes=5)
    pause = {"limit": f"{limit:%Y-%m-%dT%H:%M:%SZ}", "action": "Pause"}
    known: dict[str, Any] = {"forecast": forecast_of([200.0] * 48)}
    if reason == "RestartsExhausted":
        known["pods"] = many_stops()
    running = started()
    assert not isinstance(running.spec, Fault)
    budget = (
        None if known.get("pods") else parse_spec({"template": {}, "budget": {"finish": pause}})
    )
    spec = running.spec.model_copy(update={"budget": budget and budget.budget})
    view = replace(running, spec=spec)
    resting = replace(CHILD, suspended=True, active=0, ready=0)
    first, later = CREATED + HOUR, CREATED + 2 * HOUR
    view = after(view, decide(seen(view, now=first, child=resting, **known), SETTINGS))
    view = after(view, decide(seen(view, now=later, child=resting, **known), SETTINGS))

    decision = decide(seen(view, now=later + HOUR / 2, child=resting, **known), SETTINGS)

    assert condition(decision, ConditionType.PAUSED) == ("True", reason)
    assert decision.actions == ()
    assert after(view, decision).status == view.status


HELD = replace(CHILD, suspended=True, active=0, ready=0, started=None)
"""The Job as it was created: suspended, without pods."""


def test_a_job_is_released_by_the_look_that_finds_its_start_recorded() -> None:
    """Create, record, release: a Job whose start no status holds is never let go."""
    view = job(schedule={"policy": "Immediate"})
    create = decide(seen(view), SETTINGS)
    assert create.actions == (CreateJob(KEY, "uid-1", 1, attempt=1),)
    record = decide(seen(view, child=HELD), SETTINGS)
    assert (record.actions, record.look_again_seconds) == ((), 0)
    assert [attempt.name for attempt in record.status.attempts] == ["net-1"]
    for recorded in (create, record):
        release = decide(seen(after(view, recorded), child=HELD), SETTINGS)
        assert release.actions == (ResumeJob("ml", "net-1", "job-1"),)
        assert condition(release, ConditionType.PAUSED) == ("False", "NotPaused")
        assert release.status.display is not None
        assert release.status.display.state == "Starting"


def test_a_job_suspended_before_its_release_waits_and_begins_its_first_attempt_later() -> None:
    """The user sets spec.suspend between creation and release, and takes it back."""
    view, rests = job(schedule={"policy": "Immediate"}), job(suspend=True)
    created = decide(seen(view), SETTINGS)
    rest = decide(seen(after(rests, created), child=HELD), SETTINGS)
    assert rest.actions == ()
    assert condition(rest, ConditionType.PAUSED) == ("True", "Suspended")
    on = decide(seen(after(view, rest), child=HELD), SETTINGS)
    assert on.actions == (ResumeJob("ml", "net-1", "job-1"),)
    assert [attempt.number for attempt in on.status.attempts] == [1]


def ended(at: datetime, **spec: Any) -> JobView:
    """Return a job without a Prometheus that has ended, with all that there is to say."""
    view = job(schedule={"deadline": "2026-11-30T12:00:00Z"}, **spec)
    view = after(view, decide(seen(view, child=CHILD, pods=(POD,)), SETTINGS))
    ending = Ending(outcome=JobOutcome.COMPLETE, at=at, reason="", message="")
    over = replace(CHILD, active=0, ready=0, ending=ending)
    view = after(view, decide(seen(view, now=at, child=over), SETTINGS))
    none = Measurement(status="False", reason=Reason.NEVER_RAN, message="")
    return after(view, decide(seen(view, now=at, child=over, measurement=none), SETTINGS))


def test_a_late_end_is_seen_in_the_state() -> None:
    """Two hours were given; an hour more was needed."""
    states = [ended(CREATED + n * HOUR).status.display for n in (1, 3)]
    assert [one.state for one in states if one is not None] == ["Complete", "CompletedLate"]


def test_a_job_with_a_time_to_live_goes_when_it_has_passed() -> None:
    """Ten minutes after its end, and not before its figures are written down."""
    end = CREATED + HOUR
    view = ended(end, ttlSecondsAfterFinished=600)
    early = decide(seen(view, now=end + timedelta(minutes=4)), SETTINGS)
    assert (early.actions, early.look_again_seconds) == ((), 360)
    due = decide(seen(view, now=end + timedelta(minutes=10)), SETTINGS)
    assert due.actions == (DeleteTrainingJob(KEY, "uid-1"),)
    kept = decide(seen(ended(end), now=end + 24 * HOUR), SETTINGS)
    assert kept.actions == ()


def test_a_job_is_not_deleted_before_its_energy_is_known() -> None:
    """Prometheus is away: the time to live waits for it."""
    end = CREATED + HOUR
    view = job(ttlSecondsAfterFinished=0)
    ending = Ending(outcome=JobOutcome.COMPLETE, at=end, reason="", message="")
    over = replace(CHILD, active=0, ready=0, ending=ending)
    view = after(view, decide(seen(view, child=CHILD, pods=(POD,)), SETTINGS))
    view = after(view, decide(seen(view, now=end, child=over), SETTINGS))
    away = Measurement(status="Unknown", reason=Reason.PROMETHEUS_UNAVAILABLE, message="away")
    decision = decide(seen(view, now=end + HOUR, child=over, measurement=away), SETTINGS)
    assert decision.actions == ()


@pytest.mark.parametrize("reason", [Reason.NO_EXPORTER, Reason.NEVER_RAN])
def test_a_job_without_a_sample_is_read_again_once_exporters_no_longer_show_it(
    reason: Reason,
) -> None:
    """A run that lies whole between two scrapes is stored after its end: five minutes and 180 s."""
    end = CREATED + HOUR
    nothing = Measurement(status="False", reason=reason, message="")
    early = decide(seen(ended(end), now=end + timedelta(minutes=3), measurement=nothing), SETTINGS)
    assert early.look_again_seconds == 5 * 60
    later = decide(seen(ended(end), now=end + timedelta(minutes=8), measurement=nothing), SETTINGS)
    assert later.look_again_seconds == SETTINGS.measurement.reprice_seconds
    for minutes, again in ((8, True), (59, True), (60, False)):
        now = end + timedelta(minutes=minutes)
        assert needs_measuring(later.status, now, SETTINGS) is again


def test_a_job_without_a_sample_goes_when_exporters_no_longer_show_it() -> None:
    """Its time to live is over at once; it stays the eight minutes, and not the whole hour."""
    view = ended(CREATED + HOUR, ttlSecondsAfterFinished=0)
    nothing = Measurement(status="False", reason=Reason.NEVER_RAN, message="")
    for minutes, gone in ((7, ()), (8, (DeleteTrainingJob(KEY, "uid-1"),))):
        now = CREATED + HOUR + timedelta(minutes=minutes)
        assert decide(seen(view, now=now, measurement=nothing), SETTINGS).actions == gone


def test_energy_read_before_all_end_markers_is_read_again() -> None:
    """For six hours after the end; what is final is not asked for any more."""
    end = CREATED + HOUR
    known = ended(end).status
    for final, hours, again in ((False, 1, True), (False, 7, False), (True, 1, False)):
        energy = EnergyStatus(total_joules=5, final=final)
        status = known.model_copy(update={"energy": energy})
        assert needs_measuring(status, end + hours * HOUR, SETTINGS) is again


def test_a_job_of_kueue_is_neither_suspended_nor_resumed() -> None:
    """Kueue owns spec.suspend of the Jobs in its queues."""
    queued = replace(CHILD, queued=True, suspended=True, active=0, ready=0)
    decision = decide(seen(job(suspend=False), child=queued), SETTINGS)
    assert decision.actions == ()
    assert condition(decision, ConditionType.RUNNING) == ("False", "Queued")


def test_an_end_closes_everything_and_asks_for_the_figures() -> None:
    """The report of the trainer is in the status, and the next look is at once."""
    ending = Ending(outcome=JobOutcome.COMPLETE, at=CREATED + HOUR, reason="", message="")
    over = replace(CHILD, active=0, ready=0, ending=ending)
    report = '{"schemaVersion":1,"epochs":3,"accuracy":0.861}'
    pod = replace(POD, phase="Succeeded", end=CREATED + HOUR, exit_code=0, report=report)
    view = after(job(), decide(seen(job(), child=CHILD, pods=(POD,)), SETTINGS))
    decision = decide(seen(view, now=CREATED + HOUR, child=over, pods=(pod,)), SETTINGS)
    assert condition(decision, ConditionType.COMPLETE) == ("True", "JobComplete")
    assert condition(decision, ConditionType.MEASURED) == ("Unknown", "Settling")
    assert decision.look_again_seconds == 0
    assert decision.status.training is not None
    assert decision.status.training.accuracy == "0.861"
    assert decision.status.attempts[0].end == CREATED + HOUR
    gone = decide(seen(after(view, decision), now=CREATED + 2 * HOUR), SETTINGS)
    assert condition(gone, ConditionType.COMPLETE) == ("True", "JobComplete")


def test_the_events_of_a_life_read_as_a_story() -> None:
    """Planned, started with the intensity then and at submission, complete."""
    view = waits_for_clean()
    ending = Ending(outcome=JobOutcome.COMPLETE, at=CREATED + 6 * HOUR, reason="", message="")
    over = replace(CHILD, active=0, ready=0, ending=ending)
    story = []
    for look in (
        {"now": CREATED},
        {"now": CREATED + timedelta(minutes=5)},
        {"now": CREATED + 4 * HOUR},
        {"now": CREATED + 4 * HOUR, "child": CHILD, "pods": (POD,)},
        {"now": CREATED + 5 * HOUR, "child": CHILD, "pods": (POD,)},
        {"now": CREATED + 6 * HOUR, "child": over},
    ):
        decision = decide(seen(view, **look), SETTINGS)
        story += [(note.reason, note.text) for note in notes_between(view.status, decision.status)]
        view = after(view, decision)
    reasons = [reason for reason, _ in story]
    assert reasons == ["Planned", "Started", "Complete"]
    assert story[0][1].startswith("waits until 2026-11-30 14:00Z")
    assert story[1][1] == "created Job net-1 at an expected 100 g/kWh, was 400 at submission"


def test_an_edit_after_the_start_is_told_once_with_what_still_counts() -> None:
    """A deadline still matters, a policy does not."""
    view = after(job(), decide(seen(job(), child=CHILD, pods=(POD,)), SETTINGS))
    edited = replace(view, generation=2)
    first = decide(seen(edited, child=CHILD, pods=(POD,)), SETTINGS)
    notes = notes_between(edited.status, first.status)
    assert [note.reason for note in notes] == ["SpecChanged"]
    again = decide(seen(after(edited, first), child=CHILD, pods=(POD,)), SETTINGS)
    assert notes_between(after(edited, first).status, again.status) == ()


@pytest.mark.parametrize("field", ["startNoEarlierThan", "deadline"])
@pytest.mark.parametrize("text", ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"])
@pytest.mark.parametrize("begun", [False, True])
def test_the_last_moment_there_is_can_be_asked_for(field: str, text: str, begun: bool) -> None:
    """A user who writes the year 9999 means "never mind", and gets a plan and a status."""
    schedule = {field: text, "expectedDurationSeconds": 31_536_000}
    known = {"child": CHILD, "pods": (POD,)} if begun else {}

    decision = decide(seen(job(schedule=schedule), **known), SETTINGS)

    assert decision.status.plan is not None


def test_a_planner_that_fails_starts_the_job_without_a_forecast(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The guard holds whatever goes wrong, and the plan says what did."""

    def failing(now: datetime, request: Request, forecast: Any, *rest: Any) -> Plan:
        if forecast is not None:
            raise ZeroDivisionError("no such slot")
        return plan(now, request, None)

    monkeypatch.setattr(intent, "plan", failing)

    decision = decide(seen(waits_for_clean(), forecast=DIRTY_THEN_CLEAN), SETTINGS)

    assert decision.status.plan is not None
    assert "no such slot" in (decision.status.plan.explanation or "")
    assert any(isinstance(action, CreateJob) for action in decision.actions)
