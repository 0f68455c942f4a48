"""The clients that tests talk to the cluster with: kubectl, Helm and the cluster itself."""

import contextlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from singlenode import binaries
from singlenode.commands import run
from singlenode.layout import PROMETHEUS_URL, Layout


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl with the tests' kubeconfig, and optionally a namespace."""

    program: Path
    kubeconfig: str
    namespace: str | None = None

    def __call__(self, *arguments: str, text: str | None = None, timeout: float = 120) -> str:
        """Run kubectl with `arguments` (and `text` on stdin); return what it printed.

        Raises:
            CommandFailedError: its status is not 0; the message ends with what it said.
        """
        where = ["--namespace", self.namespace] if self.namespace else []
        return run(
            [self.program, *where, *arguments],
            environment={"KUBECONFIG": self.kubeconfig},
            input_text=text,
            timeout_seconds=timeout,
        )

    def json(self, *arguments: str) -> Any:
        """Return the parsed answer of a command that takes `-o json`."""
        return json.loads(self(*arguments, "-o", "json"))

    def apply(self, *manifests: dict[str, Any]) -> None:
        """Apply objects by server-side apply."""
        bundle = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self("apply", "--server-side", "-f", "-", text=json.dumps(bundle))

    def within(self, namespace: str) -> "Kubectl":
        """Return the same for one namespace."""
        return Kubectl(self.program, self.kubeconfig, namespace)


@contextlib.contextmanager
def fresh_namespace(kubectl: Kubectl) -> Iterator[str]:
    """Create a namespace; delete it afterwards, when its pods are gone and their GPUs free."""
    name = f"test-{secrets.token_hex(4)}"
    kubectl("create", "namespace", name)
    try:
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false")  # from now on nothing starts there
        kubectl("delete", "pods", "--all", "--namespace", name, "--grace-period=1")


@dataclass(frozen=True, slots=True)
class Helm:
    """One version of Helm with the tests' kubeconfig, and files of its own."""

    program: Path
    kubeconfig: str
    home: Path

    def __call__(self, *arguments: str, timeout: float = 180) -> str:
        """Run helm with `arguments`; return what it printed."""
        homes = {
            f"HELM_{kind}_HOME": str(self.home / kind.lower())
            for kind in ("CACHE", "CONFIG", "DATA")
        }
        return run(
            [self.program, *arguments],
            environment={"KUBECONFIG": self.kubeconfig, **homes},
            timeout_seconds=timeout,
        )


@dataclass(frozen=True, slots=True)
class RunningCluster:
    """The cluster that the tests use."""

    kubeconfig: str
    programs: binaries.Binaries
    layout: Layout | None
    """None for a cluster that KUBECONFIG names: its node is not this machine."""

    @property
    def prometheus_url(self) -> str:
        """Where its Prometheus answers, from this machine and from pods."""
        if self.layout is None:
            pytest.skip("the cluster that KUBECONFIG names brings no Prometheus of ours")
        return PROMETHEUS_URL
