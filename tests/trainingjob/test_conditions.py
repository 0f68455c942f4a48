"""Conditions move only when the world does, and their words fit the API."""

from datetime import UTC, datetime, timedelta

from lowtide.trainingjob.conditions import Conditions, ConditionType, Reason, shortened

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)

HOUR = timedelta(hours=1)


def test_a_transition_time_moves_only_with_the_status() -> None:
    """A new message is not a transition."""
    first = Conditions((), now=NOON, generation=1)
    first.set(ConditionType.RUNNING, "False", Reason.WAITING, "a")
    later = Conditions(first.build(), now=NOON + HOUR, generation=2)
    later.set(ConditionType.RUNNING, "False", Reason.PODS_PENDING, "b")
    kept = next(c for c in later.build() if c.type == ConditionType.RUNNING)
    assert (kept.last_transition_time, kept.reason, kept.observed_generation) == (
        NOON,
        "PodsPending",
        2,
    )
    last = Conditions(later.build(), now=NOON + 2 * HOUR, generation=2)
    last.set(ConditionType.RUNNING, "True", Reason.PODS_RUNNING)
    moved = next(c for c in last.build() if c.type == ConditionType.RUNNING)
    assert moved.last_transition_time == NOON + 2 * HOUR


def test_every_reason_is_one_word_of_the_api() -> None:
    """The pattern of the CRD, for all of them."""
    assert all(reason.isalnum() and reason[0].isupper() for reason in Reason)


def test_long_messages_are_cut_to_one_line() -> None:
    """An API server's answer of many lines stays readable."""
    assert shortened("a\n  b") == "a b"
    assert len(shortened("x" * 5000)) == 1024
