"""`lowtide explain`: the sentences that people read about one job."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from lowtide.report.story import explain

NOW = datetime(2026, 11, 30, 20, 35, tzinfo=UTC)
WAITING: dict[str, Any] = {
    "display": {"state": "Waiting"},
    "plan": {
        "start": "2026-11-30T22:45:00Z",
        "segments": [{"start": "2026-11-30T22:45:00Z", "end": "2026-12-01T04:00:00Z"}],
        "expectedSavingPercent": "62",
        "plannedGramsPerKwh": "112",
        "runNowGramsPerKwh": "297",
        "expectedDurationSeconds": 18900,
        "durationSource": "Learnt",
        "forecastSource": "electricity-maps",
        "forecastGeneratedAt": "2026-11-30T20:23:00Z",
        "deadline": "2026-12-01T18:00:00Z",
        "latestStart": "2026-12-01T11:40:00Z",
        "wouldChange": "a newer forecast",
    },
}


def story(status: dict[str, Any], **options: Any) -> list[str]:
    """Return the lines about a job with this status."""
    spec = options.pop("spec", {})
    manifest = {"metadata": {"name": "bert"}, "spec": spec, "status": status}
    return explain(manifest, now=NOW, zone=options.pop("zone", UTC)).splitlines()


def test_waiting_job_says_until_when_and_why() -> None:
    """The first line alone answers the question."""
    assert story(WAITING)[0] == (
        "bert waits until 22:45 (in 2 h 10 min) because that is expected to save 62 %."
    )


def test_expected_grams_are_shown_where_energy_is_expected() -> None:
    """3.6 MJ is 1 kWh; at 297 g/kWh, 62 % of 297 g are 184 g."""
    status = WAITING | {"plan": WAITING["plan"] | {"expectedJoules": 3_600_000}}

    assert "expected to save 184 g CO2eq (62 %)" in story(status)[0]


def test_figures_of_the_plan_stand_below() -> None:
    """Intensity as planned and at once, the forecast's age, the deadline and the latest start."""
    text = "\n".join(story(WAITING))

    assert "planned    112 g/kWh  22:45 to 2026-12-01 04:00, one segment" in text
    assert "at once    297 g/kWh" in text
    assert "duration   5 h 15 min, learnt" in text
    assert "forecast   electricity-maps, 12 min old" in text
    assert "deadline   2026-12-01 18:00, latest start 2026-12-01 11:40" in text
    assert "changes by a newer forecast" in text


def test_times_are_those_of_the_reader() -> None:
    """An hour east of Greenwich, 22:45Z is 23:45."""
    assert "until 23:45 (in" in story(WAITING, zone=timezone(timedelta(hours=1)))[0]


def test_condition_that_is_wrong_is_quoted() -> None:
    """The operator's own words about a missing forecast are shown."""
    condition = {
        "type": "ForecastAvailable",
        "status": "False",
        "reason": "Unauthorized",
        "message": "Electricity Maps answered 401 for zone DE",
    }

    lines = story(WAITING | {"conditions": [condition]})

    assert lines[-1].strip() == (
        "ForecastAvailable=False  Unauthorized  Electricity Maps answered 401 for zone DE"
    )


def test_finished_job_says_what_it_cost() -> None:
    """Energy with its kind, carbon with its signal, SCI, and what waiting avoided."""
    status = {
        "display": {"state": "Complete"},
        "conditions": [
            {"type": "Complete", "status": "True"},
            {"type": "Measured", "status": "True", "reason": "Measured"},
        ],
        "attempts": [{"start": "2026-11-30T11:00:00Z", "end": "2026-11-30T12:30:00Z"}],
        "energy": {"totalJoules": 7_200_000, "kind": "Measured", "mock": True},
        "carbon": {
            "totalGrams": "300",
            "meanGramsPerKwh": "120",
            "signal": "Average",
            "factor": "life-cycle",
            "zone": "DE",
        },
        "sci": {"gramsPerUnit": "300", "functionalUnit": "TrainingJob"},
        "counterfactual": {"avoidedGrams": "-12", "avoidedPercent": "-4"},
    }

    text = "\n".join(story(status))

    assert text.startswith("bert is complete: it ran 1 h 30 min, from 2026-11-30 11:00 to 12:30.")
    assert "energy     2.00 kWh measured, from a stand-in" in text
    assert "carbon     300 g at 120 g/kWh, average intensity of DE (life-cycle emissions)" in text
    assert "added      12.0 g (-4 %) against running at once" in text


def test_best_possible_saving_stands_beside_what_was_reached() -> None:
    """800 g at once, 300 g at best: 500 g or 62 % were possible; restarts are named."""
    account = {
        "runNowGrams": "800",
        "avoidedGrams": "300",
        "avoidedPercent": "37.5",
        "clairvoyantGrams": "300",
        "reachPercent": "60.0",
        "restartJoules": 7200,
    }

    text = "\n".join(story({"counterfactual": account}))

    assert "possible   500 g (62 %) at best, knowing the future; 60 % of it was reached" in text
    assert "restarts   2.00 Wh for resuming after pauses, in the energy above" in text


def test_absent_optimum_says_why() -> None:
    """The status' own sentence is shown."""
    account = {"runNowGrams": "800", "message": "the best possible is known later"}

    assert "possible   the best possible is known later" in "\n".join(
        story({"counterfactual": account})
    )


@pytest.mark.parametrize("status", [{}, None])
def test_job_that_no_operator_looked_at(status: Any) -> None:
    """Without any status the operator is the first thing to check."""
    assert story(status or {}) == ["bert: the operator has not looked at it yet; is it running?"]


@pytest.mark.parametrize(
    ("efficiency", "said"),
    [
        pytest.param({"label": "C"}, "label      C", id="letter alone"),
        pytest.param(
            {"label": "C", "reference": "team", "referenceRows": 12},
            "label      C against team (12 rows)",
            id="letter and reference",
        ),
    ],
)
def test_letter_names_its_reference_where_there_is_one(
    efficiency: dict[str, Any], said: str
) -> None:
    """A letter whose reference is not known stands alone."""
    attempt = {"start": "2026-11-30T01:00:00Z", "end": "2026-11-30T02:00:00Z"}
    done = {"display": {"state": "Complete"}, "attempts": [attempt], "efficiency": efficiency}

    assert said in [line.strip() for line in story(done)]


def test_reason_of_a_pod_is_quoted_as_it_is() -> None:
    """A word that people look up is spelled as Kubernetes spells it."""
    attempt = {"start": "2026-11-30T20:34:50Z"}
    held = {"display": {"state": "ImagePullBackOff"}, "attempts": [attempt]}

    assert story(held)[0] == (
        "bert is held up by ImagePullBackOff; it first started at 20:34:50, 10 s ago."
    )


def test_a_plan_by_money_and_carbon_says_its_prices_and_what_each_alone_would_do() -> None:
    """The currency is said with every amount."""
    plan = WAITING["plan"] | {
        "objective": "Both",
        "pricePerTonne": "100",
        "currency": "EUR",
        "plannedPricePerKwh": "0.04",
        "runNowPricePerKwh": "0.2",
        "expectedMoneySavingPercent": "80.0",
        "alternatives": "carbon alone would start at 21:00; cost alone would start at 22:45",
    }

    text = "\n".join(story({"plan": plan}))

    assert "minimises  money, with 100 EUR per tonne of CO2eq" in text
    assert "price      0.04 instead of 0.2 EUR/kWh, 80 % less" in text
    assert "instead    carbon alone would start at 21:00; cost alone" in text


def test_a_plan_by_carbon_in_spite_of_its_wish_says_why() -> None:
    """The source of prices is away."""
    plan = WAITING["plan"] | {"objective": "Carbon", "objectiveNote": "entsoe answered 503"}

    assert "minimises  carbon alone: entsoe answered 503" in "\n".join(story({"plan": plan}))


def test_a_finished_job_says_what_its_electricity_cost_and_saved() -> None:
    """0.05 instead of 0.30 for 1 kWh; of 0.26 that were possible, half was reached."""
    bill = {
        "currency": "EUR",
        "source": "energy-charts",
        "paid": "0.05",
        "meanPricePerKwh": "0.05",
        "saved": "0.25",
        "savedPercent": "83.3",
        "runNowWeighed": "0.34",
        "leastWeighed": "0.08",
        "reachPercent": "50.0",
    }

    text = "\n".join(story({"electricity": bill}))

    assert "paid       0.05 EUR for electricity at 0.05 EUR/kWh, prices of energy-charts" in text
    assert "saved      0.25 EUR (83 %) against running at once" in text
    assert "objective  0.26 EUR of the objective at best, knowing the future; 50 % of it" in text


def test_a_finished_job_says_how_good_its_prediction_was() -> None:
    """Quantities with their error and whether the interval held; an unknown one is left out."""
    review = [
        {"quantity": "energyJoules", "actual": "100", "errorPercent": "4.21", "held": True},
        {"quantity": "runSeconds", "actual": "100", "errorPercent": "-12", "held": False},
        {"quantity": "later", "actual": "1", "errorPercent": "1", "held": True},
    ]
    words = explain(
        {"metadata": {"name": "net"}, "status": {"prediction": {"review": review}}}, now=NOW
    )

    assert (
        "predicted  energy 4.2 % too much, within its interval; "
        "time 12 % too little, outside its interval" in words
    )


ELASTIC: dict[str, Any] = {
    "display": {"state": "Complete"},
    "conditions": [
        {"type": "Complete", "status": "True", "reason": "JobComplete"},
        {
            "type": "Resizable",
            "status": "False",
            "reason": "ResizeRefused",
            "message": "4 replicas were refused: no",
        },
    ],
    "plan": {
        "segments": [
            {"start": "2026-11-30T10:00:00Z", "end": "2026-11-30T12:00:00Z", "replicas": 2},
            {"start": "2026-11-30T12:00:00Z", "end": "2026-11-30T13:30:00Z", "replicas": 4},
        ],
        "scaling": {
            "efficiency": "0.72",
            "low": "0.69",
            "high": "0.75",
            "source": "Learnt",
            "attempts": 6,
            "powerExponent": "1",
        },
    },
    "attempts": [
        {
            "start": "2026-11-30T10:00:00Z",
            "end": "2026-11-30T12:00:00Z",
            "replicas": 2,
            "baseReplicas": 2,
        },
        {
            "start": "2026-11-30T12:01:00Z",
            "end": "2026-11-30T13:31:00Z",
            "replicas": 4,
            "baseReplicas": 2,
        },
    ],
    "cost": {"currency": "USD", "instance": "30", "runNowInstance": "26.5"},
    "counterfactual": {"avoidedGrams": "120", "avoidedPercent": "12.0"},
}


def test_an_elastic_job_says_its_sizes_where_they_come_from_and_what_they_saved() -> None:
    """2 h with two replicas and 1.5 h with four are 10 replica hours, at 3 an hour 30."""
    said = "\n".join(story(ELASTIC, spec={"price": {"perHour": "3"}}))

    assert "2 to 4 replicas planned, 10.0 replica hours, 30.00 USD of hardware" in said
    assert "ran at     2 h with 2 replicas, 1 h 30 min with 4 replicas; 1 change of size" in said
    assert "scaling    efficiency of a doubling 0.72, learnt from 6 attempts (0.69 to 0.75)" in said
    assert "avoided    120 g (12 %) against running at once with 2 replicas" in said
    assert "hardware   30 USD; 26.5 USD for the same work with 2 replicas" in said
    assert "Resizable=False  ResizeRefused  4 replicas were refused: no" in said


def test_a_job_of_fixed_size_says_nothing_of_sizes() -> None:
    said = "\n".join(story(WAITING))

    assert not any(word in said for word in ("sizes", "ran at", "scaling", "replica"))


def test_a_scaling_that_cannot_be_is_left_out() -> None:
    """Whoever may write a status may have written this one."""
    scaling = ELASTIC["plan"]["scaling"] | {"efficiency": "7"}
    said = "\n".join(story(ELASTIC | {"plan": ELASTIC["plan"] | {"scaling": scaling}}))

    assert "sizes      2 to 4 replicas planned, 10.0 replica hours" in said
    assert "of hardware" not in said
    assert "scaling" not in said
