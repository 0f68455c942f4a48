"""Records keep what the operator needs of a TrainingJob, and little else."""

from datetime import UTC, datetime
from typing import Any

import pytest

from lowtide_operator.objects import records
from lowtide_operator.objects.records import Record, parse_status
from lowtide_operator.objects.views import Fault

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


@pytest.mark.parametrize(
    ("section", "content"),
    [
        ("carbon", {"operationalGrams": "much"}),
        ("carbon", {"operationalGrams": ["5"]}),
        ("energy", {"totalJoules": 10**400}),
        ("plan", {"start": "0000-01-01T00:00:00Z"}),
        ("plan", {"deadline": "0001-01-01T00:00:00+14:00"}),
        ("conditions", [{"type": "Strange"}, "Complete"]),
        ("attempts", ["first", {"start": "soon"}]),
        ("efficiency", {"label": {"a": 1}, "metrics": [{"name": 3, "value": "1e9999"}]}),
    ],
)
def test_what_is_no_figure_in_a_status_is_left_out_and_the_job_is_handled(
    section: str, content: Any
) -> None:
    """Anyone who may write a status may write this; the other figures stand."""
    metadata = {
        "name": "net",
        "namespace": "ml",
        "uid": "u",
        "creationTimestamp": "2026-11-30T12:00:00Z",
    }
    status = {"sci": {"gramsPerUnit": "2.5"}, section: content}
    record = Record.of({"metadata": metadata, "spec": {"template": {}}, "status": status})
    assert record.summary.figures == {"sci_grams_per_unit": 2.5}
    found = record.view().status.sci
    assert found is not None
    assert found.grams_per_unit == "2.5"


def nested(levels: int) -> dict[str, Any]:
    """Return a body whose template holds mappings so many levels deep."""
    template: dict[str, Any] = {}
    for _ in range(levels - 1):
        template = {"x": template}
    metadata = {
        "name": "net",
        "namespace": "ml",
        "uid": "u",
        "creationTimestamp": "2026-11-30T12:00:00Z",
    }
    return {"metadata": metadata, "spec": {"template": template}}


@pytest.mark.parametrize(("levels", "is_fault"), [(100, False), (102, True), (9_000, True)])
def test_a_template_that_is_nested_too_deep_is_a_fault_and_no_crash(
    levels: int, is_fault: bool
) -> None:
    """At a depth that a few stack frames a level could not take."""
    spec = Record.of(nested(levels)).view().spec
    assert isinstance(spec, Fault) is is_fault
    if isinstance(spec, Fault):
        assert spec.message.startswith("spec.template is nested more than 100 levels deep")


def test_a_template_is_walked_once_for_each_version_of_the_spec(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Megabytes of template cost nothing when the status alone changes."""
    body = nested(3)
    body["metadata"] |= {"generation": 4, "resourceVersion": "1"}
    walked: list[object] = []

    def counted(template: object) -> str:
        walked.append(template)
        return f"walk {len(walked)}"

    monkeypatch.setattr(records, "fingerprint", counted)
    first = Record.of(body)
    body["metadata"]["resourceVersion"] = "2"
    second = Record.of(body, first)
    assert (second.template, second.resource_version) == ("walk 1", "2")
    body["metadata"]["generation"] = 5
    third = Record.of(body, second)
    body["metadata"]["uid"] = "another job of this name"
    assert [third.template, Record.of(body, third).template] == ["walk 2", "walk 3"]
