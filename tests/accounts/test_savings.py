"""What waiting and pausing saved, against figures worked out by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lowtide.accounts.savings import counterfactual_status, with_hindsight
from lowtide.energy.carbon import operational_grams
from lowtide.energy.profile import EnergyInterval, EnergyProfile
from lowtide.grid.series import AverageSeries, Point
from lowtide.trainingjob.conditions import Reason
from lowtide.trainingjob.models import parse_spec
from lowtide.trainingjob.status import (
    Attempt,
    CarbonStatus,
    CounterfactualStatus,
    EnergyStatus,
    PlanStatus,
    TrainingJobStatus,
)
from lowtide_operator.decision.due import hindsight_due
from lowtide_operator.settings import OperatorSettings

SUBMITTED = datetime(2026, 11, 30, 10, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DEADLINE = SUBMITTED + 8 * HOUR
SETTINGS = OperatorSettings.model_validate(
    {"schedule": {"startLatencySeconds": 0, "marginSeconds": 0}}
)
INTERRUPTION = {"allowed": True, "restartCostSeconds": 900}


def spec(*, may_pause: bool = True) -> Any:
    """Return the spec of a job whose resumes cost a quarter of an hour, if it may be paused."""
    schedule = {"interruption": INTERRUPTION} if may_pause else {}
    return parse_spec({"template": {}, "schedule": schedule})


def attempt(number: int, start: float, end: float) -> Attempt:
    """Return an attempt, in hours after submission."""
    return Attempt(
        number=number, name="net-1", start=SUBMITTED + start * HOUR, end=SUBMITTED + end * HOUR
    )


def grid(values: list[float], **estimated: bool) -> AverageSeries:
    """Return hourly intensity from submission on."""
    points = tuple(
        Point(SUBMITTED + k * HOUR, SUBMITTED + (k + 1) * HOUR, value, **estimated)
        for k, value in enumerate(values)
    )
    return AverageSeries("DE", "grid", points)


def run(*spans: tuple[float, float]) -> EnergyProfile:
    """Return a run at 1 kW, in hours after submission."""
    return EnergyProfile(
        tuple(
            EnergyInterval(SUBMITTED + a * HOUR, SUBMITTED + b * HOUR, (b - a) * 3.6e6)
            for a, b in spans
        )
    )


def test_what_resuming_used_is_in_the_emissions_and_not_in_the_baseline() -> None:
    """1 kW in hours 1 and 3, a quarter of hour 3 spent on resuming.

    Emitted: 100 + 200 = 300 g. Run at submission, without the quarter: an hour at 400 and three
    quarters at 100 g/kWh, 475 g.
    """
    profile = run((1, 2), (3, 4))
    status = TrainingJobStatus(attempts=(attempt(1, 1, 2), attempt(2, 3, 4)))
    seen = grid([400.0, 100.0, 400.0, 200.0])

    found = counterfactual_status(
        profile,
        operational_grams(profile, seen),
        spec=spec(),
        status=status,
        intensity=seen,
        baseline_start=SUBMITTED,
    )

    assert found.run_now_grams == "475.0000"
    assert found.avoided_grams == "175.0000"
    assert found.restart_joules == 900_000


def test_the_saving_of_a_tiny_job_is_the_difference_of_what_is_stated() -> None:
    """0.9 J at 123 instead of 456 g/kWh: 30.75 instead of 114 micrograms, 83.25 avoided."""
    profile = EnergyProfile((EnergyInterval(SUBMITTED + HOUR, SUBMITTED + 2 * HOUR, 0.9),))
    seen = grid([456.0, 123.0])
    actual = operational_grams(profile, seen)

    found = counterfactual_status(
        profile,
        actual,
        spec=spec(),
        status=TrainingJobStatus(attempts=(attempt(1, 1, 2),)),
        intensity=seen,
        baseline_start=SUBMITTED,
    )

    assert found.run_now_grams == "0.000114"
    assert found.avoided_grams == "0.00008325"
    assert found.avoided_percent == "73.0"


def measured(
    emitted: float,
    run_now: float,
    *attempts: Attempt,
    restart_joules: int | None = None,
    **plan: Any,
) -> TrainingJobStatus:
    """Return the status of a job at 1 kW whose figures are there."""
    hours = sum((a.end - a.start) / HOUR for a in attempts if a.end and a.start)
    return TrainingJobStatus(
        attempts=attempts,
        energy=EnergyStatus(total_joules=round(hours * 3.6e6)),
        carbon=CarbonStatus(operational_grams=f"{emitted:.4f}", zone="DE"),
        counterfactual=CounterfactualStatus(
            run_now_grams=f"{run_now:.4f}",
            avoided_grams=f"{run_now - emitted:.4f}",
            baseline_start=SUBMITTED,
            restart_joules=restart_joules,
        ),
        plan=PlanStatus(**{"deadline": DEADLINE, "reason": "CleanestWindow", **plan}),
    )


def test_the_best_piece_of_two_hours_is_found_among_the_actual_ones() -> None:
    """Ran in hours 4 and 5 (500 g), at submission 800 g, at best in hours 5 and 6: 300 g.

    300 of 500 possible grams were avoided: 60 %.
    """
    actual = grid([400.0, 400.0, 400.0, 400.0, 300.0, 200.0, 100.0, 400.0])
    status = measured(500.0, 800.0, attempt(1, 4, 6))

    found = with_hindsight(status, spec(may_pause=False), actual, SETTINGS.schedule)

    assert found is not None
    assert found.clairvoyant_grams == "300.0000"
    assert found.reach_percent == "60.0"
    assert found.message is None


def test_the_best_pauses_pay_for_their_resumes() -> None:
    """Two hours of work; clean are hours 1 and 5, the rest has 400 g/kWh.

    With a pause: an hour at 100, then a quarter to resume and three quarters of work in hour 5,
    and the last quarter of work at 400: 100 + 100 + 100 = 300 g. In one piece: 500 g.
    """
    actual = grid([400.0, 100.0, 400.0, 400.0, 400.0, 100.0, 400.0, 400.0])
    status = measured(500.0, 500.0, attempt(1, 0, 2))

    found = with_hindsight(status, spec(), actual, SETTINGS.schedule)

    assert found is not None
    assert found.clairvoyant_grams == "300.0000"
    assert found.reach_percent == "0.0"


def test_a_dirtier_choice_has_a_negative_reach() -> None:
    """600 g instead of 400 g at submission, and 200 g were possible: minus 100 %."""
    actual = grid([400.0, 200.0, 600.0] + [400.0] * 5)
    status = measured(600.0, 400.0, attempt(1, 2, 3))

    found = with_hindsight(status, spec(may_pause=False), actual, SETTINGS.schedule)

    assert found is not None
    assert found.reach_percent == "-100.0"


@pytest.mark.parametrize(
    "intensity",
    [None, grid([400.0] * 7), grid([400.0] * 8, estimated=True)],
    ids=["nothing", "an hour short", "estimates"],
)
def test_unknown_hours_leave_the_optimum_open(intensity: AverageSeries | None) -> None:
    """Nothing is guessed: the reason says what it waits for."""
    status = measured(100.0, 400.0, attempt(1, 4, 5))

    found = with_hindsight(status, spec(may_pause=False), intensity, SETTINGS.schedule)

    assert found is not None
    assert found.clairvoyant_grams is None
    assert found.reach_percent is None
    assert found.message == (
        "the best possible run is known once the intensity until the deadline 2026-11-30T18:00Z is "
        "known"
    )


def test_where_nothing_could_be_saved_there_is_no_reach() -> None:
    """A flat grid: a share of nothing is not a number."""
    status = measured(400.0, 400.0, attempt(1, 0, 1))

    found = with_hindsight(status, spec(may_pause=False), grid([400.0] * 8), SETTINGS.schedule)

    assert found is not None
    assert found.clairvoyant_grams == "400.0000"
    assert found.reach_percent is None
    assert found.message == "no allowed start would have emitted less than running at once"


def test_a_job_that_had_no_choice_has_no_optimum() -> None:
    """With policy Immediate no other start was allowed, and nothing is looked up later."""
    status = measured(400.0, 400.0, attempt(1, 0, 1), reason=Reason.POLICY_IMMEDIATE)

    found = with_hindsight(status, spec(), grid([400.0] * 8), SETTINGS.schedule)

    assert found is not None
    assert found.clairvoyant_grams is None
    assert found.message == "the job was allowed to start at once only"
    assert hindsight_due(status, SETTINGS) is None


def test_it_is_due_from_the_deadline_on_until_it_is_known() -> None:
    """For six hours, the time in which providers still publish."""
    open_one = measured(100.0, 400.0, attempt(1, 4, 5))
    known = with_hindsight(open_one, spec(), grid([400.0] * 8), SETTINGS.schedule)

    assert hindsight_due(open_one, SETTINGS) == (DEADLINE, DEADLINE + 6 * HOUR)
    assert hindsight_due(open_one.model_copy(update={"counterfactual": known}), SETTINGS) is None
