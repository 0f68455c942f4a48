"""Everything that the chart can render, put before a real API server of the newest Kubernetes.

Nothing is created: the server validates, defaults and admits each object as it would, and forgets
it. The objects of the Prometheus Operator are left out, whose definitions are not installed, and
the pod of `helm test`, which is only admitted where its ServiceAccount exists.
"""

import json
from typing import Any

import pytest
import yaml
from clients import Helm, Kubectl
from singlenode.layout import REPOSITORY

pytestmark = [pytest.mark.cluster, pytest.mark.own_namespace]

LEFT_OUT = {"Pod", "PodMonitor", "PrometheusRule", "ServiceMonitor"}


def everything(namespace: str) -> dict[str, Any]:
    """Return values with every switch on."""
    monitoring = {
        name: {"enabled": True}
        for name in ("serviceMonitor", "podMonitor", "prometheusRule", "dashboards")
    }
    return {
        "watchNamespaces": [namespace],
        "credentials": [{"secretName": "grid-token"}],
        "commonLabels": {"team": "ml"},
        "monitoring": monitoring,
        "networkPolicy": {"enabled": True, "from": [{"podSelector": {}}]},
        "operator": {
            "replicas": 2,
            "podDisruptionBudget": {"enabled": True},
            "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "512Mi"}},
        },
        "exporter": {
            "stateDirectory": "/var/lib/lowtide/exporter",
            "dcgm": {"url": "http://$(NODE_ADDRESS):9400/metrics"},
        },
    }


@pytest.mark.parametrize("version", ["helm3", "helm"], ids=["helm3", "helm4"])
def test_api_server_accepts_everything_that_can_be_rendered(
    request: pytest.FixtureRequest, kubectl: Kubectl, namespace: str, version: str
) -> None:
    """A dry run on the server, with strict validation, of every object that is ours."""
    helm: Helm = request.getfixturevalue(version)
    file = helm.home / "everything.yaml"
    file.write_text(yaml.safe_dump(everything(namespace)))
    command = ["template", "lowtide", str(REPOSITORY / "charts" / "lowtide")]
    rendered = helm(*command, "--namespace", namespace, "--values", str(file))
    ours = [
        one
        for one in yaml.safe_load_all(rendered)
        if one is not None and one["kind"] not in LEFT_OUT
    ]

    accepted = kubectl(
        "apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict",
        "-o", "name", "-f", "-",
        text=json.dumps({"apiVersion": "v1", "kind": "List", "items": ours}),
    )  # fmt: skip

    assert len(accepted.splitlines()) == len(ours) > 15
