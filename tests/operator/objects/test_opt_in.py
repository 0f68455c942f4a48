"""Annotations of a workload and of its namespace, and the TrainingJob made of them."""

from typing import Any

import pytest

from lowtide.trainingjob.workload_kinds import JOB
from lowtide_operator.objects.opt_in import difference, trainingjob_name, wanted_trainingjob


def a_job(spec: dict[str, Any] | None = None, **annotations: str) -> dict[str, Any]:
    notes = {f"lowtide.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
    metadata = {"name": "bert", "namespace": "ml", "uid": "u-1", "annotations": notes}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec or {}}


def test_every_annotation_becomes_a_field_with_its_source() -> None:
    """What a TrainingJob's schedule can say, a workload's annotations can."""
    body = a_job(
        policy="carbonoptimal",
        deadline="2026-12-01T09:00:00+01:00",
        max_delay="1d 12h",
        expected_duration="90m",
        interruptible="true",
        restart_cost="2m",
        min_replicas="1",
        max_replicas=" 4 ",
        efficiency="0.9",
        zone="DE",
        series="nightly",
    )
    made = wanted_trainingjob(JOB, body, {})
    assert made["spec"] == {
        "targetRef": {"apiVersion": "batch/v1", "kind": "Job", "name": "bert"},
        "schedule": {
            "policy": "CarbonOptimal",
            "deadline": "2026-12-01T08:00:00Z",
            "maxDelaySeconds": 129_600,
            "expectedDurationSeconds": 5_400,
            "interruption": {"allowed": True, "restartCostSeconds": 120},
            "elastic": {"minReplicas": 1, "maxReplicas": 4, "efficiency": "0.9"},
        },
        "grid": {"zone": "DE"},
        "metrics": {"series": "nightly"},
    }
    assert "ownerReferences" not in made["metadata"]
    assert made["metadata"]["labels"]["lowtide.dev/made-for"] == "u-1"


@pytest.mark.parametrize(
    ("annotation", "text"),
    [("deadline", "2026-12-01T08:00:00Z"), ("min-replicas", "1"), ("max-replicas", "4")],
)
def test_a_deadline_or_a_size_is_no_default_of_a_namespace(annotation: str, text: str) -> None:
    """One date or one size for all workloads to come is never what somebody means."""
    made = wanted_trainingjob(JOB, a_job(), {f"lowtide.dev/{annotation}": text})
    assert made["spec"].keys() == {"targetRef"}


def test_what_cannot_change_after_the_start_is_not_tried_for_ever() -> None:
    """The API server would refuse every one of these patches; the rest is still corrected."""
    sizes = {"interruptible": "true", "min_replicas": "1", "efficiency": "1"}
    wanted = wanted_trainingjob(
        JOB, a_job(max_replicas="8", zone="FR", max_delay="2h", **sizes), {}
    )
    before = wanted_trainingjob(
        JOB, a_job(max_replicas="4", zone="DE", max_delay="1h", **sizes), {}
    )
    stored = {"metadata": wanted["metadata"], "spec": before["spec"]}
    changes = difference(wanted, stored)["spec"]
    assert changes["schedule"]["elastic"]["maxReplicas"] == 8
    assert changes["grid"] == {"zone": "FR"}
    stored["status"] = {"attempts": [{"number": 1}]}
    assert difference(wanted, stored) == {"spec": {"schedule": {"maxDelaySeconds": 7200}}}


def test_an_upper_bound_is_the_expected_duration_only_where_nothing_else_says_it() -> None:
    """The longest running time that a workload allows itself; the source says that it is one."""
    made = wanted_trainingjob(JOB, a_job({"activeDeadlineSeconds": 7200}), {})
    assert made["spec"]["schedule"] == {"expectedDurationSeconds": 7200}
    assert "its upper bound" in made["metadata"]["annotations"]["lowtide.dev/value-sources"]
    said = a_job({"activeDeadlineSeconds": 7200}, expected_duration="1h")
    assert wanted_trainingjob(JOB, said, {})["spec"]["schedule"] == {
        "expectedDurationSeconds": 3600
    }


@pytest.mark.parametrize(
    ("annotation", "text", "sentence"),
    [
        ("max_delay", "soon", "'soon' is not a duration: write 24h, 90m, 1d12h or 30s"),
        (
            "deadline",
            "2026-12-01T08:00",
            "is not a time with an offset: write 2026-12-01T08:00:00Z",
        ),
        ("interruptible", "yes", "'yes' is neither true nor false"),
        ("policy", "Cheap", "'Cheap' is not a policy: write"),
        ("expected_duration", "400d", "'400d' is not between 1 s and 366 days"),
        ("zone", "a b", "'a b' is not the name of a zone: write letters"),
        ("min_replicas", "none", "'none' is not a number of replicas from 1 to 4096"),
        ("max_replicas", "4097", "'4097' is not a number of replicas from 1 to 4096"),
        ("efficiency", "0.9", "spec.schedule.elastic.minReplicas: Field required"),
        ("series", "x" * 64, "spec.metrics.series: String should have at most 63 characters"),
    ],
)
def test_a_bad_annotation_is_one_sentence_and_leaves_no_value(
    annotation: str, text: str, sentence: str
) -> None:
    """Nothing is guessed: the workload then runs at once, and the sentence says why."""
    made = wanted_trainingjob(JOB, a_job(**{annotation: text}), {})
    assert sentence in made["metadata"]["annotations"]["lowtide.dev/annotation-fault"]
    assert made["spec"].keys() == {"targetRef"}


def test_a_name_follows_from_the_uid_and_fits() -> None:
    """The same workload always gives the same name; the same name again gives another."""
    assert trainingjob_name("bert", "u-1") == trainingjob_name("bert", "u-1")
    assert trainingjob_name("bert", "u-1") != trainingjob_name("bert", "u-2")
    longest = trainingjob_name("a.b-" * 60, "u-1")
    assert len(longest) <= 52
    assert "." not in longest


def test_only_what_annotations_say_is_corrected() -> None:
    """A price that people wrote beside them stays; a changed annotation is taken over."""
    wanted = wanted_trainingjob(JOB, a_job(max_delay="2h"), {})
    stored = {
        "metadata": wanted["metadata"],
        "spec": {
            **wanted["spec"],
            "schedule": {
                "policy": "CarbonOptimal",
                "minimumSavingPercent": 2,
                "maxDelaySeconds": 3600,
            },
            "price": {"perHour": "2"},
        },
    }
    assert difference(wanted, stored) == {"spec": {"schedule": {"maxDelaySeconds": 7200}}}
    stored["spec"]["schedule"]["maxDelaySeconds"] = 7200
    assert difference(wanted, stored) == {}


def test_data_to_move_are_said_by_annotations_and_half_of_it_is_a_fault() -> None:
    """The dispatcher of a MultiKueue weighs them; without a zone nothing could be weighed."""
    said = {"data_gigabytes": "200", "data_zone": "DE", "energy_kilowatt_hours": "40"}
    made = wanted_trainingjob(JOB, a_job(**said), {})
    data = {"gigabytes": "200", "zone": "DE", "energyKilowattHours": "40"}
    assert made["spec"]["schedule"]["data"] == data
    half = wanted_trainingjob(JOB, a_job(data_gigabytes="200"), {})
    assert "zone" in half["metadata"]["annotations"]["lowtide.dev/annotation-fault"]
    assert half["spec"].keys() == {"targetRef"}
