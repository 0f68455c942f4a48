"""Accepted templates are remembered by namespace, for a bounded time."""

from datetime import UTC, datetime, timedelta

from lowtide_operator.cluster.accepted import Accepted

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


def test_an_accepted_template_counts_in_its_namespace_for_ten_minutes() -> None:
    """Quotas and policies differ from one to the other, and change."""
    accepted = Accepted()
    accepted.remember("ml", "t", NOON)
    assert accepted.knows("ml", "t", NOON + timedelta(minutes=9))
    assert not accepted.knows("ml", "t", NOON + timedelta(minutes=10))
    assert not accepted.knows("other", "t", NOON)
