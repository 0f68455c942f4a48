"""The run at submission, against figures worked out by hand: pauses, resumes, other sizes."""

from datetime import UTC, datetime, timedelta
from typing import Any

from lowtide.accounts.run_at_submission import restart_work, resumes, run_at_submission
from lowtide.energy.profile import EnergyInterval, EnergyProfile
from lowtide.trainingjob.attempts import NO_ROOM, RESIZED
from lowtide.trainingjob.models import parse_spec
from lowtide.trainingjob.status import Attempt

SUBMITTED = datetime(2026, 11, 30, 10, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
INTERRUPTION = {"allowed": True, "restartCostSeconds": 900}


def spec(*, may_pause: bool = True) -> Any:
    """Return the spec of a job whose resumes cost a quarter of an hour, if it may be paused."""
    schedule = {"interruption": INTERRUPTION} if may_pause else {}
    return parse_spec({"template": {}, "schedule": schedule})


def attempt(number: int, start: float, end: float, **more: Any) -> Attempt:
    """Return an attempt, in hours after submission."""
    first, last = SUBMITTED + start * HOUR, SUBMITTED + end * HOUR
    return Attempt(number=number, name="net-1", start=first, end=last, **more)


def run(*parts: tuple[float, float, float]) -> EnergyProfile:
    """Return a run of parts with start and end, in hours after submission, and power in kW."""
    return EnergyProfile(
        tuple(
            EnergyInterval(SUBMITTED + a * HOUR, SUBMITTED + b * HOUR, (b - a) * kilowatts * 3.6e6)
            for a, b, kilowatts in parts
        )
    )


def parts_of(profile: EnergyProfile) -> list[tuple[float, float, float]]:
    """Return a run as `run` takes it."""
    return [
        (
            round((part.start - SUBMITTED) / HOUR, 6),
            round((part.end - SUBMITTED) / HOUR, 6),
            round(part.energy_joules / 3.6e6 / ((part.end - part.start) / HOUR), 6),
        )
        for part in profile.intervals
    ]


def test_the_start_of_every_resume_is_restart_work() -> None:
    """A quarter of an hour each, the short last attempt as a whole; the first start is free."""
    attempts = (attempt(1, 0, 1), attempt(2, 2, 4), attempt(3, 5, 5.1))

    spans = restart_work(spec(), attempts)

    assert [(s.start - SUBMITTED, s.end - SUBMITTED) for s in spans] == [
        (2 * HOUR, 2.25 * HOUR),
        (5 * HOUR, 5.1 * HOUR),
    ]


def test_what_a_resuming_pod_draws_before_its_first_container_belongs_to_the_resume() -> None:
    """From the end of the attempt before; the first attempt has none."""
    attempts = (attempt(1, 0, 1), attempt(2, 2, 4))

    spans = resumes(spec(), attempts)

    assert [(s.start - SUBMITTED, s.end - SUBMITTED) for s in spans] == [(HOUR, 2.25 * HOUR)]


def test_without_permission_to_pause_nothing_is_taken_for_restart_work() -> None:
    """The cost of a resume is not stated, so the baseline is not made smaller by a guess."""
    assert restart_work(spec(may_pause=False), (attempt(1, 0, 1), attempt(2, 2, 4))) == ()


def test_a_wider_attempt_stands_for_its_work_at_the_base_size() -> None:
    """An hour at two workers, then, after a resume, an hour at four that are 1.8 times as fast.

    At two workers the second is 1.8 hours at half the power; the quarter that resuming took is
    left out.
    """
    base = {"replicas": 2, "base_replicas": 2, "speed": "1"}
    wide = {"replicas": 4, "base_replicas": 2, "speed": "1.8"}
    attempts = (attempt(1, 1, 2, outcome=RESIZED, **base), attempt(2, 3, 4.25, **wide))

    moved = run_at_submission(run((1, 2, 1.0), (2.9, 4.25, 2.0)), spec(), attempts, SUBMITTED)

    assert parts_of(moved) == [(0.0, 1.0, 1.0), (1.0, 2.8, 1.0)]


def test_a_narrow_first_attempt_that_still_runs_stands_for_less_work() -> None:
    """One of two workers for two hours, 0.6 times as fast: 1.2 hours at twice the power."""
    narrow = {"replicas": 1, "base_replicas": 2, "speed": "0.6"}
    first = attempt(1, 0, 2, **narrow).model_copy(update={"end": None})

    moved = run_at_submission(run((0, 2, 0.5)), spec(), (first,), SUBMITTED)

    assert parts_of(moved) == [(0.0, 1.2, 1.0)]


def test_an_attempt_without_room_would_not_have_been() -> None:
    """Pods that waited for a GPU did no work, however long they held the others."""
    base = {"replicas": 2, "base_replicas": 2, "speed": "1"}
    wide = {"replicas": 4, "base_replicas": 2, "speed": "1.8"}
    attempts = (
        attempt(1, 0, 1, outcome=RESIZED, **base),
        attempt(2, 1, 2, outcome=NO_ROOM, **wide),
        attempt(3, 2, 3.25, **base),
    )

    moved = run_at_submission(
        run((0, 1, 1.0), (1, 2, 0.3), (2, 3.25, 1.0)), spec(), attempts, SUBMITTED
    )

    assert parts_of(moved) == [(0.0, 1.0, 1.0), (1.0, 2.0, 1.0)]
