"""Records keep what the operator needs of a TrainingJob, and little else."""

from datetime import UTC, datetime

from lowtide_operator.objects.records import Record, parse_status

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


def test_a_status_of_another_version_loses_only_what_cannot_be_read() -> None:
    """An unknown section or field never makes a job unreadable."""
    text = b'{"plan": {"reason": "X"}, "energy": {"unknown": 1}, "newer": {}}'
    status = parse_status(text)
    assert status.plan is not None
    assert status.plan.reason == "X"
    assert status.energy is None


def test_a_record_keeps_no_template() -> None:
    """Ten thousand jobs must fit into the memory limit."""
    template = {"spec": {"template": {"spec": {"containers": [{"image": "x" * 10_000}]}}}}
    metadata = {
        "name": "net",
        "namespace": "ml",
        "uid": "u",
        "creationTimestamp": "2026-11-30T12:00:00Z",
    }
    record = Record.of({"metadata": metadata, "spec": {"template": template}})
    assert len(record.spec) < 100
    assert record.view().created == NOON
