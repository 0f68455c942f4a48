"""Every rendered object against the API of the oldest and the newest supported Kubernetes.

The schemas are cut out of Kubernetes' own OpenAPI documents (`tools/kubernetes_schemas.py`) and
closed: a field that a version does not know is an error.
"""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

pytestmark = pytest.mark.slow

Documents = list[dict[str, Any]]
Render = Callable[..., Documents]

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((Path(__file__).parent / "schemas").glob("kubernetes-*.json"))
FOREIGN = {"PodMonitor", "PrometheusRule", "ServiceMonitor"}
"""Kinds of the Prometheus Operator; Kubernetes itself does not know them."""
DIGEST = "sha256:" + "a" * 64
EVERYTHING: dict[str, Any] = {
    "commonLabels": {"team": "ml"},
    "watchNamespaces": ["red", "blue"],
    "credentials": [{"secretName": "grid-token"}],
    "image": {"registry": "registry.example", "pullSecrets": ["pull"], "pullPolicy": "Always"},
    "monitoring": {
        name: {"enabled": True}
        for name in ("serviceMonitor", "podMonitor", "prometheusRule", "dashboards", "vmui")
    },
    "networkPolicy": {"enabled": True, "from": [{"podSelector": {}}]},
    "operator": {
        "replicas": 2,
        "podDisruptionBudget": {"enabled": True},
        "image": {"digest": DIGEST},
        "resources": {"requests": {"cpu": "100m", "memory": "320Mi"}},
        "extraEnv": [{"name": "A", "value": "1"}],
        "extraVolumes": [{"name": "v", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "v", "mountPath": "/v"}],
        "historyVolume": {"emptyDir": {"sizeLimit": "1Gi"}},
        "tolerations": [{"operator": "Exists"}],
        "priorityClassName": "high",
    },
    "exporter": {
        "stateDirectory": "/var/lib/lowtide/exporter",
        "runtimeClassName": "nvidia",
        "resources": {"limits": {"memory": "128Mi"}},
    },
}
VALUES = [
    pytest.param({}, id="defaults"),
    pytest.param(EVERYTHING, id="everything on"),
    pytest.param(
        {"operator": {"historyVolume": {"persistentVolumeClaim": {"claimName": "history"}}}},
        id="history on a volume",
    ),
    pytest.param({"exporter": {"enabled": False}, "crds": {"enabled": False}}, id="operator alone"),
]


def faults(document: dict[str, Any], schemas: dict[str, Any]) -> list[str]:
    """Return what a version of Kubernetes would not accept in an object."""
    kind = f"{document['apiVersion']} {document['kind']}"
    if kind not in schemas["kinds"]:
        return [f"{kind} is not served"]
    schema = schemas["kinds"][kind] | {"definitions": schemas["definitions"]}
    name = document["metadata"]["name"]
    return [
        f"{document['kind']}/{name} {fault.json_path}: {fault.message}"
        for fault in jsonschema.Draft7Validator(schema).iter_errors(document)
    ]


@pytest.fixture(scope="module", params=FILES, ids=[path.stem for path in FILES])
def schemas(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Kinds and schemas that one version serves."""
    found: dict[str, Any] = json.loads(request.param.read_text())
    found["version"] = request.param.stem.removeprefix("kubernetes-")
    return found


def test_oldest_schema_is_of_the_oldest_version_that_the_chart_accepts() -> None:
    """The two files are those of the oldest and the newest supported version."""
    chart = yaml.safe_load((ROOT / "charts" / "lowtide" / "Chart.yaml").read_text())
    (oldest,) = re.findall(r">=(\d+\.\d+)\.", chart["kubeVersion"])
    cluster = (ROOT / "tests" / "cluster" / "kubernetes" / "go.mod").read_text()
    (newest,) = re.findall(r"^\s*k8s\.io/kubernetes v(\d+\.\d+)\.", cluster, re.M)

    assert [path.stem for path in FILES] == [f"kubernetes-{oldest}", f"kubernetes-{newest}"]


@pytest.mark.parametrize("values", VALUES)
def test_every_object_is_one_that_the_version_accepts(
    render: Render, schemas: dict[str, Any], values: dict[str, Any]
) -> None:
    """No unknown field, no wrong type, nothing missing; with Helm 3 and with Helm 4."""
    documents = render(values, kubernetes=f"{schemas['version']}.0")

    ours = [document for document in documents if document["kind"] not in FOREIGN]

    assert len(ours) > 5
    assert [fault for document in ours for fault in faults(document, schemas)] == []


def test_a_misspelt_field_and_a_wrong_type_are_found(
    render: Render, schemas: dict[str, Any]
) -> None:
    """The check itself can fail: a field with a typing error, a text where a number belongs."""
    (deployment,) = [one for one in render() if one["kind"] == "Deployment"]
    misspelt, mistyped = copy.deepcopy(deployment), copy.deepcopy(deployment)
    misspelt["spec"]["template"]["spec"]["containers"][0]["imagePullPolcy"] = "Never"
    mistyped["spec"]["replicas"] = "one"

    assert ["imagePullPolcy" in fault for fault in faults(misspelt, schemas)] == [True]
    assert ["$.spec.replicas" in fault for fault in faults(mistyped, schemas)] == [True]
