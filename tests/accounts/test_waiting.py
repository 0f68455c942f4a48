"""What waiting would have saved a run that nobody scheduled; figures are hand calculations."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from lowtide.accounts.past_forecasts import history_forecasts
from lowtide.accounts.usage import PodUsage, Usage, WorkloadKey
from lowtide.accounts.waiting import Assumptions, ForecastAt, NotJudged, RunOutcome, outcome_of
from lowtide.energy.integration import PodEnergy
from lowtide.energy.profile import EnergyInterval, EnergyProfile, Span
from lowtide.grid.forecast import Forecast, Source
from lowtide.grid.series import AverageSeries, Point, Signal

DAY = datetime(2026, 3, 2, tzinfo=UTC)
KWH = 3.6e6
HOUR = timedelta(hours=1)


def at(hours: float) -> datetime:
    """Return a time of the day."""
    return DAY + timedelta(hours=hours)


def grid(value: Callable[[int], float | None], hours: int = 72, start: int = 0) -> AverageSeries:
    """Return an hourly intensity."""
    points = tuple(Point(at(h), at(h + 1), value(h)) for h in range(start, hours))
    return AverageSeries(zone="DE", source="test", points=points)


def run_of(
    intervals: list[tuple[float, float, float]], *, kind: str = "Job", final: bool = True
) -> Usage:
    """Return the use of one pod; intervals are start hour, end hour and kWh."""
    profile = EnergyProfile(
        tuple(EnergyInterval(at(a), at(b), kwh * KWH) for a, b, kwh in intervals)
    )
    run = Span(at(intervals[0][0]), at(intervals[-1][1]))
    energy = PodEnergy(
        pod_uid="u",
        total_joules=profile.total_joules,
        parts=(),
        profile=profile,
        run=run,
        segments=1,
        final=final,
        energy_coverage_ratio=1.0,
        time_coverage_ratio=1.0,
        warnings=(),
    )
    workload = WorkloadKey("ml", kind, "net", "u-net") if kind else WorkloadKey("ml")
    pod = PodUsage(name="p", uid="u", node="n", workload=workload, energy=energy, held_seconds={})
    return Usage(pods=(pod,), profile=profile)


def perfect(series: AverageSeries) -> ForecastAt:
    """Return forecasts that know everything."""

    def forecast(moment: datetime) -> Forecast | None:
        ahead = [p for p in series.points if p.end > moment]
        values = tuple(p.grams_per_kwh or 0.0 for p in ahead)
        return Forecast(
            zone="DE",
            signal=Signal.AVERAGE,
            start=ahead[0].start,
            slot_seconds=3600,
            grams_per_kwh=values,
            spread_grams_per_kwh=(0.0,) * len(values),
            sources=(Source.PROVIDER,) * len(values),
        )

    return forecast


def judged(
    usage: Usage,
    series: AverageSeries,
    forecast_at: ForecastAt | None = None,
    *,
    delay: float = 24,
    now: float = 72,
    window: tuple[float, float] = (0, 48),
    scheduled: bool = False,
) -> RunOutcome:
    """Return the outcome under the assumptions of these tests."""
    assumed = Assumptions(
        window=Span(at(window[0]), at(window[1])), max_delay=delay * HOUR, now=at(now)
    )
    forecasts = perfect(series) if forecast_at is None else forecast_at
    return outcome_of(usage, series, forecasts, assumed, is_scheduled=scheduled)


def test_a_run_is_moved_to_the_cleanest_hours_it_could_have_waited_for() -> None:
    """2 kWh at 300 g; 100 g from 12 to 14 h: 200 g, so 400 g were possible and are found."""
    outcome = judged(run_of([(4, 6, 2)]), grid(lambda h: 100 if h in (12, 13) else 300))

    assert outcome.at_once is not None
    assert outcome.planned is not None
    assert outcome.best is not None
    assert outcome.at_once.grams == pytest.approx(600)
    assert (outcome.planned.start, outcome.best.start) == (at(12), at(12))
    assert outcome.planned_saving_grams == pytest.approx(400)
    assert outcome.best_saving_grams == pytest.approx(400)


def test_the_wait_is_never_longer_than_assumed() -> None:
    """The clean hours come 8 h later: who may wait 6 h saves nothing, and 7 h reach one of them."""
    series = grid(lambda h: 100 if h in (12, 13) else 300)

    assert judged(run_of([(4, 6, 2)]), series, delay=6).best_saving_grams == pytest.approx(0)
    outcome = judged(run_of([(4, 6, 2)]), series, delay=7)
    assert outcome.best_saving_grams == pytest.approx(200)
    assert outcome.planned is not None
    assert outcome.planned.start <= at(11)


def test_a_wrong_forecast_makes_the_planner_worse_and_the_best_stays_the_best() -> None:
    """It promised 50 g at 10 h, where 500 g came: 400 g more than at once."""
    seen = grid(lambda h: {10: 500.0, 11: 500.0, 12: 100.0, 13: 100.0}.get(h, 300.0))
    promised = perfect(grid(lambda h: 50 if h in (10, 11) else 300))

    outcome = judged(run_of([(4, 6, 2)]), seen, promised)

    assert outcome.planned is not None
    assert outcome.planned.start == at(10)
    assert outcome.planned_saving_grams == pytest.approx(-400)
    assert outcome.best_saving_grams == pytest.approx(400)


def test_pauses_of_a_run_vanish_in_every_alternative() -> None:
    """1 kWh at 4 h and 1 kWh at 8 h are one piece of two hours, also at its own start."""
    series = grid(lambda h: 300 if h < 6 else 500)

    outcome = judged(run_of([(4, 5, 1), (8, 9, 1)]), series, delay=1)

    assert outcome.grams == pytest.approx(300 + 500)
    assert outcome.at_once is not None
    assert outcome.at_once.grams == pytest.approx(600)
    assert outcome.best_saving_grams == pytest.approx(0)


def test_without_a_forecast_the_planner_is_unknown_and_the_best_is_not() -> None:
    """Unknown is not zero."""
    outcome = judged(
        run_of([(4, 6, 2)]), grid(lambda h: 100 if h in (12, 13) else 300), lambda _: None
    )

    assert outcome.planned_saving_grams is None
    assert outcome.best_saving_grams == pytest.approx(400)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"usage": run_of([(4, 6, 2)], kind="Deployment")}, NotJudged.SERVES),
        ({"usage": run_of([(4, 6, 2)], kind="")}, NotJudged.UNKNOWN_KIND),
        ({"usage": run_of([(4, 6, 2)], kind="Sandwich")}, NotJudged.UNKNOWN_KIND),
        ({"usage": run_of([(4, 6, 2)], kind="TrainingJob")}, NotJudged.SCHEDULED),
        ({"scheduled": True}, NotJudged.SCHEDULED),
        ({"usage": run_of([(4, 6, 2)], final=False)}, NotJudged.RUNNING),
        ({"window": (5, 48)}, NotJudged.BEGAN_BEFORE),
        ({"now": 29.5}, NotJudged.RECENT),
        ({"series": grid(lambda h: None if h == 20 else 300)}, NotJudged.NO_INTENSITY),
        ({"series": grid(lambda h: 300, hours=20)}, NotJudged.NO_INTENSITY),
        ({"usage": run_of([(4, 6, 0)])}, NotJudged.NO_ENERGY),
    ],
)
def test_what_cannot_be_judged_says_why(change: dict[str, object], why: NotJudged) -> None:
    """No figure of waiting is given, and the emissions stay."""
    usage = change.pop("usage", run_of([(4, 6, 2)]))
    series = change.pop("series", grid(lambda h: 300))

    outcome = judged(usage, series, **change)  # type: ignore[arg-type]

    assert outcome.not_judged is why
    assert outcome.best_saving_grams is None


def test_a_profile_of_the_days_before_knows_nothing_of_the_day_itself() -> None:
    """Ten days with a clean noon let the planner wait for it; one day does not tell a course."""

    def value(hour: int) -> float:
        return 100.0 if hour % 24 in (12, 13) else 300.0

    long = grid(value, hours=72, start=-240)
    outcome = judged(run_of([(4, 6, 2)]), long, history_forecasts(long))
    assert outcome.planned is not None
    assert outcome.planned.start == at(12)

    day_of_surprise = grid(lambda h: 500.0 if 0 <= h < 24 else value(h), hours=72, start=-240)
    surprised = judged(run_of([(4, 6, 2)]), day_of_surprise, history_forecasts(day_of_surprise))
    assert surprised.planned_saving_grams == pytest.approx(0)
    assert history_forecasts(grid(value, hours=20))(at(4)) is None
