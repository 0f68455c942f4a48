"""When the operator saw a job end, by its own clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lowtide_operator.measuring.ends import end_seen
from lowtide_operator.objects.records import Record
from lowtide_operator.objects.views import JobView

CREATED = datetime(2026, 11, 30, 12, tzinfo=UTC)
ENDED = CREATED + timedelta(hours=1)


def job(*conditions: tuple[str, str, datetime]) -> JobView:
    """Return a job with conditions: kind, status, and when that was written."""
    held: list[dict[str, Any]] = [
        {
            "type": kind, "status": status, "reason": "Ended", "message": "",
            "lastTransitionTime": f"{written:%Y-%m-%dT%H:%M:%SZ}",
        }
        for kind, status, written in conditions
    ]  # fmt: skip
    metadata = {"name": "net", "namespace": "ml", "uid": "1", "creationTimestamp": str(CREATED)}
    return Record.of({"metadata": metadata, "spec": {}, "status": {"conditions": held}}).view()


@pytest.mark.parametrize("kind", ["Complete", "Failed"])
def test_the_end_is_when_its_condition_was_written(kind: str) -> None:
    """Eight minutes after the pod's own word: the operator's clock is ahead by as much."""
    written = ENDED + timedelta(minutes=8)
    seen = end_seen(job((kind, "True", written), ("Running", "False", ENDED)), written)

    assert seen == written


def test_a_job_that_did_not_end_was_not_seen_to_end() -> None:
    """A condition that is false says when that became known, not when the job ended."""
    assert end_seen(job(("Complete", "False", ENDED)), ENDED) == CREATED


def test_a_time_that_is_still_to_come_counts_for_nothing() -> None:
    """The clock was a year ahead and was set back: the figures are not awaited for a year."""
    written = ENDED + timedelta(days=365)

    assert end_seen(job(("Complete", "True", written)), ENDED) == CREATED
