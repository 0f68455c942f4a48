"""Attempts in the status: which pods are kept, and what does not change between two looks."""

from datetime import UTC, datetime, timedelta

from lowtide.trainingjob.attempts import with_attempt, with_end
from lowtide.trainingjob.status import MAX_PODS, Attempt
from lowtide_operator.objects.pods import PodView
from lowtide_operator.status.attempts import with_pods

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


def seen(number: int, *, start: datetime | None = NOON, end: datetime | None = None) -> PodView:
    """Return a pod of an indexed Job."""
    return PodView(
        name=f"net-1-{number}-abcde",
        uid=f"uid-{number}",
        node="node",
        phase="Running",
        start=start,
        end=end,
        trouble=None,
        trouble_message="",
        exit_code=None,
        end_reason=None,
        report=None,
    )


def test_hundred_pods_give_the_same_status_at_every_look() -> None:
    """All of the pods are in it."""
    pods = [seen(number) for number in range(100)]
    once = with_pods(with_attempt((), "net-1"), pods)
    assert with_pods(once, pods) == once
    assert len(once[0].pods) == 100


def test_pods_above_the_limit_leave_the_status_as_it_is() -> None:
    """The limit holds for all attempts together."""
    pods = [seen(number) for number in range(MAX_PODS + 3)]
    first = with_end(with_pods(with_attempt((), "net-1"), pods[:3]), NOON, "Paused")
    once = with_pods(with_attempt(first, "net-1"), pods)
    assert sum(len(attempt.pods) for attempt in once) == MAX_PODS
    assert with_pods(once, pods) == once


def test_forty_attempts_are_all_kept() -> None:
    """A month with a pause every night and every evening."""
    attempts: tuple[Attempt, ...] = ()
    for number in range(40):
        start = NOON + timedelta(hours=number)
        pods = [seen(number, start=start, end=start + timedelta(minutes=30))]
        attempts = with_pods(with_attempt(attempts, "net-1"), pods)
        attempts = with_end(attempts, start + timedelta(minutes=30), "Paused")
    assert [attempt.number for attempt in attempts] == list(range(1, 41))


def test_a_pod_that_was_rejected_starts_no_attempt() -> None:
    """The attempt starts with the pod that ran."""
    rejected = seen(1, start=None, end=NOON)
    attempts = with_pods(with_attempt((), "net-1"), [rejected])
    assert attempts[0].start is None
    ran = seen(2, start=NOON + timedelta(minutes=1))
    assert with_pods(attempts, [rejected, ran])[0].start == NOON + timedelta(minutes=1)


def test_pods_that_began_after_the_last_attempt_belong_to_the_next() -> None:
    """The first ran from 12:00 to 12:30; a pod that had not begun then may belong to either."""
    half_past = NOON + timedelta(minutes=30)
    ran = seen(1, end=half_past)
    first = with_end(with_pods(with_attempt((), "net-1"), [ran]), half_past, "Paused")
    missed = seen(2, start=NOON + timedelta(minutes=29), end=half_past)
    waits = seen(3, start=None)
    assert [pod.uid for pod in with_pods(first, [ran, missed, waits])[0].pods] == ["uid-1", "uid-2"]

    later = seen(3, start=half_past + timedelta(seconds=4))
    both = with_pods(first, [ran, missed, later])

    assert [[pod.uid for pod in one.pods] for one in both] == [["uid-1", "uid-2"], ["uid-3"]]
    assert (both[0].end, both[0].outcome) == (half_past, "Paused")
    assert (both[1].number, both[1].name, both[1].start) == (2, "net-1", later.start)
    assert both[1].end is None
    assert with_pods(both, [ran, missed, later]) == both
