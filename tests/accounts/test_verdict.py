"""The verdict on an ended job's figures: what its message says is what the status states."""

import pytest

from lowtide.accounts.verdict import verdict_on
from lowtide.energy.job import JobEnergy
from lowtide.energy.profile import EnergyProfile
from lowtide.trainingjob.base import ratio_text
from lowtide.trainingjob.conditions import Reason


def energy_known_for(ratio: float) -> JobEnergy:
    """Return a job's energy that is known for a share of its running time."""
    return JobEnergy(
        total_joules=1.0,
        parts=(),
        profile=EnergyProfile(()),
        pods=(),
        pods_without_series=(),
        final=True,
        energy_coverage_ratio=ratio,
        time_coverage_ratio=ratio,
        warnings=(),
    )


@pytest.mark.parametrize(
    ("ratio", "stated", "said"),
    [(0.77496, "0.7750", "77.5 %"), (0.77494, "0.7749", "77.4 %"), (0.94994, "0.9499", "94.9 %")],
)
def test_the_message_says_the_share_that_the_status_states(
    ratio: float, stated: str, said: str
) -> None:
    """By hand: the share has four places, and of these the message cuts the last."""
    _, message = verdict_on(energy_known_for(ratio), None)

    assert ratio_text(ratio) == stated
    assert f"energy is known for {said} of the running time" in message


def test_what_is_stated_as_enough_is_not_called_partial() -> None:
    """0.94996 is stated as 0.9500, and below 0.95 figures are partial."""
    _, message = verdict_on(energy_known_for(0.94996), None)

    assert "running time" not in message


def test_a_grid_of_which_nothing_is_known_is_said_without_a_figure_for_the_whole() -> None:
    """No intensity at all: 0 % of the energy is priced."""
    reason, message = verdict_on(energy_known_for(1.0), None)

    assert reason is Reason.NOT_PRICED
    assert "known for 0 % of the energy only" in message
