"""When a job may run, and the one sentence if it cannot."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lowtide.planning.durations import DurationSource, PastRun, learn
from lowtide.trainingjob.models import parse_spec
from lowtide.trainingjob.schedule_settings import ScheduleSettings
from lowtide.trainingjob.window import window_of

CREATED = datetime(2026, 11, 30, 10, 0, tzinfo=UTC)
SETTINGS = ScheduleSettings(start_latency_seconds=120, margin_seconds=300)


def window(runs: list[PastRun] | None = None, **schedule: Any) -> Any:
    """Return the window of a job created at ten o'clock."""
    spec = parse_spec({"template": {}, "schedule": schedule})
    return window_of(spec, CREATED, SETTINGS, learn(runs or []))


def test_without_a_deadline_the_latest_start_is_the_longest_delay() -> None:
    """1 h delay, 1.2 h for the run, 7 min spare: the deadline follows at 12:19."""
    found = window(maxDelaySeconds=3600, expectedDurationSeconds=3600)
    assert found.deadline == CREATED + timedelta(hours=1, minutes=60 * 1.2 + 7)
    assert found.earliest == CREATED
    assert found.fault is None


def test_the_defaults_are_a_day_of_delay_and_an_hour_of_running() -> None:
    """A minimal job has a window too."""
    found = window()
    assert found.duration.source is DurationSource.DEFAULT
    assert found.deadline == CREATED + timedelta(hours=24 + 1.2, minutes=7)


def test_a_deadline_too_close_says_what_would_be_right() -> None:
    """The sentence names what was asked, what is left and two ways out."""
    found = window(
        startNoEarlierThan="2026-12-01T00:30:00Z",
        deadline="2026-12-01T02:00:00Z",
        expectedDurationSeconds=7200,
    )
    assert found.fault == (
        "spec.schedule.deadline 2026-12-01T02:00Z leaves 1 h 30 min, the run needs 2 h: "
        "move the deadline to 02:30Z or later, or set policy: Immediate"
    )


def test_a_deadline_before_creation_is_a_fault_of_every_policy() -> None:
    """Nothing can end before it exists."""
    found = window(deadline="2026-11-30T09:59:30Z", policy="Immediate")
    assert found.fault == (
        "spec.schedule.deadline 2026-11-30T09:59:30Z is not after the job's creation "
        "(2026-11-30T10:00Z): move the deadline later"
    )


@pytest.mark.parametrize("schedule", [{"policy": "Immediate"}, {"policy": "Observe"}])
def test_other_policies_run_although_the_deadline_is_close(schedule: dict[str, Any]) -> None:
    """They do not wait, so a short deadline is a risk and no fault."""
    found = window(deadline="2026-11-30T11:00:00Z", expectedDurationSeconds=7200, **schedule)
    assert found.fault is None


def test_a_guessed_duration_is_no_reason_to_refuse() -> None:
    """Only what the user declared counts against the user's deadline."""
    assert window(deadline="2026-11-30T10:10:00Z").fault is None


def test_a_few_runs_only_make_the_expected_time_longer() -> None:
    """One hour by the settings: three runs of at most 900 s teach nothing, one of 2 h does."""
    short = window([PastRun(s, None) for s in (100, 900, 200)])
    assert (short.duration_seconds, short.duration.source) == (3600, DurationSource.DEFAULT)
    long = window([PastRun(7200, None)])
    assert (long.duration_seconds, long.high_seconds) == (7200, pytest.approx(8640))
    assert long.duration.source is DurationSource.LEARNT


def test_five_runs_give_their_own_ninetieth_percentile() -> None:
    """Of 10, 20, 30, 40, 50 s the inclusive 90th percentile is 46 s."""
    found = window([PastRun(s, float(s)) for s in (10, 20, 30, 40, 50)])
    assert found.duration_seconds == 30
    assert found.high_seconds == pytest.approx(46)
    assert found.expected_joules == 30


def test_five_runs_count_more_than_a_declared_duration() -> None:
    """Six runs of 10 s against 500 s declared: the plan takes 10 s and says that they disagree."""
    found = window([PastRun(10, None)] * 6, expectedDurationSeconds=500)
    assert found.duration_seconds == 10
    assert found.duration.source is DurationSource.LEARNT
    assert "8 min 20 s are declared" in found.duration.note


def test_a_spec_is_refused_by_its_declared_duration_whatever_the_series_shows() -> None:
    """Ten hours declared do not fit into five, although the series takes minutes."""
    found = window(
        [PastRun(600, None)] * 6, expectedDurationSeconds=36000, deadline="2026-11-30T15:00:00Z"
    )
    assert found.fault is not None
