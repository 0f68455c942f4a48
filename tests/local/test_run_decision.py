"""When a run without a cluster works: time, forecast and history are arguments."""

from datetime import UTC, datetime, timedelta

import pytest

from lowtide.grid.series import Signal
from lowtide.local.run_decision import RunState, decide_run, run_fault
from lowtide.planning import Experience, Forecast, PlanReason, Source
from lowtide.trainingjob.schedule_settings import ScheduleSettings
from lowtide.trainingjob.spec import TrainingJobSpec
from lowtide.trainingjob.status import Attempt, PlanStatus

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SCHEDULE = ScheduleSettings(start_latency_seconds=2)


def forecast(*grams: float, start: datetime = NOON) -> Forecast:
    return Forecast(
        zone="DE",
        signal=Signal.AVERAGE,
        start=start,
        slot_seconds=3600,
        grams_per_kwh=grams,
        spread_grams_per_kwh=(0.0,) * len(grams),
        sources=(Source.PROVIDER,) * len(grams),
    )


def state(*attempts: Attempt, plan: PlanStatus | None = None, **schedule) -> RunState:
    known = {"expectedDurationSeconds": 7200, "maxDelaySeconds": 43_200, **schedule}
    spec = TrainingJobSpec.model_validate({"schedule": known, "template": {}})
    return RunState(key="run", spec=spec, created=NOON, attempts=attempts, plan=plan)


def attempt(start: datetime, end: datetime | None, number: int = 1) -> Attempt:
    return Attempt(number=number, name="run", start=start, end=end)


PLANNED = PlanStatus(reason=PlanReason.CLEANEST_WINDOW, latest_start=NOON + 12 * HOUR)
PAUSABLE = {"interruption": {"allowed": True, "restartCostSeconds": 0}}
VALLEY = (400.0,) * 4 + (100.0,) * 2 + (400.0,) * 12


def test_a_run_waits_for_the_clean_hours_and_starts_in_them() -> None:
    decided = decide_run(NOON, state(), forecast(*VALLEY), SCHEDULE)

    assert not decided.run
    assert decided.plan.start == NOON + 4 * HOUR
    assert "waits until 2026-11-30 16:00Z" in (decided.plan.explanation or "")
    at = NOON + 4 * HOUR
    later = decide_run(at, state(plan=decided.plan), forecast(*VALLEY[4:], start=at), SCHEDULE)
    assert later.run


def test_a_run_looks_again_before_a_quarter_of_an_hour_has_passed() -> None:
    decided = decide_run(NOON, state(), forecast(*VALLEY), SCHEDULE)

    assert NOON < decided.look_again_at <= NOON + timedelta(minutes=15)


def test_without_any_forecast_a_run_starts_at_once_and_says_why() -> None:
    decided = decide_run(NOON, state(), None, SCHEDULE)

    assert decided.run
    assert decided.plan.reason == PlanReason.NO_FORECAST


@pytest.mark.parametrize("late", [timedelta(0), HOUR, 30 * HOUR])
def test_from_its_latest_start_on_a_run_starts_whatever_the_forecast_says(late) -> None:
    waiting = decide_run(NOON, state(), forecast(*VALLEY), SCHEDULE).plan
    assert waiting.latest_start is not None
    now = waiting.latest_start + late

    decided = decide_run(now, state(plan=waiting), forecast(*VALLEY, start=now), SCHEDULE)

    assert decided.run


def test_a_clock_that_jumps_back_lets_the_run_wait_and_never_fail() -> None:
    now = NOON - 5 * HOUR

    decided = decide_run(now, state(), forecast(*VALLEY, *VALLEY, start=now), SCHEDULE)

    assert not decided.run


def test_a_run_that_may_be_interrupted_rests_at_dirty_hours_and_goes_on_after_them() -> None:
    grams = (100.0,) + (500.0,) * 4 + (100.0,) * 12
    now = NOON + HOUR
    working = state(attempt(NOON, None), plan=PLANNED, **PAUSABLE)

    paused = decide_run(now, working, forecast(*grams[1:], start=now), SCHEDULE)

    assert not paused.run
    resting = state(attempt(NOON, now), plan=paused.plan, **PAUSABLE)
    clean = NOON + 5 * HOUR
    resumed = decide_run(clean, resting, forecast(*grams[5:], start=clean), SCHEDULE)
    assert resumed.run


def test_a_run_that_may_not_be_interrupted_never_rests() -> None:
    now = NOON + HOUR
    working = state(attempt(NOON, None), plan=PLANNED)

    assert decide_run(now, working, forecast(900.0, 1.0, 1.0, 1.0, start=now), SCHEDULE).run


def test_a_paused_run_without_a_forecast_waits_for_its_planned_stretch_only() -> None:
    ahead = NOON + 3 * HOUR
    segments = ({"start": ahead, "end": ahead + 2 * HOUR},)
    plan = PlanStatus.model_validate(
        {
            "reason": PlanReason.CLEANEST_WINDOW,
            "segments": segments,
            "latestStart": NOON + 6 * HOUR,
        }
    )
    resting = state(attempt(NOON - HOUR, NOON), plan=plan, **PAUSABLE)

    assert not decide_run(NOON + HOUR, resting, None, SCHEDULE).run
    assert decide_run(ahead, resting, None, SCHEDULE).run


def test_a_run_that_was_cut_and_may_not_pause_starts_again_at_once() -> None:
    cut = state(attempt(NOON - HOUR, NOON), plan=PLANNED)

    assert decide_run(NOON + HOUR, cut, forecast(*VALLEY), SCHEDULE).run


def test_the_series_says_how_long_a_run_takes() -> None:
    experience = Experience(
        runs=5,
        median_seconds=14_400,
        high_seconds=15_000,
        longest_seconds=15_000,
        energy_joules=3.6e6,
    )

    decided = decide_run(NOON, state(), forecast(*VALLEY), SCHEDULE, experience)

    assert decided.plan.duration_source == "Learnt"
    assert decided.plan.expected_duration_seconds == 14_400


def test_a_deadline_before_the_end_of_the_run_is_said_with_what_would_be_right() -> None:
    impossible = state(maxDelaySeconds=None, deadline=NOON + HOUR)

    fault = run_fault(impossible, SCHEDULE)

    assert fault is not None
    assert "leaves 1 h, the run needs 2 h" in fault
