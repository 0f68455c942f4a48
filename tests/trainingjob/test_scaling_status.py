"""Scaling of an elastic job in its status, written and read again."""

import pytest

from lowtide.planning.rates import Rates
from lowtide.planning.scaling import Scaling, ScalingSource
from lowtide.trainingjob.scaling import ScalingStatus, scaling_from, scaling_status

LEARNT = Scaling(
    efficiency=0.8,
    low=0.7,
    high=0.9,
    source=ScalingSource.LEARNT,
    attempts=8,
    rates=Rates(((1, 1.0), (2, 1.9), (4, 3.123456789))),
)


def test_measured_speeds_are_remembered() -> None:
    """To five digits, so that the next decision plans with the same curve."""
    again = scaling_from(scaling_status(LEARNT))

    assert again is not None
    assert again.rates is not None
    assert again.rates.points == ((1, 1.0), (2, 1.9), (4, pytest.approx(3.123456789, abs=5e-5)))


@pytest.mark.parametrize("speed", ["0", "1.5"])
def test_a_status_with_speeds_that_cannot_be_is_none_to_plan_with(speed: str) -> None:
    """Another writer may have left it: no speed, or a larger size that is slower."""
    status = scaling_status(LEARNT)
    assert status is not None
    written = status.model_dump(by_alias=True)
    written["rates"][2]["speed"] = speed

    try:
        damaged = ScalingStatus.model_validate(written)
    except ValueError:
        return
    assert scaling_from(damaged) is None
