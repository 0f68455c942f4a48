"""The pace of the demonstration suits the machine, within what a person waits for."""

import pytest
from demonstration.pace import QUICKEST, pace_of


@pytest.mark.parametrize(
    ("run_seconds", "slot_seconds"),
    [(40, 12), (108, 12), (109, 13), (426, 48), (5000, 90)],
)
def test_a_run_takes_nine_hours_of_the_replayed_day(run_seconds: float, slot_seconds: int) -> None:
    """A slower machine gets longer hours; no hour is shorter than twelve seconds."""
    pace = pace_of(run_seconds)
    assert pace.slot_seconds == slot_seconds
    assert pace.run_seconds == max(run_seconds, QUICKEST.run_seconds)
