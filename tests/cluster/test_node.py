"""The cluster is a real one: what pods, Prometheus and the exporter rely on is there."""

import json
import textwrap
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from clients import Kubectl, RunningCluster, fresh_namespace
from singlenode.layout import KUBELET_ROOT

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

METRICS_SERVER = textwrap.dedent(
    """
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Metrics(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'probe_energy_joules_total{namespace="theirs",pod="measured"} 42\\n')

    HTTPServer(("", 8000), Metrics).serve_forever()
    """
)

# The ids of the GPU stand-in: the NVML library that measures them uses the same two.
FIRST_GPU = "GPU-abc00000-0000-4000-8000-000000000000"
SECOND_GPU = "GPU-abc00001-0000-4000-8000-000000000001"


def probe_pod(image: str) -> dict[str, Any]:
    """Return a pod that is not root, holds a GPU and is annotated for Prometheus."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "probe",
            "annotations": {
                "prometheus.io/scrape": "true",
                "prometheus.io/port": "8000",
                "prometheus.io/path": "/anything",
            },
        },
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "securityContext": {"runAsUser": 65532, "runAsNonRoot": True},
            "containers": [
                {
                    "name": "probe",
                    "image": image,
                    "command": ["python3", "-c", METRICS_SERVER],
                    "resources": {"limits": {"nvidia.com/gpu": 1}},
                }
            ],
        },
    }


@pytest.fixture(scope="module")
def probe(kubectl: Kubectl, images: dict[str, str]) -> Iterator[Kubectl]:
    """A namespace that holds the pod `probe`."""
    with fresh_namespace(kubectl) as name:
        inside = kubectl.within(name)
        inside.apply(probe_pod(images["base"]))
        inside("wait", "--for=condition=Ready", "pod/probe", "--timeout=240s", timeout=270)
        yield inside


def python_in_probe(probe: Kubectl, code: str) -> str:
    """Run Python in the probe pod; return what it printed."""
    return probe("exec", "probe", "--", "python3", "-c", code).strip()


def query(cluster: RunningCluster, expression: str) -> list[dict[str, Any]]:
    """Return the instant vector of a PromQL expression."""
    url = f"{cluster.prometheus_url}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(url, timeout=10) as answer:
        return list(json.load(answer)["data"]["result"])


def test_node_offers_the_gpus_of_the_plugin(kubectl: Kubectl) -> None:
    """The scheduler counts the GPUs that the device plugin registered at the kubelet."""
    (node,) = kubectl.json("get", "nodes")["items"]

    assert node["status"]["capacity"]["nvidia.com/gpu"] == "2"
    assert node["status"]["nodeInfo"]["kubeletVersion"] == "v1.37.2"


def test_pod_resources_socket_names_the_pod_of_a_gpu(
    cluster: RunningCluster, probe: Kubectl
) -> None:
    """The kubelet's own socket says which pod holds which GPU: the exporter's source of owners."""
    if cluster.layout is None:
        pytest.skip("the kubelet is not on this machine")
    with grpc.insecure_channel(f"unix://{KUBELET_ROOT}/pod-resources/kubelet.sock") as channel:
        listing = channel.unary_unary(
            "/v1.PodResourcesLister/List",
            request_serializer=lambda request: request,
            response_deserializer=lambda answer: answer,
        )(b"", timeout=10)
    visible = python_in_probe(probe, "import os; print(os.environ['NVIDIA_VISIBLE_DEVICES'])")

    assert visible in {FIRST_GPU, SECOND_GPU}
    assert visible.encode() in listing
    assert b"probe" in listing


def test_pod_resolves_services_by_name(kubectl: Kubectl, probe: Kubectl) -> None:
    """CoreDNS answers through its Service, with the resolver settings that the kubelet gives."""
    expected = kubectl.json("get", "service", "prometheus", "-n", "monitoring")["spec"]["clusterIP"]

    found = python_in_probe(
        probe, "import socket; print(socket.gethostbyname('prometheus.monitoring'))"
    )

    assert found == expected


def test_pod_reaches_the_api_by_its_service(probe: Kubectl) -> None:
    """A pod's own token and authority are enough to talk to https://kubernetes.default.svc."""
    code = textwrap.dedent(
        """
        import json, ssl, urllib.request
        directory = "/var/run/secrets/kubernetes.io/serviceaccount/"
        request = urllib.request.Request("https://kubernetes.default.svc/version", headers={
            "Authorization": "Bearer " + open(directory + "token").read()})
        context = ssl.create_default_context(cafile=directory + "ca.crt")
        answer = urllib.request.urlopen(request, timeout=10, context=context)
        print(json.load(answer)["gitVersion"])
        """
    )

    assert python_in_probe(probe, code) == "v1.37.2"


def test_pod_reaches_prometheus_by_its_service(probe: Kubectl) -> None:
    """The operator in the cluster asks the same Prometheus as the tests outside."""
    code = (
        "import urllib.request as r;"
        "print(r.urlopen('http://prometheus.monitoring:9090/-/ready', timeout=10).status)"
    )

    assert python_in_probe(probe, code) == "200"


@pytest.mark.usefixtures("probe")
def test_prometheus_scrapes_annotated_pods_and_honours_their_labels(
    cluster: RunningCluster,
) -> None:
    """The exporter's pod and namespace labels are those of the measured pod, and must stay so."""
    deadline = time.monotonic() + 240
    while not (found := query(cluster, "probe_energy_joules_total")):
        assert time.monotonic() < deadline, "not scraped within 240 s"
        time.sleep(0.5)

    labels = found[0]["metric"]
    assert (labels["namespace"], labels["pod"]) == ("theirs", "measured")
    assert found[0]["value"][1] == "42"


def test_logs_of_a_pod_can_be_read(probe: Kubectl) -> None:
    """Logs go from the API server to the kubelet, by its address and with its certificate."""
    assert "GET /anything" in await_logs(probe)


def await_logs(probe: Kubectl) -> str:
    """Return the probe's log once it has any: Prometheus's requests are in it."""
    deadline = time.monotonic() + 240
    while not (text := probe("logs", "probe")):
        assert time.monotonic() < deadline, "no log within 240 s"
        time.sleep(0.5)
    return text


def test_namespaces_of_tests_are_fresh(kubectl: Kubectl, namespace: str) -> None:
    """Each test gets an empty namespace with a service account that pods can use."""
    assert kubectl.json("get", "pods", "-n", namespace)["items"] == []
    assert kubectl.json("get", "namespace", namespace)["status"]["phase"] == "Active"
