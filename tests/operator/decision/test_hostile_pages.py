"""Pages of trainings that lie: a prediction and a budget are judged by them, and nothing fails.

A page is a tenant's own. It may tell of a billion epochs, of times that run backwards, of counts
that fall, and of a checkpoint that took thirty years. What cannot be is left out by the reading of
the report; the rest must give a status that the API server takes, with intervals in their order.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from lowtide.accounts.foresight import foresee, with_what_was_known
from lowtide.accounts.predicted import Circumstances
from lowtide.accounts.progress import LiveReport, Mark, add_mark
from lowtide.grid.forecast import Forecast, Source
from lowtide.grid.series import Signal
from lowtide.trainingjob.budget import AmountLimit, Budget, BudgetAction, FinishLimit
from lowtide.trainingjob.conditions import ConditionType, find
from lowtide.trainingjob.report import parse_report
from lowtide.trainingjob.schedule import Interruption, Policy, Schedule
from lowtide.trainingjob.spec import Hardware, Price, TrainingJobSpec
from lowtide.trainingjob.status import Attempt, AttemptPod, TrainingJobStatus
from lowtide.trainingjob.training import training_of
from lowtide_operator.decision.decide import decide
from lowtide_operator.decision.observation import Observation
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.pods import PodView
from lowtide_operator.objects.views import ChildView, JobView
from lowtide_operator.settings import OperatorSettings

SETTINGS: Final = OperatorSettings()
CREATED: Final = datetime(2026, 11, 30, 10, 0, tzinfo=UTC)
KEY: Final = Key("default", "liar")
POD: Final = PodView(
    name="liar-1-abcde", uid="pod-1", node="gpu-3", phase="Running", start=CREATED, end=None,
    trouble=None, trouble_message="", exit_code=None, end_reason=None, report=None,
    grace_seconds=30.0,
)  # fmt: skip
CHILD: Final = ChildView(
    name="liar-1", uid="job-1", owner=KEY, owner_uid="uid-1", resource_version="7", created=CREATED,
    suspended=False, queued=False, active=1, ready=1, started=CREATED, ending=None, deleting=False,
)  # fmt: skip
STARTED: Final = Attempt(
    number=1,
    name="liar-1",
    start=CREATED,
    pods=(AttemptPod(name=POD.name, uid=POD.uid, start=CREATED),),
)
COUNTS: Final = (0, 1, 7, -1, 0.5, 1e308, 10**9 - 1, 10**26, 10**30, "many", None, True)
SECONDS: Final = (0, 1e-9, 1, 60, 3600, 1e9, 1e10, -5)


def page(dice: random.Random) -> str:
    """Return what a training that lies answers."""
    entries = dice.choice((0, 4, 5, 6, 20, 48))
    # A history of nonsense is left out as a whole, so every second page lies elsewhere only.
    wild = dice.random() < 0.5
    epoch, end, epochs, ends = 0, CREATED.timestamp(), [], []
    for _ in range(entries):
        epoch += dice.choice((1, 1, 1, 0, 10**6, -1)) if wild else dice.choice((1, 1, 10**6))
        end += dice.choice((1, 60, 0, -60, 1e6, 1e9, 0.5)) if wild else 60
        epochs.append(epoch)
        ends.append(end)
    return json.dumps(
        {
            "schemaVersion": 1,
            "outcome": "Running",
            "epochs": dice.choice((epoch, *COUNTS)),
            "epochsPlanned": dice.choice((entries + 5, epoch + 9, 10**9 - 1, *COUNTS)),
            "samples": dice.choice(COUNTS),
            "samplesPlanned": dice.choice(COUNTS),
            "startedAt": dice.choice((CREATED.timestamp(), 0, 1e10, -5)),
            "trainingSeconds": dice.choice(SECONDS),
            "history": {
                "epoch": epochs,
                "endedAt": ends,
                "durationSeconds": [
                    dice.choice(SECONDS) if wild and dice.random() < 0.3 else 60.0
                    for _ in range(entries)
                ],
                "accuracy": [None] * entries,
            },
            "checkpoint": {
                "name": "c",
                "batches": dice.choice(COUNTS),
                "savedAt": CREATED.timestamp(),
                "sizeBytes": dice.choice(COUNTS),
                "durationSeconds": dice.choice((1e9, 1e10, 0.001, -1, 20)),
            },
        }
    )


def spec_of(dice: random.Random) -> TrainingJobSpec:
    """Return a spec with a budget of limits that are nothing or more than there is."""

    def limit() -> AmountLimit:
        amount = dice.choice(("0", "0.000001", "1000000", "9" * 30))
        return AmountLimit(limit=amount, action=dice.choice(list(BudgetAction)))

    return TrainingJobSpec(
        template={},
        budget=Budget(
            energy_joules=limit(),
            grams=limit(),
            money=limit(),
            finish=FinishLimit(limit=CREATED + timedelta(seconds=dice.choice((0, 3600, 1e9)))),
        ),
        price=dice.choice((None, Price(per_hour="9" * 20, currency="EUR"))),
        hardware=dice.choice((Hardware(), Hardware(embodied_grams="9" * 15))),
        schedule=Schedule(
            policy=Policy.IMMEDIATE,
            interruption=Interruption(allowed=True),
            deadline=CREATED + timedelta(hours=100),
        ),
    )


def forecast() -> Forecast:
    """Return an ordinary forecast of two days."""
    return Forecast(
        zone="DE",
        signal=Signal.AVERAGE,
        start=CREATED,
        slot_seconds=3600,
        grams_per_kwh=(300.0,) * 48,
        spread_grams_per_kwh=(10.0,) * 48,
        sources=(Source.PROVIDER,) * 48,
    )


def statuses(seed: int) -> Iterator[TrainingJobStatus]:
    """Yield the statuses of a job whose training tells something else at every look."""
    dice = random.Random(seed)
    spec = spec_of(dice)
    status = TrainingJobStatus(observed_generation=1, attempts=(STARTED,))
    marks: list[Mark] = []
    joules = 0.0
    for turn in range(1, 4):
        now = CREATED + timedelta(seconds=dice.choice((10, 3600, 86_400 * 300)) * turn)
        report = parse_report(page(dice)).report
        if report is None:
            continue
        add_mark(marks, now, report)
        joules += dice.choice((0, 1, 1e5, 1e15))
        curves = (((CREATED, 0.0), (now, joules)),) if dice.random() < 0.8 else ()
        training = with_what_was_known(training_of(report), status.training, curves)
        about = Circumstances(
            now=now, spec=spec, status=status, gpus=1, price=spec.price, forecast=forecast(),
            curves=curves,
        )  # fmt: skip
        job = JobView(
            key=KEY, uid="uid-1", generation=1, resource_version="1", created=CREATED,
            deleting=False, run_now=False, gpus=1, spec=spec, status=status,
        )  # fmt: skip
        live = LiveReport(now, report, tuple(marks))
        seen = Observation(
            now=now, job=job, template_checked=True, child=CHILD, pods=(POD,), training=training,
            prediction=foresee(live, training, about), joules_so_far={POD.uid: joules},
        )  # fmt: skip
        status = decide(seen, SETTINGS).status
        yield status


def intervals(status: TrainingJobStatus) -> Iterator[tuple[float, float, float]]:
    """Yield the predicted amounts of a status."""
    prediction = status.prediction
    if prediction is not None:
        for amount in (prediction.energy_joules, prediction.grams, prediction.money):
            if amount is not None:
                yield float(amount.low), float(amount.expected), float(amount.high)


SLOW = pytest.mark.slow


@pytest.mark.parametrize("first", [0, pytest.param(100, marks=SLOW), pytest.param(200, marks=SLOW)])
def test_no_page_breaks_a_status_or_turns_an_interval_round(first: int) -> None:
    """Every status is what the API server takes, and no longer for any lie."""
    predicted = 0
    for seed in range(first, first + 100):
        for status in statuses(seed):
            body: dict[str, Any] = status.to_api()
            text = json.dumps(body, allow_nan=False)
            assert TrainingJobStatus.model_validate(body) == status, seed
            assert len(text) < 20_000, seed
            for low, expected, high in intervals(status):
                assert 0 <= low <= expected <= high, seed
                predicted += 1
    assert predicted > 20


def test_a_checkpoint_of_thirty_years_warns_and_does_no_more() -> None:
    """By hand: 1.5 times 1e9 s and 5 more."""
    report = parse_report(
        json.dumps(
            {
                "schemaVersion": 1,
                "checkpoint": {
                    "name": "c", "batches": 1, "savedAt": CREATED.timestamp(), "sizeBytes": 1,
                    "durationSeconds": 1e9,
                },
            }
        )
    ).report  # fmt: skip
    assert report is not None
    spec = spec_of(random.Random(0)).model_copy(update={"budget": None})
    status = TrainingJobStatus(observed_generation=1, attempts=(STARTED,))
    job = JobView(
        key=KEY, uid="uid-1", generation=1, resource_version="1", created=CREATED,
        deleting=False, run_now=False, gpus=1, spec=spec, status=status,
    )  # fmt: skip
    training = with_what_was_known(training_of(report), None, ())
    seen = Observation(
        now=CREATED + timedelta(hours=1), job=job, template_checked=True, child=CHILD,
        pods=(replace(POD),), training=training,
    )  # fmt: skip

    decision = decide(seen, SETTINGS)

    risk = find(decision.status.conditions, ConditionType.PAUSE_AT_RISK)
    assert risk is not None
    assert (risk.status, risk.reason) == ("True", "GracePeriodShort")
    assert "to 1500000005 or more" in risk.message
    assert decision.actions == ()
