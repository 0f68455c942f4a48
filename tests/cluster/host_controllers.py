"""Real controllers of workloads, as processes of the host beside the cluster: JobSet and Kueue.

A controller's own install manifests are applied without its Deployment; the Service of its webhook
leads to the host. It makes the certificate of the webhook itself, in a Secret, and looks for it in
a fixed folder, which a mount of its own puts elsewhere.
"""

import base64
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from clients import Kubectl, RunningCluster
from singlenode import binaries, processes
from singlenode.errors import ClusterError
from singlenode.layout import ADDRESS, Layout
from singlenode.progress import Progress

CERTIFICATES = "/tmp/k8s-webhook-server/serving-certs"
NOT_FOR_A_HOST = ("Deployment", "ConfigMap", "ServiceMonitor", "APIService")
READY_SECONDS = 240

Manifest = dict[str, Any]
POD = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "none"}]}
TEMPLATE = {"spec": {"template": {"spec": POD}}}


@dataclass(frozen=True, slots=True)
class HostController:
    """A controller that is built from its Go module."""

    name: str
    """That of its program and of its module in `tests/cluster`."""
    namespace: str
    """Where its manifests put its Service and its Secret."""
    secret: str
    """Secret with the certificate of its webhook."""
    port: int
    """Port of its webhook on the host."""
    configuration: Manifest
    """Its configuration file."""
    probe: Manifest
    """An object that the API server takes, on trial, only if the webhook answers."""
    arguments: tuple[str, ...] = ()
    """Further arguments."""
    left_out: tuple[str, ...] = ()
    """Parts of the names of webhooks that no test needs, or whose kinds are not installed."""


JOB_SET = HostController(
    name="jobset",
    namespace="jobset-system",
    secret="jobset-webhook-server-cert",
    port=9444,
    configuration={
        "apiVersion": "config.jobset.x-k8s.io/v1alpha1",
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": ":8281"},
        "metrics": {"bindAddress": "0"},
        "webhook": {"port": 9444},
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": True},
    },
    probe={
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": {"name": "probe", "namespace": "default"},
        "spec": {"replicatedJobs": [{"name": "w", "template": TEMPLATE}]},
    },
    # Those of pods are for exclusive placement.
    left_out=("pod.kb.io",),
)
KUEUE = HostController(
    name="kueue",
    namespace="kueue-system",
    secret="kueue-webhook-server-cert",
    port=9443,
    configuration={
        "apiVersion": "config.kueue.x-k8s.io/v1beta2",
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": ":18181"},
        "metrics": {"bindAddress": "127.0.0.1:18182"},
        "webhook": {"port": 9443, "certDir": CERTIFICATES},
        "leaderElection": {"leaderElect": False},
        "clientConnection": {"qps": 50, "burst": 100},
        "managedJobsNamespaceSelector": {
            "matchExpressions": [
                {
                    "key": "kubernetes.io/metadata.name",
                    "operator": "NotIn",
                    "values": ["kube-system", "kueue-system", "lowtide-system"],
                }
            ]
        },
        "integrations": {"frameworks": ["batch/job"]},
    },
    probe={
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "probe",
            "namespace": "default",
            "labels": {"kueue.x-k8s.io/queue-name": "none"},
        },
        **TEMPLATE,
    },
    # The gate is alpha in this version and off by default.
    arguments=("--feature-gates=VisibilityOnDemand=false,AdmissionGatedBy=true",),
    left_out=(
        *("pod.", "deployment", "statefulset", "leaderworkerset", "jobset", "trainjob", "pytorch"),
        *("ray", "spark", "mpi", "tfjob", "xgboost", "paddle", "jaxjob", "appwrapper"),
    ),
)


@contextmanager
def run(which: HostController, cluster: RunningCluster, kubectl: Kubectl) -> Iterator[None]:
    """Run a controller; it, its definitions and its webhooks are removed at the end."""
    layout = cluster.layout
    if layout is None:
        pytest.skip("a controller on this machine needs a cluster on this machine")
    program = binaries.companion(layout, which.name)
    if program is None:
        pytest.skip(f"the controller {which.name} is not built: see docs/contributing.md")
    module = binaries.module_folder(layout, which.name, Progress())
    text = kubectl("kustomize", str(module / "config" / "default"))
    manifests = for_a_host(which, [one for one in yaml.safe_load_all(text) if one])
    kubectl.apply(*manifests)
    definitions = [
        f"crd/{one['metadata']['name']}"
        for one in manifests
        if one["kind"] == "CustomResourceDefinition"
    ]
    kubectl("wait", "--for=condition=Established", *definitions)
    certificates = layout.state / f"{which.name}-certificates"
    certificates.mkdir(exist_ok=True)
    pid_file = layout.pids / f"{which.name}.pid"
    _start(which, program, certificates, pid_file, cluster.kubeconfig, layout)
    try:
        _hand_over(which, kubectl, certificates)
        yield
    finally:
        _remove(which, kubectl, manifests, definitions, pid_file)


def _start(
    which: HostController,
    program: Path,
    certificates: Path,
    pid_file: Path,
    kubeconfig: str,
    layout: Layout,
) -> None:
    configuration = layout.config / f"{which.name}.json"
    configuration.write_text(json.dumps(which.configuration))
    mount = f'mkdir -p {CERTIFICATES} && mount --bind "$0" {CERTIFICATES} && exec "$@"'
    processes.start(
        [
            "/usr/bin/unshare", "--mount", "/bin/sh", "-c", mount, certificates,
            program, f"--config={configuration}", *which.arguments,
        ],
        pid_file=pid_file,
        log_file=layout.logs / f"{which.name}.log",
        environment={"KUBECONFIG": kubeconfig},
    )  # fmt: skip


def _hand_over(which: HostController, kubectl: Kubectl, certificates: Path) -> None:
    """Put the certificate that the controller made where it looks, and wait for its webhook."""
    deadline = time.monotonic() + READY_SECONDS
    inside = kubectl.within(which.namespace)
    said = "no certificate"
    while time.monotonic() < deadline:
        data = inside.json("get", "secret", which.secret).get("data") or {}
        for name in ("tls.key", "ca.crt", "tls.crt"):
            if name in data:
                (certificates / name).write_bytes(base64.b64decode(data[name]))
        if "tls.crt" in data:
            try:
                kubectl("create", "--dry-run=server", "-f", "-", text=json.dumps(which.probe))
                return
            except ClusterError as error:
                said = str(error)
        time.sleep(0.5)
    raise AssertionError(f"no webhook of {which.name} within {READY_SECONDS} s: {said}")


def _remove(
    which: HostController,
    kubectl: Kubectl,
    manifests: Sequence[Manifest],
    definitions: Sequence[str],
    pid_file: Path,
) -> None:
    """End the controller and remove what it brought; objects with its finalizers go first."""
    for definition in definitions:
        resource = definition.removeprefix("crd/")
        scope = kubectl("get", definition, "-o", "jsonpath={.spec.scope}")
        where = ["--all-namespaces"] if scope == "Namespaced" else []
        kubectl("delete", resource, "--all", *where, "--timeout=60s", "--ignore-not-found")
    processes.kill(processes.running([pid_file]).values())
    pid_file.unlink(missing_ok=True)
    for one in manifests:
        if one["kind"].endswith("WebhookConfiguration"):
            kubectl("delete", one["kind"].lower(), one["metadata"]["name"], "--ignore-not-found")
    kubectl("delete", *definitions, "--wait=false")
    kubectl("delete", f"namespace/{which.namespace}", "--wait=false")


def for_a_host(which: HostController, manifests: Sequence[Manifest]) -> list[Manifest]:
    """Return the manifests for a controller that is a process of the host, Namespaces first."""
    kept = []
    for one in manifests:
        if one["kind"] in NOT_FOR_A_HOST:
            continue
        if one["kind"].endswith("WebhookConfiguration"):
            one["webhooks"] = [
                hook
                for hook in one["webhooks"]
                if not any(part in hook["name"] for part in which.left_out)
            ]
        if one["kind"] == "Service":
            ports = [port for port in one["spec"]["ports"] if port["port"] == 443]
            if not ports:
                continue
            one["spec"] = {"ports": ports}
            kept.append(_endpoints(which, one["metadata"], ports[0].get("name", "")))
        kept.append(one)
    kept.sort(key=lambda one: one["kind"] != "Namespace")
    return kept


def _endpoints(which: HostController, metadata: Manifest, port: str) -> Manifest:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "addressType": "IPv4",
        "metadata": {
            "name": f"{metadata['name']}-host",
            "namespace": metadata["namespace"],
            "labels": {"kubernetes.io/service-name": metadata["name"]},
        },
        "ports": [{"name": port, "port": which.port, "protocol": "TCP"}],
        "endpoints": [{"addresses": [ADDRESS], "conditions": {"ready": True}}],
    }
