"""Several API servers on this machine, each with an etcd and a Kueue of its own and without nodes.

They take the place of the machine's one test cluster: whoever starts a cluster meanwhile is told,
and what a killed run leaves is removed by the next. Nothing is scheduled and no pod runs: Kueue
admits by quota alone. Its webhooks are reached by their address on the loopback interface.
"""

import base64
import json
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from clients import Kubectl
from host_controllers import HostController, for_a_host
from known_controllers import KUEUE
from singlenode import binaries, cleanup, network, ownership, pki, preflight, processes
from singlenode import cluster as single_node
from singlenode.errors import ClusterError, NotReadyError
from singlenode.layout import Layout
from singlenode.processes import Identity
from singlenode.progress import Progress

FIRST_PORT = 30443
PORTS_EACH = 10
READY_SECONDS = 240
KEPT_KINDS = (
    "Namespace",
    "CustomResourceDefinition",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
)
"""Kinds of Kueue's manifests that a Kueue with an administrator's rights needs."""

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ApiServer:
    """One API server with its etcd."""

    name: str
    port: int
    layout: Layout
    programs: binaries.Binaries

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.layout.state / f"{self.name}.kubeconfig"

    @property
    def kubectl(self) -> Kubectl:
        """The client of this server."""
        return Kubectl(self.programs.kubectl, str(self.kubeconfig))

    def launch(self, name: str, arguments: Sequence[str]) -> None:
        """Start a component of the one Kubernetes binary."""
        processes.start(
            [self.programs.kubernetes, *arguments],
            pid_file=self.layout.pids / f"{self.name}-{name}.pid",
            log_file=self.layout.logs / f"{self.name}-{name}.log",
        )

    def start(self) -> None:
        """Start etcd and the API server."""
        client, peer = (f"http://127.0.0.1:{self.port + k}" for k in (1, 2))
        self.launch(
            "etcd",
            [
                "etcd",
                f"--name={self.name}",
                f"--data-dir={self.layout.state / f'{self.name}-etcd'}",
                f"--listen-client-urls={client}",
                f"--advertise-client-urls={client}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster={self.name}={peer}",
                "--unsafe-no-fsync",
                "--log-level=warn",
            ],
        )
        files = self.layout.pki
        self.launch(
            "kube-apiserver",
            [
                "kube-apiserver",
                f"--etcd-servers={client}",
                "--bind-address=127.0.0.1",
                "--endpoint-reconciler-type=none",
                f"--secure-port={self.port}",
                "--service-cluster-ip-range=10.97.0.0/16",
                f"--client-ca-file={files / 'ca.crt'}",
                f"--tls-cert-file={files / 'apiserver.crt'}",
                f"--tls-private-key-file={files / 'apiserver.key'}",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={files / 'service-account.key'}",
                f"--service-account-signing-key-file={files / 'service-account.key'}",
                "--authorization-mode=RBAC",
                # No controller makes service accounts here, and no pod needs one.
                "--disable-admission-plugins=ServiceAccount",
                "--profiling=false",
            ],
        )
        document = json.loads(self.layout.kubeconfig.read_text())
        document["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{self.port}"
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(json.dumps(document))

    def is_ready(self) -> bool:
        """Return whether the API server answers."""
        context = ssl.create_default_context(cafile=str(self.layout.pki / "ca.crt"))
        url = f"https://127.0.0.1:{self.port}/readyz"
        try:
            with urllib.request.urlopen(url, timeout=2, context=context) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


@contextmanager
def api_servers(
    layout: Layout, programs: binaries.Binaries, names: Sequence[str]
) -> Iterator[dict[str, ApiServer]]:
    """Start API servers in place of the machine's cluster; the caller removes that afterwards."""
    preflight.check_machine(layout)
    with ownership.exclusive():
        single_node.refuse_second()
        owner = ownership.claim(layout.state)
        layout.state.mkdir(parents=True, mode=0o700)
        network.Before.record(layout.state / network.BEFORE)
        ownership.complete(owner, Identity.of(os.getpid()))
    for directory in (layout.config, layout.logs, layout.pids):
        directory.mkdir()
    pki.create(layout.pki, layout.kubeconfig)
    servers = {
        name: ApiServer(name, FIRST_PORT + PORTS_EACH * place, layout, programs)
        for place, name in enumerate(names)
    }
    try:
        for server in servers.values():
            server.start()
        for server in servers.values():
            _await_ready(server)
        yield servers
    finally:
        with ownership.exclusive():
            cleanup.remove(layout)
            ownership.release()


def _await_ready(server: ApiServer) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not server.is_ready():
        if time.monotonic() > deadline:
            log = server.layout.logs / f"{server.name}-kube-apiserver.log"
            said = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
            raise NotReadyError(f"{server.name} is not ready; the end of its log:\n{said}")
        time.sleep(0.2)


def start_kueue(server: ApiServer, configuration: Mapping[str, Any] | None = None) -> None:
    """Start a Kueue for one API server, its webhooks included; `configuration` adds sections."""
    program = binaries.companion(server.layout, KUEUE.name)
    if program is None:
        pytest.skip("Kueue is not built: see docs/contributing.md")
    files, name = server.layout.pki, f"{server.name}-kueue"
    pki.certificate(
        files,
        name,
        "/CN=kueue",
        "extendedKeyUsage=serverAuth",
        "subjectAltName=IP:127.0.0.1",
    )
    # Where it makes no certificates it looks for those of its metrics in a fixed folder of /etc.
    own_etc = server.layout.config / f"{name}-etc"
    certificates = own_etc / "kueue/metrics/certs"
    certificates.mkdir(parents=True)
    for ending in ("crt", "key"):
        content = (files / f"{name}.{ending}").read_bytes()
        (certificates / f"tls.{ending}").write_bytes(content)
    which = _on_loopback(server, configuration or {})
    manifests = _manifests(which, server)
    server.kubectl.apply(*manifests)
    definitions = [
        f"crd/{one['metadata']['name']}"
        for one in manifests
        if one["kind"] == "CustomResourceDefinition"
    ]
    server.kubectl("wait", "--for=condition=Established", *definitions)
    file = server.layout.config / f"{name}.json"
    file.write_text(json.dumps(which.configuration))
    processes.start(
        [
            "/usr/bin/unshare", "--mount", "/bin/sh", "-c", 'mount --bind "$0" /etc && exec "$@"',
            own_etc, program, f"--config={file}", *which.arguments,
        ],
        pid_file=server.layout.pids / f"{name}.pid",
        log_file=server.layout.logs / f"{name}.log",
        environment={"KUBECONFIG": str(server.kubeconfig)},
    )  # fmt: skip


def await_kueue(server: ApiServer) -> None:
    """Wait until the webhooks of a server's Kueue answer."""
    deadline, said = time.monotonic() + READY_SECONDS, ""
    while time.monotonic() < deadline:
        try:
            probe = json.dumps(KUEUE.probe)
            server.kubectl("create", "--dry-run=server", "-f", "-", text=probe)
            return
        except ClusterError as error:
            said = str(error)
            time.sleep(0.5)
    raise AssertionError(f"no webhook of Kueue at {server.name}: {said}")


def _on_loopback(server: ApiServer, configuration: Mapping[str, Any]) -> HostController:
    """Return the controller with ports of its own and the certificate that is made here."""
    webhook, health, metrics = (server.port + k for k in (3, 4, 5))
    assert KUEUE.configuration is not None
    return replace(
        KUEUE,
        port=webhook,
        configuration={
            **KUEUE.configuration,
            "health": {"healthProbeBindAddress": f"127.0.0.1:{health}"},
            "metrics": {"bindAddress": f"127.0.0.1:{metrics}"},
            "webhook": {
                "host": "127.0.0.1",
                "port": webhook,
                "certDir": "/etc/kueue/metrics/certs",
            },
            "internalCertManagement": {"enable": False},
            **configuration,
        },
    )


def _manifests(which: HostController, server: ApiServer) -> list[Manifest]:
    """Return Kueue's manifests, with its webhooks at their address on this machine."""
    module = binaries.module_folder(server.layout, KUEUE.name, Progress())
    text = server.kubectl("kustomize", str(module / "config/default"))
    found = [one for one in yaml.load_all(text, Loader=yaml.CSafeLoader) if one]
    kept = [one for one in for_a_host(which, found) if one["kind"] in KEPT_KINDS]
    authority = base64.b64encode((server.layout.pki / "ca.crt").read_bytes()).decode()
    for one in kept:
        conversion = one.get("spec", {}).get("conversion", {}).get("webhook")
        for hook in [*one.get("webhooks", ()), *([conversion] if conversion else ())]:
            path = hook["clientConfig"]["service"]["path"]
            url = f"https://127.0.0.1:{which.port}{path}"
            hook["clientConfig"] = {"url": url, "caBundle": authority}
    return kept
