"""Plain manifests: what Helm renders from the packed chart with its default values."""

import os
import shutil
import subprocess
from pathlib import Path

NAMESPACE = "lowtide-system"

KUSTOMIZATION = f"""\
# What `helm template lowtide CHART --namespace {NAMESPACE} --no-hooks` renders.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [namespace.yaml, lowtide.yaml]
"""
NAMESPACE_MANIFEST = f"""\
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
"""


class HelmError(Exception):
    """One sentence that says why there are no manifests."""


def program() -> str:
    """Return Helm's path: the one on PATH, or the one that the tests built.

    Raises:
        HelmError: there is neither.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lowtide"
    found = [shutil.which("helm"), *sorted(map(str, cache.glob("clients/*/helm")))]
    for path in found:
        if path is not None:
            return path
    raise HelmError("there is no helm: install it, or run `make test`, which builds one")


def manifests(chart: Path) -> dict[str, bytes]:
    """Return the files of a directory for `kubectl apply -k`, made from the packed chart."""
    rendered = subprocess.run(
        [program(), "template", "lowtide", chart, "--namespace", NAMESPACE, "--no-hooks"],
        check=True,
        capture_output=True,
    ).stdout
    return {
        "lowtide/kustomization.yaml": KUSTOMIZATION.encode(),
        "lowtide/namespace.yaml": NAMESPACE_MANIFEST.encode(),
        "lowtide/lowtide.yaml": rendered,
    }
