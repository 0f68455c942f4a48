"""The real API server takes the generated definition and enforces what it promises."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clients import Kubectl
from singlenode.commands import CommandFailedError

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.own_namespace]

CRD = Path(__file__).resolve().parents[2] / "crds/trainingjobs.lowtide.dev.yaml"

Spec = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def definition(kubectl: Kubectl) -> None:
    """The committed definition, applied as `kubectl apply --server-side` users do."""
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRD))
    kubectl("wait", "--for=condition=Established", "crd/trainingjobs.lowtide.dev")


@pytest.fixture
def inside(kubectl: Kubectl, namespace: str) -> Kubectl:
    """Kubectl in a fresh namespace."""
    return kubectl.within(namespace)


@pytest.fixture
def create(inside: Kubectl) -> Callable[..., None]:
    """Create a suspended TrainingJob, so that an operator of another test leaves it alone."""

    def apply(name: str = "net", **spec: Any) -> None:
        inside.apply(manifest(name, spec))

    return apply


def manifest(name: str, spec: Spec) -> dict[str, Any]:
    pod = {
        "restartPolicy": "Never",
        "containers": [{"name": "main", "image": "none", "novel": [1]}],
    }
    template = {"spec": {"template": {"spec": pod}}}
    return {
        "apiVersion": "lowtide.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": name},
        "spec": {"managedBy": "test.example/nobody", "template": template, **spec},
    }


def patch(inside: Kubectl, body: str, *flags: str) -> None:
    inside("patch", "trainingjob", "net", "--type=merge", *flags, "-p", body)


def mark_started(inside: Kubectl) -> None:
    patch(
        inside,
        '{"status":{"attempts":[{"name":"net-1","number":1}]}}',
        "--subresource=status",
    )


def test_unknown_pod_fields_are_kept(inside: Kubectl, create: Callable[..., None]) -> None:
    """A template may use fields newer than Lowtide; the Job API judges them, not the CRD."""
    create()

    stored = inside.json("get", "trainingjob", "net")

    container = stored["spec"]["template"]["spec"]["template"]["spec"]["containers"][0]
    assert container["novel"] == [1]


def test_a_status_is_written_alone_and_has_one_owner(
    inside: Kubectl, create: Callable[..., None], tmp_path: Path
) -> None:
    """The operator's write holds no spec, and the list of managed fields stays one line long."""
    create()
    before = inside.json("get", "trainingjob", "net")
    metadata = {k: before["metadata"][k] for k in ("namespace", "name", "resourceVersion")}
    body = {**{k: before[k] for k in ("apiVersion", "kind")}, "metadata": metadata}
    body["status"] = {"plan": {"reason": "CleanHours"}, "carbon": {"zone": "DE"}}
    file = tmp_path / "status.json"
    file.write_text(json.dumps(body))
    path = f"/apis/lowtide.dev/v1alpha1/namespaces/{metadata['namespace']}/trainingjobs/net/status"

    inside("replace", "--raw", path, "-f", str(file))

    after = inside.json("get", "trainingjob", "net", "--show-managed-fields")
    assert (after["spec"], after["status"]) == (before["spec"], body["status"])
    (entry,) = [e for e in after["metadata"]["managedFields"] if e.get("subresource") == "status"]
    assert entry["fieldsV1"] == {"f:status": {}}
    with pytest.raises(CommandFailedError, match="the object has been modified"):
        inside("replace", "--raw", path, "-f", str(file))


def test_defaults_are_written_into_the_schedule(
    inside: Kubectl, create: Callable[..., None]
) -> None:
    """`kubectl get tj -o wide` shows the policy of a job that names none."""
    create()

    stored = inside.json("get", "trainingjob", "net")

    assert stored["spec"]["schedule"] == {"policy": "CarbonOptimal", "minimumSavingPercent": 2}


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        pytest.param({"zone": "DE"}, 'unknown field "(spec.)?zone"', id="unknown field"),
        pytest.param(
            {"schedule": {"maxDelaySeconds": "soon"}},
            "spec.schedule.maxDelaySeconds",
            id="wrong type",
        ),
        pytest.param(
            {"schedule": {"policy": "Sometime"}}, "spec.schedule.policy", id="unknown policy"
        ),
        pytest.param(
            {"template": None},
            "spec.template in body must be of type object",
            id="nothing to run",
        ),
        pytest.param(
            {"targetRef": {"apiVersion": "batch/v1", "kind": "Job", "name": "bert"}},
            "spec needs either a template .* or a targetRef .* and not both",
            id="two things to run",
        ),
        pytest.param(
            {
                "schedule": {
                    "deadline": "2030-01-01T00:00:00Z",
                    "startNoEarlierThan": "2030-01-02T00:00:00Z",
                }
            },
            "startNoEarlierThan must be before spec.schedule.deadline",
            id="window upside down",
        ),
        pytest.param(
            {"functionalUnit": {"kind": "Custom"}},
            "needs a count and a name",
            id="bare custom unit",
        ),
    ],
)
def test_bad_input_is_refused_with_the_field(
    create: Callable[..., None], spec: Spec, sentence: str
) -> None:
    """The API server answers before anything is stored."""
    with pytest.raises(CommandFailedError, match=sentence):
        create(**spec)


def test_names_too_long_for_jobs_and_pods_are_refused(create: Callable[..., None]) -> None:
    """52 characters leave room for the suffixes of Jobs and Pods."""
    create("a" * 52)

    with pytest.raises(CommandFailedError, match="longer than 52 characters"):
        create("a" * 53)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param(
            '{"spec":{"template":{"spec":{"backoffLimit":3}}}}', "template", id="template"
        ),
        pytest.param('{"spec":{"grid":{"zone":"FR"}}}', "grid", id="grid"),
        pytest.param('{"spec":{"functionalUnit":{"kind":"Epoch"}}}', "functionalUnit", id="unit"),
    ],
)
def test_what_was_measured_against_cannot_change_after_the_start(
    inside: Kubectl, create: Callable[..., None], change: str, field: str
) -> None:
    """Before the start an edit is a new plan; afterwards it would falsify the figures."""
    create()
    patch(inside, change)
    mark_started(inside)
    patch(inside, '{"spec":{"suspend":true}}')

    with pytest.raises(CommandFailedError, match=f"spec.{field} cannot be changed once"):
        patch(inside, change.replace("3", "4").replace("FR", "DE").replace("Epoch", "Sample"))


def test_a_start_in_the_future_prints_as_a_time(
    inside: Kubectl, create: Callable[..., None]
) -> None:
    """A date column would print <invalid>."""
    create()
    patch(
        inside,
        '{"status":{"display":{"state":"Waiting","start":"2030-12-01 02:15Z"}}}',
        "--subresource=status",
    )

    header, row = inside("get", "tj").splitlines()

    assert header.split() == [
        "NAME",
        "STATE",
        "START",
        "DEADLINE",
        "ENERGY",
        "SCI",
        "AVOIDED",
        "AGE",
    ]
    assert "2030-12-01 02:15Z" in row
    assert "invalid" not in row


def test_jobs_can_be_selected_by_policy_on_the_server(
    inside: Kubectl, create: Callable[..., None]
) -> None:
    """selectableFields: the API server filters, not the client."""
    create("one", schedule={"policy": "Observe"})
    create("two")

    found = inside("get", "tj", "--field-selector", "spec.schedule.policy=Observe", "-o", "name")

    assert found.split() == ["trainingjob.lowtide.dev/one"]
