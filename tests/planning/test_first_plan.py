"""The planner's outer promises: never past the latest start, ties run, no forecast runs."""

from datetime import UTC, datetime, timedelta

from lowtide.grid.series import Signal
from lowtide.planning import Forecast, PlanReason, Request, Source, plan

NOW = datetime(2026, 12, 1, 10, 0, tzinfo=UTC)


def hourly(*values: float) -> Forecast:
    count = len(values)
    return Forecast(
        zone="DE",
        signal=Signal.AVERAGE,
        start=NOW,
        slot_seconds=3600,
        grams_per_kwh=values,
        spread_grams_per_kwh=(0.0,) * count,
        sources=(Source.PROVIDER,) * count,
    )


def job(**changes) -> Request:
    fields = {
        "key": "a",
        "earliest": NOW,
        "deadline": NOW + timedelta(hours=6),
        "remaining_seconds": 3600,
        "remaining_high_seconds": 3600,
        "latency_seconds": 0,
        "margin_seconds": 0,
    }
    return Request(**(fields | changes))


def test_waits_for_the_cheapest_hour():
    """The third of six hours is the cleanest, so the job waits until it begins."""
    answer = plan(NOW, job(), hourly(300, 200, 100, 200, 300, 400))

    assert not answer.run
    assert answer.segments[0].start == NOW + timedelta(hours=2)
    assert answer.saving_ratio == 1 - 100 / 300


def test_runs_at_once_when_nothing_is_known():
    """No forecast never makes a job wait."""
    answer = plan(NOW, job(), None)

    assert answer.run
    assert answer.reason is PlanReason.NO_FORECAST


def test_runs_at_the_latest_start_whatever_the_forecast_says():
    """At the latest start the clean hour that comes too late no longer counts."""
    latest = NOW + timedelta(hours=5)

    answer = plan(latest, job(), hourly(300, 300, 300, 300, 300, 300, 1))

    assert answer.run
    assert answer.reason is PlanReason.LATEST_START
