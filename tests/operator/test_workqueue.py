"""The work queue with a clock of its own: no sleeps, no chance."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide_operator.objects.key import Key
from lowtide_operator.workqueue import Backoff, Lane, WorkQueue

A, B = Key("default", "a"), Key("default", "b")


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> WorkQueue:
    """An empty queue whose jitter always takes the whole bound."""
    return WorkQueue(clock=clock, random=lambda: 1.0, backoff=Backoff(1, 300))


async def test_a_key_waits_at_most_once(queue: WorkQueue) -> None:
    """Ten events about one job are one look."""
    for _ in range(10):
        queue.add(A)
    assert queue.length == 1
    assert await queue.take() == A
    assert queue.length == 0


async def test_a_key_never_runs_in_two_workers(queue: WorkQueue) -> None:
    """A change during a look waits until that look is done, then runs at once."""
    queue.add(A)
    queue.add(B)
    assert await queue.take() == A
    queue.add(A)
    assert await queue.take() == B
    queue.done(A)
    assert await queue.take() == A


async def test_keys_are_taken_in_the_order_they_came(queue: WorkQueue) -> None:
    """No job is overtaken."""
    queue.add(B)
    queue.add(A)
    assert [await queue.take(), await queue.take()] == [B, A]


async def test_the_earliest_of_several_later_looks_counts(queue: WorkQueue, clock: Clock) -> None:
    """One heap entry fires, the later one is forgotten."""
    queue.add_later(A, 50)
    queue.add_later(A, 10)
    queue.add_later(A, 90)
    assert queue.add_due() == 10
    clock.now += 10
    queue.add_due()
    assert await queue.take() == A
    clock.now += 500
    queue.done(A)
    assert queue.add_due() is None
    assert queue.length == 0


def test_failures_double_the_wait_up_to_the_ceiling(queue: WorkQueue) -> None:
    """1, 2, 4 ... 256, then 300 s for ever."""
    waits = [queue.failed(A) for _ in range(12)]
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]


async def test_a_success_forgets_earlier_failures(queue: WorkQueue) -> None:
    """The next failure waits for a second again."""
    queue.failed(A)
    queue.failed(A)
    queue.done(A)
    assert queue.failed(A) == 1


def test_failures_of_one_key_do_not_slow_another(queue: WorkQueue) -> None:
    """Backoff is counted per key."""
    for _ in range(5):
        queue.failed(A)
    assert queue.failed(B) == 1


def test_a_server_that_asks_for_more_time_gets_it_up_to_the_ceiling(queue: WorkQueue) -> None:
    """Retry-After counts where it is longer, and never beyond 300 s."""
    assert queue.failed(A, 20) == 20
    assert queue.failed(B, 4000) == 300


async def test_a_change_during_a_failing_look_does_not_defeat_the_backoff(
    queue: WorkQueue, clock: Clock
) -> None:
    """An object that fails and changes all the time is still tried with pauses."""
    queue.add(A)
    await queue.take()
    queue.add(A)
    queue.failed(A)
    assert queue.length == 0
    clock.now += 1
    queue.add_due()
    assert await queue.take() == A


def test_the_oldest_age_is_that_of_the_first_waiting_key(queue: WorkQueue, clock: Clock) -> None:
    """The health page watches this age: it grows while no worker is free."""
    assert queue.oldest_age_seconds == 0
    queue.add(A)
    clock.now += 7
    queue.add(B)
    clock.now += 1
    assert queue.oldest_age_seconds == 8


async def test_slow_work_waits_in_a_lane_of_its_own(clock: Clock) -> None:
    """B has ended: its look takes none of the workers that start jobs, and no queue is stuck."""
    ended = {B}
    queue = WorkQueue(
        clock=clock,
        random=lambda: 1.0,
        lane_of=lambda key: Lane.MEASURING if key in ended else Lane.JOBS,
    )
    queue.add(B)
    clock.now += 500
    queue.add(A)
    assert queue.oldest_age_seconds == 0
    assert await queue.take() == A
    queue.add(A)
    ended.add(A)
    queue.done(A)
    assert [await queue.take(Lane.MEASURING), await queue.take(Lane.MEASURING)] == [B, A]
    assert queue.length == 0


async def test_a_job_that_ends_while_it_waits_is_read_by_no_worker_that_starts_jobs(
    clock: Clock,
) -> None:
    """A standby lined it up while it ran; when it takes over, the job has long ended."""
    ended: set[Key] = set()
    queue = WorkQueue(
        clock=clock,
        random=lambda: 1.0,
        lane_of=lambda key: Lane.MEASURING if key in ended else Lane.JOBS,
    )
    queue.add(A)
    queue.add(B)
    ended.add(A)
    assert await queue.take() == B
    assert await queue.take(Lane.MEASURING) == A
    assert queue.length == 0


async def test_a_job_that_is_due_is_tried_again_soon(queue: WorkQueue) -> None:
    """The tenth failure would wait for five minutes, and Retry-After for two."""
    for _ in range(10):
        queue.failed(A)
    assert queue.failed(A, 120, 30) == 30


async def test_a_step_of_the_wall_clock_brings_later_looks_forward(
    queue: WorkQueue, clock: Clock
) -> None:
    """What was due in 300 s is due in 28 when the clock was set forward by 272 s."""
    queue.add_later(A, 300)
    queue.bring_forward(272)
    assert queue.add_due() == 28
    clock.now += 28
    queue.add_due()
    assert await queue.take() == A


async def test_a_stopped_queue_hands_out_nothing(queue: WorkQueue) -> None:
    """Workers end after what they are doing."""
    queue.add(A)
    queue.stop()
    assert await queue.take() is None


@given(st.integers(1, 60), st.floats(0, 0.999999))
def test_waits_have_jitter_a_floor_and_a_ceiling(failures: int, random: float) -> None:
    """Full jitter below the bound, never a busy loop."""
    wait = Backoff(1, 300).wait_seconds(failures, lambda: random)
    assert 0.005 <= wait <= min(300, 2 ** (failures - 1))
