"""What a job is planned by: grams, money or both, and what happens where prices are away."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from standins.forecasts import exact_forecast
from standins.job_views import CREATED, new_job

from lowtide.grid.series import Signal
from lowtide.planning import Objective, ObjectiveKind
from lowtide.prices.forecast import PriceBasis, PriceForecast
from lowtide.trainingjob.conditions import ConditionType, Reason, find
from lowtide.trainingjob.models import parse_spec
from lowtide.trainingjob.schedule import ObjectiveChoice
from lowtide.trainingjob.status import PlanStatus
from lowtide_operator.decision.decide import decide
from lowtide_operator.decision.draft import Decision
from lowtide_operator.decision.observation import ForecastView, Observation, Prepared, ZoneOutlook
from lowtide_operator.decision.questions import question_of
from lowtide_operator.objects.views import JobView
from lowtide_operator.schedule.bookings import Calendars
from lowtide_operator.schedule.passes import plan_together
from lowtide_operator.schedule.room import GpuRoom
from lowtide_operator.settings import OperatorSettings

HOUR = timedelta(hours=1)
SETTINGS = OperatorSettings.model_validate(
    {"schedule": {"startLatencySeconds": 0, "marginSeconds": 0}}
)
GRAMS = [400.0, 100.0, 400.0, 400.0, 400.0, 400.0, 400.0, 400.0]
MONEY = [0.2, 0.1, 0.04, 0.2, 0.2, 0.2, 0.2, 0.2]
"""Hour 1 is clean, hour 2 is cheap: 300 g more save 0.06, so a tonne at 200 counts as much."""


def view(prices: list[float] | None = MONEY, **more: Any) -> ForecastView:
    """Return a zone that is known exactly, with or without prices."""
    exact = (0.0,) * len(GRAMS)
    return ForecastView(
        forecast=exact_forecast(GRAMS, CREATED),
        prices=None
        if prices is None
        else PriceForecast(
            zone="DE",
            currency="EUR",
            start=CREATED,
            slot_seconds=3600,
            price_per_kwh=tuple(prices),
            spread_per_kwh=exact,
            bases=(PriceBasis.PUBLISHED,) * len(prices),
        ),
        zone="DE",
        signal=Signal.AVERAGE,
        status="True",
        reason=Reason.FORECAST_IN_USE,
        **more,
    )


def job(objective: dict[str, Any] | None = None, **more: Any) -> JobView:
    """Return a job of an hour that may wait for six."""
    schedule: dict[str, Any] = {"expectedDurationSeconds": 3600, "maxDelaySeconds": 21600}
    if objective is not None:
        schedule["objective"] = objective
    return new_job(parse_spec({"template": {}, "schedule": schedule | more}))


def decided(
    one: JobView, known: ForecastView, settings: OperatorSettings = SETTINGS, **seen: Any
) -> Decision:
    """Return the decision about a job whose template was accepted."""
    observed = Observation(
        **{"now": CREATED, "job": one, "template_checked": True, "forecast": known} | seen
    )
    return decide(observed, settings)


def plan_of(decision: Decision) -> PlanStatus:
    """Return the plan in the status."""
    assert decision.status.plan is not None
    return decision.status.plan


def scheduled(**schedule: Any) -> OperatorSettings:
    """Return settings with defaults for jobs."""
    return OperatorSettings.model_validate(
        {"schedule": {"startLatencySeconds": 0, "marginSeconds": 0, **schedule}}
    )


@pytest.mark.parametrize(
    ("objective", "hour"),
    [
        pytest.param(None, 1, id="nothing said: carbon"),
        pytest.param({"kind": "Carbon"}, 1, id="carbon"),
        pytest.param({"kind": "Cost"}, 2, id="cost"),
        pytest.param({"kind": "Both", "pricePerTonne": "150"}, 2, id="both, cheap tonnes"),
        pytest.param({"kind": "Both", "pricePerTonne": "250"}, 1, id="both, dear tonnes"),
    ],
)
def test_a_job_waits_for_the_hour_of_its_objective(
    objective: dict[str, Any] | None, hour: int
) -> None:
    """Two thirds of 300 g at 200 a tonne are the 0.06 that the cheap hour saves."""
    plan = plan_of(decided(job(objective), view()))

    assert plan.start == CREATED + hour * HOUR
    assert plan.objective == (objective or {"kind": "Carbon"})["kind"]
    assert plan.objective_note is None


def test_the_status_says_both_savings_and_the_currency() -> None:
    """The cheap hour: 0.04 instead of 0.20 saves 80 %, and 400 instead of 400 g nothing."""
    plan = plan_of(decided(job({"kind": "Cost"}), view()))

    assert (plan.currency, plan.planned_price_per_kwh, plan.run_now_price_per_kwh) == (
        "EUR",
        "0.04",
        "0.2",
    )
    assert plan.expected_money_saving_percent == "80.0"
    assert plan.expected_saving_percent == "0.0"


def test_savings_in_money_count_from_the_first_plan() -> None:
    """As those in grams do: what running at once would have cost does not become cheaper."""
    first = decided(job({"kind": "Cost"}), view())
    status = first.status.model_copy(update={"observed_generation": 1})
    later = view([0.02, 0.05, 0.05, 0.05, 0.02, 0.05, 0.05, 0.05])

    plan = plan_of(decided(replace(job({"kind": "Cost"}), status=status), later))

    assert plan.run_now_price_per_kwh == "0.2"


@pytest.mark.parametrize(
    ("objective", "settings", "kind", "price"),
    [
        (None, {"objective": {"kind": "Cost"}}, "Cost", None),
        (None, {"namespaceObjectives": {"ml": {"kind": "Cost"}}}, "Cost", None),
        (None, {"namespaceObjectives": {"other": {"kind": "Cost"}}}, "Carbon", None),
        (
            None,
            {
                "objective": {"kind": "Both", "pricePerTonne": "50"},
                "namespaceObjectives": {"ml": {"pricePerTonne": "80"}},
            },
            "Both",
            "80",
        ),
        ({"kind": "Both"}, {"objective": {"pricePerTonne": "70"}}, "Both", "70"),
        ({"pricePerTonne": "90"}, {"objective": {"kind": "Both"}}, "Both", "90"),
        ({"kind": "Carbon"}, {"objective": {"kind": "Cost"}}, "Carbon", None),
    ],
)
def test_what_a_job_leaves_out_comes_from_its_namespace_then_from_the_settings(
    objective: dict[str, Any] | None, settings: dict[str, Any], kind: str, price: str | None
) -> None:
    """Kind and price per tonne each by themselves."""
    plan = plan_of(decided(job(objective), view(), scheduled(**settings)))

    assert (plan.objective, plan.price_per_tonne) == (kind, price)


@pytest.mark.parametrize(
    ("known", "objective", "why"),
    [
        (view(None, price_trouble="zone DE has no prices"), {"kind": "Cost"}, "DE has no prices"),
        (
            view(),
            {"kind": "Both", "pricePerTonne": "90", "currency": "USD"},
            "in USD and the prices of zone DE in EUR: nothing is converted",
        ),
    ],
    ids=["no prices", "another currency"],
)
def test_prices_that_cannot_count_leave_a_plan_by_carbon_alone_that_says_so(
    known: ForecastView, objective: dict[str, Any], why: str
) -> None:
    """It neither stops nor delays the job, which takes the clean hour."""
    decision = decided(job(objective), known)

    plan, planned = plan_of(decision), find(decision.status.conditions, ConditionType.PLANNED)
    assert plan.start == CREATED + 1 * HOUR
    assert plan.objective == "Carbon"
    assert why in (plan.objective_note or "")
    assert planned is not None
    assert "planned by carbon alone" in planned.message
    assert why in planned.message


def test_prices_that_the_planner_cannot_use_leave_a_plan_by_carbon_alone() -> None:
    """Three prices with eight spreads contradict themselves: the job takes the clean hour."""
    broken = view()
    assert broken.prices is not None
    broken = replace(broken, prices=replace(broken.prices, price_per_kwh=(0.1,) * 3))

    plan = plan_of(decided(job({"kind": "Cost"}), broken))

    assert plan.start == CREATED + 1 * HOUR
    assert "3 prices and 8 spreads" in (plan.explanation or "")


def test_both_without_any_price_per_tonne_is_refused() -> None:
    """No number is guessed; the message says where one may stand."""
    decision = decided(job({"kind": "Both"}), view())

    valid = find(decision.status.conditions, ConditionType.VALID)
    assert valid is not None
    assert valid.status == "False"
    assert "spec.schedule.objective.pricePerTonne" in valid.message
    assert decision.actions == ()


@pytest.mark.parametrize("objective", [{"kind": "Cost"}, None], ids=["by cost", "by carbon"])
def test_the_first_prices_are_awaited_by_the_jobs_they_count_for_and_not_for_long(
    objective: dict[str, Any] | None,
) -> None:
    """A minute after a restart; a job by carbon does not care, and after it no job waits."""
    until = CREATED + timedelta(seconds=60)
    known = view(None, prices_pending_until=until, price_trouble="they are not known yet")

    first = decided(job(objective), known)
    later = decided(job(objective), known, now=until)

    if objective is None:
        assert plan_of(first).start == CREATED + 1 * HOUR
    else:
        assert first.status.plan is None
        assert first.look_again_seconds == 60
    assert plan_of(later).start == CREATED + 1 * HOUR


def test_a_pass_says_what_carbon_alone_and_cost_alone_would_have_chosen() -> None:
    """At 250 a tonne both take the clean hour; cost alone would pay 80 % less in the next."""
    one, known = job({"kind": "Both", "pricePerTonne": "250"}), view()
    observed = Observation(now=CREATED, job=one, template_checked=True, forecast=known)
    request = question_of(observed, SETTINGS)
    assert request is not None
    assert known.forecast is not None
    assert request.objective == Objective(ObjectiveKind.BOTH, 250.0)

    outlook = ZoneOutlook(known.forecast, known.prices)
    found = plan_together(CREATED, [request], {request.key: outlook}, Calendars(GpuRoom(), ()))[
        request.key
    ]
    plan = plan_of(decided(one, known, prepared=Prepared(request, found)))

    assert plan.alternatives == (
        "carbon alone would start at 2026-11-30 11:00Z with 75 % fewer grams and 50 % less money; "
        "cost alone would start at 2026-11-30 12:00Z with 0 % fewer grams and 80 % less money"
    )


@pytest.mark.parametrize(
    ("choice", "fault"),
    [
        ({"kind": "Cost", "pricePerTonne": "90"}, "pricePerTonne is for kind Both"),
        ({"kind": "Both", "currency": "EUR"}, "currency is that of pricePerTonne"),
        ({"kind": "Both", "pricePerTonne": "-1"}, "pricePerTonne"),
    ],
)
def test_an_objective_that_contradicts_itself_is_refused(
    choice: dict[str, Any], fault: str
) -> None:
    """In the settings as in a spec."""
    with pytest.raises(ValidationError, match=fault):
        ObjectiveChoice.model_validate(choice)
