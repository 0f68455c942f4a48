"""Real controllers of workloads, as processes of the host beside the cluster.

A controller's own install manifests are applied without its Deployment; the Service of its webhook
leads to the host. It makes the certificate of the webhook itself, in a Secret, and looks for it in
a fixed folder, which a mount of its own puts elsewhere.
"""

import base64
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from clients import Kubectl, RunningCluster
from singlenode import binaries, images, processes
from singlenode.errors import ClusterError
from singlenode.layout import ADDRESS, Layout
from singlenode.progress import Progress

CERTIFICATES = "/tmp/k8s-webhook-server/serving-certs"
NOT_FOR_A_HOST = ("Deployment", "ConfigMap", "ServiceMonitor", "APIService")
READY_SECONDS = 240

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class HostController:
    """A controller that is built from its Go module."""

    name: str
    """That of its program and of its module in `tests/cluster`."""
    namespace: str
    """Where its manifests put its Service and its Secret; empty for one without a webhook."""
    secret: str
    """Secret with the certificate of its webhook."""
    port: int
    """Port of its webhook on the host."""
    configuration: Manifest | None
    """Its configuration file; `None` for one that is told everything by arguments."""
    probe: Manifest | None
    """An object that the API server takes, on trial, only if the webhook answers; `None` for one
    without a webhook."""
    arguments: tuple[str, ...] = ()
    """Further arguments; {config} is the folder of `files` and {image} the base image."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Further variables of its environment."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Files that its arguments name: name and text."""
    folders: tuple[str, ...] = ("config/default",)
    """Folders of its module that hold its manifests."""
    definitions: tuple[str, ...] = ()
    """The custom resources that are installed, by the start of their names; empty: all of them."""
    left_out: tuple[str, ...] = ()
    """Parts of the names of webhooks that no test needs, or whose kinds are not installed."""


def skipped_where_not_built(*controllers: HostController) -> pytest.MarkDecorator:
    """Return the mark of tests that need these programs, so that nothing is started without."""
    layout = Layout.default()
    missing = [one.name for one in controllers if binaries.companion(layout, one.name) is None]
    return pytest.mark.skipif(
        bool(missing),
        reason=f"not built: {', '.join(missing)}; `make test-kinds` builds it (40 CPU minutes)",
    )


@dataclass(frozen=True, slots=True)
class Running:
    """A controller that runs, and can be killed and started again."""

    which: HostController
    program: Path
    kubeconfig: str
    layout: Layout
    image: str
    """Reference of the base image, which is on the node."""

    @property
    def certificates(self) -> Path:
        """Folder with the certificate of its webhook."""
        return self.layout.state / f"{self.which.name}-certificates"

    @property
    def pid_file(self) -> Path:
        """File that names its process."""
        return self.layout.pids / f"{self.which.name}.pid"

    def start(self) -> None:
        """Start it."""
        self.certificates.mkdir(exist_ok=True)
        for name, text in self.which.files.items():
            (self.layout.config / name).write_text(text)
        arguments = [
            one.format(config=self.layout.config, image=self.image) for one in self.which.arguments
        ]
        if self.which.configuration is not None:
            configuration = self.layout.config / f"{self.which.name}.json"
            configuration.write_text(json.dumps(self.which.configuration))
            arguments.insert(0, f"--config={configuration}")
        mount = f'mkdir -p {CERTIFICATES} && mount --bind "$0" {CERTIFICATES} && exec "$@"'
        processes.start(
            [
                "/usr/bin/unshare", "--mount", "/bin/sh", "-c", mount, self.certificates,
                self.program, *arguments,
            ],
            pid_file=self.pid_file,
            log_file=self.layout.logs / f"{self.which.name}.log",
            environment={"KUBECONFIG": self.kubeconfig, **self.which.environment},
        )  # fmt: skip

    def kill(self) -> None:
        """Kill it; what it made stays."""
        processes.stop(self.pid_file)


@contextmanager
def run(which: HostController, cluster: RunningCluster, kubectl: Kubectl) -> Iterator[Running]:
    """Run a controller; it, its definitions and its webhooks are removed at the end."""
    layout = cluster.layout
    if layout is None:
        pytest.skip("a controller on this machine needs a cluster on this machine")
    program = binaries.companion(layout, which.name)
    if program is None:
        pytest.skip(f"the controller {which.name} is not built: see docs/contributing.md")
    image = images.base(layout, Progress()).reference
    running = Running(which, program, cluster.kubeconfig, layout, image)
    module = binaries.module_folder(layout, which.name, Progress())
    manifests = for_a_host(which, _manifests(which, module, kubectl))
    # Definitions of Kubeflow and Ray are megabytes each: one request for each object.
    for one in manifests:
        kubectl.apply(one)
    definitions = [
        f"crd/{one['metadata']['name']}"
        for one in manifests
        if one["kind"] == "CustomResourceDefinition"
    ]
    kubectl("wait", "--for=condition=Established", *definitions)
    running.start()
    try:
        _hand_over(running, kubectl)
        yield running
    finally:
        _remove(running, kubectl, manifests, definitions)


def _manifests(which: HostController, module: Path, kubectl: Kubectl) -> list[Manifest]:
    """Return the manifests of a controller's own installation."""
    folders = [module / folder for folder in which.folders]
    if not (folders[0] / "kustomization.yaml").exists():
        texts = [file.read_text() for folder in folders for file in sorted(folder.glob("*.yaml"))]
    elif len(folders) == 1:
        texts = [kubectl("kustomize", str(folders[0]))]
    else:
        texts = [_joined(which, folders, kubectl)]
    found = (one for text in texts for one in yaml.load_all(text, Loader=yaml.CSafeLoader))
    return [one for one in found if one]


def _joined(which: HostController, folders: Sequence[Path], kubectl: Kubectl) -> str:
    """Return what several folders of manifests become in the controller's namespace."""
    with tempfile.TemporaryDirectory() as place:
        around: Manifest = {
            "namespace": which.namespace,
            "resources": [os.path.relpath(folder, Path(place).resolve()) for folder in folders],
            "secretGenerator": [{"name": which.secret, "options": {"disableNameSuffixHash": True}}],
        }
        (Path(place) / "kustomization.yaml").write_text(yaml.safe_dump(around))
        return kubectl("kustomize", place)


def _hand_over(running: Running, kubectl: Kubectl) -> None:
    """Put the certificate that the controller made where it looks, and wait for its webhook."""
    which, certificates = running.which, running.certificates
    if which.probe is None:
        return
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
    running: Running,
    kubectl: Kubectl,
    manifests: Sequence[Manifest],
    definitions: Sequence[str],
) -> None:
    """End the controller and remove what it brought; objects with its finalizers go first."""
    for definition in definitions:
        resource = definition.removeprefix("crd/")
        scope = kubectl("get", definition, "-o", "jsonpath={.spec.scope}")
        where = ["--all-namespaces"] if scope == "Namespaced" else []
        kubectl("delete", resource, "--all", *where, "--timeout=60s", "--ignore-not-found")
    running.kill()
    for one in manifests:
        if one["kind"].endswith("WebhookConfiguration"):
            kubectl("delete", one["kind"].lower(), one["metadata"]["name"], "--ignore-not-found")
    # The next module may install them again, which fails while they are ending.
    ending = [*definitions]
    if running.which.namespace:
        ending.append(f"namespace/{running.which.namespace}")
    kubectl("delete", *ending, "--ignore-not-found", "--timeout=120s", timeout=150)


def for_a_host(which: HostController, manifests: Sequence[Manifest]) -> list[Manifest]:
    """Return the manifests for a controller that is a process of the host, Namespaces first."""
    kept = []
    for one in manifests:
        if one["kind"] in NOT_FOR_A_HOST or _is_left_out(which, one):
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
    if which.namespace and not any(one["kind"] == "Namespace" for one in kept):
        named = {"apiVersion": "v1", "metadata": {"name": which.namespace}}
        kept.append({**named, "kind": "Namespace"})
    kept.sort(key=lambda one: one["kind"] != "Namespace")
    return kept


def _is_left_out(which: HostController, one: Manifest) -> bool:
    return (
        one["kind"] == "CustomResourceDefinition"
        and bool(which.definitions)
        and not one["metadata"]["name"].startswith(which.definitions)
    )


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
