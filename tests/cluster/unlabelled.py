"""Workloads that nobody labelled, in a namespace of their own: a Job of two pods, a Deployment.

They work from the moment that a test first asks for them, so that they can beside another test.
"""

from typing import Any

from clients import Kubectl
from measured import Installed

WORK_SECONDS = 20
TEAM = "unlabelled"
BUSY = f"import time; end = time.time() + {WORK_SECONDS}\nwhile time.time() < end: pass"


class Team:
    """The namespace, and whether its workloads were started."""

    def __init__(self, kubectl: Kubectl) -> None:
        self._kubectl = kubectl
        self._has_begun = False

    def begin(self, installed: Installed) -> Kubectl:
        """Start the workloads, unless they were; they hold two GPUs. Return their namespace."""
        if not self._has_begun:
            self._has_begun = True
            image = installed.built["base"].reference
            installed.on.apply(
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TEAM}},
                *_workloads(image),
            )
        return self._kubectl.within(TEAM)

    def end(self) -> None:
        """Remove the namespace, if it is there."""
        if self._has_begun:
            self._has_begun = False
            self._kubectl("delete", "namespace", TEAM, "--wait=false")


def _workloads(image: str) -> list[dict[str, Any]]:
    """Return the Job, whose pods work one after the other, and the Deployment, which idles."""
    spec = {"restartPolicy": "Never", **_pod(image, BUSY)}
    work = {"completions": 2, "parallelism": 1, "template": {"spec": spec}}
    labels = {"app": "web"}
    idle = {"metadata": {"labels": labels}, "spec": _pod(image, "import time; time.sleep(900)")}
    web = {"selector": {"matchLabels": labels}, "template": idle}
    return [
        {
            "apiVersion": api,
            "kind": kind,
            "metadata": {"name": name, "namespace": TEAM},
            "spec": body,
        }
        for api, kind, name, body in (
            ("batch/v1", "Job", "net", work),
            ("apps/v1", "Deployment", "web", web),
        )
    ]


def _pod(image: str, code: str) -> dict[str, Any]:
    """Return the spec of a pod with a GPU as a user writes it."""
    container: dict[str, Any] = {"name": "main", "image": image, "imagePullPolicy": "Never"}
    container["command"] = ["python3", "-c", code]
    container["resources"] = {"limits": {"nvidia.com/gpu": 1}}
    return {"terminationGracePeriodSeconds": 1, "containers": [container]}
