"""The real controller of JobSets, as a process of the host beside the cluster.

Its own install manifests are applied without the Deployment; the Service of its webhook leads to
the host. It makes the certificate of the webhook itself and looks for it in a fixed folder, which
a mount of its own puts elsewhere.
"""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml
from clients import Kubectl, RunningCluster
from singlenode import binaries, processes
from singlenode.layout import ADDRESS, Layout
from singlenode.progress import Progress

NAMESPACE = "jobset-system"
SECRET = "jobset-webhook-server-cert"
PORT = 9444
CERTIFICATES = "/tmp/k8s-webhook-server/serving-certs"
CONFIGURATION = {
    "apiVersion": "config.jobset.x-k8s.io/v1alpha1",
    "kind": "Configuration",
    "health": {"healthProbeBindAddress": ":8281"},
    "metrics": {"bindAddress": "0"},
    "webhook": {"port": PORT},
    "leaderElection": {"leaderElect": False},
    "internalCertManagement": {"enable": True},
}
READY_SECONDS = 60
PROBE = {
    "apiVersion": "jobset.x-k8s.io/v1alpha2",
    "kind": "JobSet",
    "metadata": {"name": "probe", "namespace": "default"},
    "spec": {
        "replicatedJobs": [
            {
                "name": "w",
                "template": {
                    "spec": {
                        "template": {
                            "spec": {
                                "restartPolicy": "Never",
                                "containers": [{"name": "c", "image": "none"}],
                            }
                        }
                    }
                },
            }
        ]
    },
}


@contextmanager
def controller(cluster: RunningCluster, kubectl: Kubectl) -> Iterator[None]:
    """Run the controller; it, its definition and its webhooks are removed at the end."""
    layout = cluster.layout
    assert layout is not None
    program = binaries.companion(layout, "jobset")
    if program is None:
        pytest.skip("the controller of JobSets is not built: python tests/cluster build")
    module = binaries.module_folder(layout, "jobset", Progress())
    text = kubectl("kustomize", str(module / "config" / "default"))
    manifests = [one for one in yaml.safe_load_all(text) if one]
    kubectl.apply(*_for_a_host(manifests))
    kubectl("wait", "--for=condition=Established", "crd/jobsets.jobset.x-k8s.io")
    configuration = layout.config / "jobset.json"
    configuration.write_text(json.dumps(CONFIGURATION))
    certificates = layout.state / "jobset-certificates"
    certificates.mkdir(exist_ok=True)
    pid_file = layout.pids / "jobset.pid"
    mount = f'mkdir -p {CERTIFICATES} && mount --bind "$0" {CERTIFICATES} && exec "$@"'
    processes.start(
        [
            "/usr/bin/unshare", "--mount", "/bin/sh", "-c", mount, certificates,
            program, f"--config={configuration}",
        ],
        pid_file=pid_file,
        log_file=layout.logs / "jobset.log",
        environment={"KUBECONFIG": cluster.kubeconfig},
    )  # fmt: skip
    try:
        _hand_over(kubectl, layout)
        yield
    finally:
        kubectl("delete", "jobsets.jobset.x-k8s.io", "--all", "--all-namespaces", "--timeout=60s")
        processes.kill(processes.running([pid_file]).values())
        pid_file.unlink(missing_ok=True)
        for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
            for one in manifests:
                if one["kind"] == kind:
                    kubectl("delete", kind.lower(), one["metadata"]["name"], "--ignore-not-found")
        kubectl("delete", "crd/jobsets.jobset.x-k8s.io", f"namespace/{NAMESPACE}", "--wait=false")


def _hand_over(kubectl: Kubectl, layout: Layout) -> None:
    """Put the certificate that the controller made where it looks, and wait for its webhook."""
    deadline = time.monotonic() + READY_SECONDS
    inside = kubectl.within(NAMESPACE)
    while time.monotonic() < deadline:
        data = inside.json("get", "secret", SECRET).get("data") or {}
        for name in ("tls.key", "ca.crt", "tls.crt"):
            if name in data:
                path = layout.state / "jobset-certificates" / name
                path.write_bytes(base64.b64decode(data[name]))
        if "tls.crt" in data:
            try:
                kubectl("create", "--dry-run=server", "-f", "-", text=json.dumps(PROBE))
                return
            except Exception:
                pass
        time.sleep(0.5)
    raise AssertionError(f"no webhook of JobSets within {READY_SECONDS} s: {layout.logs}")


def _for_a_host(manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the manifests for a controller that is a process of the host."""
    kept = []
    for one in manifests:
        if one["kind"] in ("Deployment", "ConfigMap", "ServiceMonitor"):
            continue
        if one["kind"].endswith("WebhookConfiguration"):
            # Those of pods are for exclusive placement, which no test uses.
            one["webhooks"] = [w for w in one["webhooks"] if "pod.kb.io" not in w["name"]]
        if one["kind"] == "Service":
            ports = [port for port in one["spec"]["ports"] if port["port"] == 443]
            if not ports:
                continue
            one["spec"] = {"ports": ports}
            kept.append(_endpoints(one["metadata"], ports[0].get("name", "")))
        kept.append(one)
    kept.sort(key=lambda one: one["kind"] != "Namespace")
    return kept


def _endpoints(metadata: dict[str, Any], port: str) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "addressType": "IPv4",
        "metadata": {
            "name": f"{metadata['name']}-host",
            "namespace": metadata["namespace"],
            "labels": {"kubernetes.io/service-name": metadata["name"]},
        },
        "ports": [{"name": port, "port": PORT, "protocol": "TCP"}],
        "endpoints": [{"addresses": [ADDRESS], "conditions": {"ready": True}}],
    }
