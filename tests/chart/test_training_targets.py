"""The PodMonitor's relabelings make one target of a training pod: its page, declared or not.

A real Prometheus is given what its Kubernetes discovery tells of pods (prometheus.io,
kubernetes_sd_config, role `pod`: one target for each declared port of each container, and one
without a port for a container that declares none), and the labels that the Prometheus Operator sets
before ours. The pods are those of the README's job.
"""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from standins.backfilled import program
from standins.promql.stores import ANSWERS_WITHIN_SECONDS, Store, prometheus

from lowtide import names
from lowtide_operator.objects.job_manifest import job_manifest
from lowtide_operator.objects.key import Key

pytestmark = pytest.mark.waits

Documents = list[dict[str, Any]]
Render = Callable[..., Documents]

README = Path(__file__).resolve().parents[2] / "README.md"
MONITOR = {"monitoring": {"podMonitor": {"enabled": True}}}
FROM_OPERATOR = [
    {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
    {"source_labels": ["__meta_kubernetes_pod_container_name"], "target_label": "container"},
    {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
]
"""What the Prometheus Operator puts before the relabelings of an endpoint without a port."""


def discovered(pod: dict[str, Any], address: str) -> list[dict[str, Any]]:
    """Return the targets that Prometheus' discovery makes of a pod."""
    metadata, found = pod["metadata"], []
    common = {
        "__meta_kubernetes_namespace": "ml",
        "__meta_kubernetes_pod_name": metadata["name"],
        "__meta_kubernetes_pod_ip": address,
        "__meta_kubernetes_pod_label_lowtide_dev_trainingjob": metadata["labels"][
            names.LABEL_TRAININGJOB
        ],
    }
    host = f"[{address}]" if ":" in address else address
    for container in pod["spec"]["containers"]:
        labels = {**common, "__meta_kubernetes_pod_container_name": container["name"]}
        for port in container.get("ports") or [None]:
            place = address if port is None else f"{host}:{port['containerPort']}"
            found.append({"targets": [place], "labels": labels})
    return found


def pod_of_the_readme(**more: Any) -> dict[str, Any]:
    """Return the pod that the operator's Job makes of the README's TrainingJob."""
    example = re.search(r"```yaml\n(apiVersion.*?)```", README.read_text(), re.S)
    assert example is not None
    template = yaml.safe_load(example[1])["spec"]["template"]
    job = job_manifest(Key("ml", "bert-small"), "u", template, attempt=1, settle_seconds=60)
    pod = job["spec"]["template"]
    assert all("ports" not in container for container in pod["spec"]["containers"])
    containers = [*pod["spec"]["containers"], *more.get("containers", ())]
    metadata = {**pod["metadata"], "name": "bert-small-1-abcde"}
    return {"metadata": metadata, "spec": {**pod["spec"], "containers": containers}}


def first_targets(store: Store) -> list[dict[str, Any]]:
    """Return the targets, once Prometheus has read the file."""
    until = time.monotonic() + ANSWERS_WITHIN_SECONDS
    while True:
        data = requests.get(f"{store.url}/api/v1/targets", timeout=60).json()["data"]
        found: list[dict[str, Any]] = data["activeTargets"]
        if found:
            return found
        assert time.monotonic() < until, data
        time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "page"),
    [
        ("10.0.0.7", "http://10.0.0.7:9401/metrics"),
        ("fd00::7", "http://[fd00::7]:9401/metrics"),
    ],
    ids=["IPv4", "IPv6"],
)
def test_a_training_pod_is_one_target_at_its_page(
    render: Render, tmp_path: Path, address: str, page: str
) -> None:
    """Alone, and beside a sidecar that declares two ports of its own."""
    ports = [{"containerPort": 15090}, {"containerPort": 9401}]
    sidecar = {"name": "proxy", "image": "proxy", "ports": ports}
    plain, meshed = pod_of_the_readme(), pod_of_the_readme(containers=[sidecar])
    meshed["metadata"]["name"] = "bert-small-2-fghij"
    (monitor,) = [one for one in render(MONITOR) if one["kind"] == "PodMonitor"]
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert not {"port", "portNumber", "targetPort"} & endpoint.keys()
    targets = tmp_path / "targets.yaml"
    targets.write_text(yaml.safe_dump(discovered(plain, address) + discovered(meshed, address)))
    config = {
        "job_name": "training",
        "scrape_interval": "1h",
        "file_sd_configs": [{"files": [str(targets)]}],
        "relabel_configs": [*FROM_OPERATOR, *map(_as_written, endpoint["relabelings"])],
    }

    with prometheus(program("promtool").parent, tmp_path, scrapes=[config]) as store:
        found = first_targets(store)

    active = [(one["scrapeUrl"], one["labels"]) for one in found]
    instance = page.removeprefix("http://").removesuffix("/metrics")
    common = {"job": "training", "namespace": "ml", "instance": instance}
    common["trainingjob"] = "bert-small"
    assert sorted(active, key=str) == [
        (page, {**common, "pod": "bert-small-1-abcde"}),
        (page, {**common, "pod": "bert-small-2-fghij"}),
    ]


def _as_written(relabeling: dict[str, Any]) -> dict[str, Any]:
    """Return a relabeling of the API as Prometheus' own configuration spells it."""
    spelling = {"sourceLabels": "source_labels", "targetLabel": "target_label"}
    return {spelling.get(key, key): value for key, value in relabeling.items()}
