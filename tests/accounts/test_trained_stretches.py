"""Evidence of an elastic job's scaling: what was trained in each attempt, and what it drew."""

from datetime import UTC, datetime, timedelta

from lowtide.accounts.progress import Mark
from lowtide.accounts.trained_stretches import with_trained
from lowtide.planning.scaling import SizedAttempt
from lowtide.trainingjob.scaling import TrainedStretch
from lowtide.trainingjob.sized_attempts import sized_attempts
from lowtide.trainingjob.status import Attempt, AttemptPod, EpochEntry, TrainingStatus

START = datetime(2026, 11, 30, 10, tzinfo=UTC)


def at(minutes: float) -> datetime:
    """Return a time so many minutes after the start."""
    return START + timedelta(minutes=minutes)


def attempt(start: float, end: float | None, replicas: int | None = 2, **more: object) -> Attempt:
    """Return an attempt from one minute to another."""
    values = {"number": 1, "name": "wide-1", "start": at(start), "replicas": replicas}
    return Attempt(**values, end=None if end is None else at(end), **more)  # type: ignore[arg-type]


def stretch(unit: str, count: int, seconds: str) -> TrainedStretch:
    return TrainedStretch(unit=unit, count=count, seconds=seconds)  # type: ignore[arg-type]


def test_samples_count_between_two_answers_of_the_same_attempt() -> None:
    """The answer before its start and that after its end belong to others."""
    marks = [Mark(at(m), 100 * m, 50.0 * m) for m in (5, 12, 18, 29, 31)]
    found = with_trained((attempt(10, 30),), marks, None)

    assert found[0].trained == (stretch("Samples", 1700, "850"),)


def test_an_epoch_that_began_before_a_pause_counts_in_no_attempt() -> None:
    """Of epochs that end at 8, 16, 24 and 32 the third began before the pause at 20."""
    history = tuple(EpochEntry(epoch=n, end=at(8 * n), seconds="480") for n in range(1, 6))
    training = TrainingStatus(history=history)
    first, second = with_trained((attempt(0, 20), attempt(21, 41)), (), training)

    assert first.trained == (stretch("Epochs", 1, "480"),)
    assert second.trained == (stretch("Epochs", 2, "960"),)


def test_an_operator_that_starts_anew_does_not_shorten_what_was_seen() -> None:
    """The longer stretch in the same unit stays; a job of fixed size has none."""
    known = attempt(0, None, trained=(stretch("Samples", 900, "800"),))
    marks = [Mark(at(20), 1000, 1000.0), Mark(at(30), 1600, 1600.0)]

    assert with_trained((known,), marks, None) == (known,)
    fixed = attempt(0, None, replicas=None)
    assert with_trained((fixed,), marks, None) == (fixed,)


def test_an_attempt_that_is_short_or_not_whole_is_no_evidence() -> None:
    """Nine minutes, no room, a pod without its energy, an attempt that goes on: all say nothing."""
    pods = tuple(AttemptPod(name=f"p{n}", uid=f"u{n}", joules=600_000) for n in range(2))
    partly = (pods[0], pods[1].model_copy(update={"joules": None}))
    short = stretch("Samples", 10, "540")

    assert sized_attempts([attempt(0, 9, pods=pods, trained=(short,))]) == ()
    assert sized_attempts([attempt(0, 60, pods=pods, outcome="NoRoom")]) == ()
    assert sized_attempts([attempt(0, 60, pods=partly)]) == ()
    assert sized_attempts([attempt(0, 60, pods=pods[:1])]) == ()
    assert sized_attempts([attempt(0, None, pods=pods)]) == ()


def test_pace_and_power_of_an_attempt_are_what_was_trained_and_drawn_in_its_time() -> None:
    """1,700 samples in 850 s are 2 a second; 1.2 MJ in 20 minutes are a kilowatt."""
    pods = tuple(AttemptPod(name=f"p{n}", uid=f"u{n}", joules=600_000) for n in range(2))
    whole = attempt(10, 30, pods=pods, trained=(stretch("Samples", 1700, "850"),))

    assert sized_attempts([whole]) == (
        SizedAttempt(replicas=2, paces=(("Samples", 2.0),), watts=1000.0),
    )
