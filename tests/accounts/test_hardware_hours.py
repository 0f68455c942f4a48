"""Price of the hardware of an elastic job: every pod's hours, at every width."""

from datetime import UTC, datetime, timedelta

import pytest

from lowtide.accounts.hardware_hours import (
    hardware_money,
    pod_seconds_at_base,
    pod_seconds_so_far,
)
from lowtide.accounts.predicted import Circumstances, WholeRun
from lowtide.accounts.scores import cost_status
from lowtide.prediction.progress import Expected
from lowtide.trainingjob.models import parse_spec
from lowtide.trainingjob.spec import Price
from lowtide.trainingjob.status import Attempt, TrainingJobStatus
from lowtide_operator.settings import OperatorSettings

START = datetime(2026, 11, 30, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
PRICE = Price(per_hour="3")
SPEC = parse_spec(
    {
        "template": {},
        "price": {"perHour": "3"},
        "schedule": {
            "interruption": {"allowed": True, "restartCostSeconds": 900},
            "elastic": {"minReplicas": 1, "maxReplicas": 4, "efficiency": "0.9"},
        },
    }
)


def attempts(*, is_over: bool = True) -> tuple[Attempt, ...]:
    """Return two hours at the template's two replicas, then one and a quarter at four."""
    return (
        Attempt(
            number=1, name="a", start=START, end=START + 2 * HOUR,
            replicas=2, base_replicas=2, speed="1",
        ),
        Attempt(
            number=2, name="a", start=START + 5 * HOUR,
            end=START + 6.25 * HOUR if is_over else None,
            replicas=4, base_replicas=2, speed="1.8",
        ),
    )  # fmt: skip


def test_the_hours_of_every_pod_count() -> None:
    """2 h of 2 pods and 1.25 h of 4 are 9 pod hours: 27 at 3 an hour."""
    seconds = pod_seconds_so_far(attempts(), 1, START + 9 * HOUR)

    assert seconds == 9 * 3600
    assert hardware_money(PRICE, seconds) == 27
    assert hardware_money(Price(per_kilowatt_hour="1"), seconds) is None


def test_run_now_is_the_same_work_at_the_templates_size_without_a_resume() -> None:
    """2 h, and (1.25 h - 0.25 h) * 1.8: 3.8 h of 2 pods are 7.6 pod hours, 22.8 at 3 an hour."""
    seconds = pod_seconds_at_base(SPEC, attempts())
    assert seconds == pytest.approx(7.6 * 3600)
    assert pod_seconds_at_base(SPEC, attempts(is_over=False)) is None
    assert pod_seconds_at_base(SPEC, [Attempt(number=1, name="a", start=START)]) is None

    cost = cost_status(SPEC, 0.0, 9 * 3600, OperatorSettings(), attempts())
    assert cost is not None
    assert (cost.instance, cost.run_now_instance) == ("27", "22.8")


def test_a_prediction_counts_past_widths_and_goes_on_at_that_of_now() -> None:
    """4 h so far at two widths are 2 * 2 + 2 * 4 = 12 pod hours, 3 more hours of 4 pods 12: 72."""
    about = Circumstances(
        now=START + 7 * HOUR,
        spec=SPEC,
        status=TrainingJobStatus(attempts=attempts(is_over=False)),
        gpus=4,
        pods=4,
        price=PRICE,
    )
    whole = WholeRun(about=about)
    seconds = (4 + 3) * 3600.0
    whole.add_money(Expected(seconds, seconds, seconds))

    assert whole.money is not None
    assert whole.money.expected == pytest.approx(72)
