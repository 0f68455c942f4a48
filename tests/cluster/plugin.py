"""`kubectl lowtide` as a user runs it: kubectl, the plugin on the PATH, a kubeconfig."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from clients import RunningCluster
from singlenode.commands import run

TIMEOUT_SECONDS = 240

Verb = Callable[..., str]


def of(cluster: RunningCluster) -> Verb:
    """Return a function that runs kubectl with some arguments and returns what it prints."""
    path = os.pathsep.join(
        [str(cluster.programs.clients), str(Path(sys.executable).parent), os.environ["PATH"]]
    )
    where = {"PATH": path, "KUBECONFIG": cluster.kubeconfig}

    def call(*arguments: str) -> str:
        return run(["kubectl", *arguments], environment=where, timeout_seconds=TIMEOUT_SECONDS)

    return call
