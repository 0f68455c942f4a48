"""Decides which cluster the tests use: the one that KUBECONFIG names, or this machine's own.

Tests create and delete namespaces, custom resources and cluster roles. A kubeconfig is often
set for quite another purpose, so a cluster is used only when its context has a name that says
"test", or when the user names it.
"""

from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path

from singlenode.commands import run
from singlenode.errors import ForbiddenContextError
from singlenode.layout import Layout

ALLOWED_CONTEXTS = ("lowtide", "lowtide-*", "k3d-lowtide*", "kind-lowtide*", "minikube-lowtide*")
CONTEXT_VARIABLE = "LOWTIDE_TEST_CONTEXT"


def external_kubeconfig(
    environment: Mapping[str, str], layout: Layout, kubectl: Path
) -> str | None:
    """Return the value of KUBECONFIG if another cluster is to be used, None for our own.

    Raises:
        ForbiddenContextError: its context is neither on the list nor named by the user.
    """
    kubeconfig = environment.get("KUBECONFIG", "")
    if not kubeconfig or kubeconfig == str(layout.kubeconfig):
        return None
    context = run(
        [kubectl, "config", "current-context"], environment={"KUBECONFIG": kubeconfig}
    ).strip()
    check_context(context, environment.get(CONTEXT_VARIABLE))
    return kubeconfig


def check_context(context: str, named_by_user: str | None) -> None:
    """Raise ForbiddenContextError unless tests may use the cluster of `context`."""
    if context != named_by_user and not any(fnmatch(context, name) for name in ALLOWED_CONTEXTS):
        raise ForbiddenContextError(
            f"KUBECONFIG points at the context {context!r}, which tests may not touch: unset "
            f"KUBECONFIG, or set {CONTEXT_VARIABLE}={context} if it is meant for them"
        )
