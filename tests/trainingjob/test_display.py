"""Texts of kubectl's columns for elastic jobs."""

from datetime import UTC, datetime, timedelta

import pytest

from lowtide.trainingjob.display import display_of
from lowtide.trainingjob.status import (
    Attempt,
    Condition,
    PlanSegment,
    PlanStatus,
    TrainingJobStatus,
)

START = datetime(2026, 11, 30, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


def attempt(number: int, replicas: int | None, *, is_open: bool = False) -> Attempt:
    """Return an attempt of an hour."""
    begin = START + number * HOUR
    end = None if is_open else begin + HOUR
    return Attempt(number=number, name="wide-1", start=begin, end=end, replicas=replicas)


def plan(*sizes: int | None) -> PlanStatus:
    """Return a plan of one hour at each of these sizes."""
    segments = tuple(
        PlanSegment(start=START + n * HOUR, end=START + (n + 1) * HOUR, replicas=size)
        for n, size in enumerate(sizes)
    )
    return PlanStatus(segments=segments)


@pytest.mark.parametrize(
    ("sections", "shown"),
    [
        ({"plan": plan(2, 4)}, "2 to 4"),
        ({"plan": plan(2, 2)}, "2"),
        ({"plan": plan(4), "attempts": (attempt(1, 2), attempt(2, 4, is_open=True))}, "4 (2 to 4)"),
        ({"plan": plan(8), "attempts": (attempt(1, 2),)}, "2 to 8"),
        ({"plan": plan(None), "attempts": (attempt(1, None),)}, None),
        ({}, None),
    ],
    ids=["planned", "one size", "running", "resting", "fixed size", "nothing yet"],
)
def test_the_column_of_replicas_says_now_and_between_which_sizes(sections, shown):
    assert display_of(TrainingJobStatus(**sections)).replicas == shown


def test_after_the_end_the_sizes_are_those_that_ran():
    """What was planned beyond them no longer counts."""
    over = Condition(
        type="Complete", status="True", reason="JobComplete", last_transition_time=START
    )
    status = TrainingJobStatus(
        plan=plan(8), attempts=(attempt(1, 2), attempt(2, 4)), conditions=(over,)
    )

    assert display_of(status).replicas == "2 to 4"
