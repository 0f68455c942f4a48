"""TrainingJobs that train nothing, and how to wait for what they bring about."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from demonstration import stage


def sleeper(name: str, image: str, *, wait: bool = False, busy: bool = False) -> dict[str, Any]:
    """Return a job that does nothing, or keeps one core and a GPU busy."""
    container: dict[str, Any] = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "Never",
        "command": ["python3", "-c", "import time; time.sleep(900)"],
    }
    if busy:
        container["command"] = ["python3", "-c", "while True: pass"]
        container["resources"] = {"limits": {"nvidia.com/gpu": 1}}
    pod = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
    }
    later = (datetime.now(UTC) + timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%SZ")
    schedule = {"startNoEarlierThan": later} if wait else {"policy": "Immediate"}
    return {
        "apiVersion": "lowtide.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": name, "namespace": stage.NAMESPACE},
        "spec": {"schedule": schedule, "template": {"spec": {"template": {"spec": pod}}}},
    }


def await_(holds: Callable[[], bool], what: str, *, seconds: float = 240) -> None:
    """Return when something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.3)
