"""A budget on a real cluster: a job whose energy passes its limit saves, ends, and says why.

The load is constant and ends only by SIGTERM, so nothing but the budget ends it. The energy is the
exporter's, scraped by the operator itself; truth is the closed form of the stand-in for GPUs.
"""

import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from clients import Kubectl
from demonstration import stage
from measured import Installed, truth_of

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

NAME = "over-budget"
LIMIT_JOULES = 3 * stage.IDLE_WATTS
"""What the GPU uses within seconds, also idle."""
ENERGY_TOLERANCE = 0.02
WAIT_SECONDS = 240
UNTIL_TOLD = """
import pathlib, signal, sys

def save(*_):
    pathlib.Path("/checkpoints/state").write_text("saved")
    sys.exit(75)

signal.signal(signal.SIGTERM, save)
while True:
    sum(range(1_000_000))
"""


@pytest.fixture(scope="module")
def installed(kept_direct_release: Installed) -> Installed:
    """No Prometheus in this module's release."""
    return kept_direct_release


@pytest.fixture(scope="module")
def stopped(installed: Installed, kubectl: Kubectl, images: dict[str, str]) -> dict[str, Any]:
    """Return the job once it is measured."""
    folder = checkpoints(installed)
    # On a cluster that outlives a run of the tests there is that of the run before.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    installed.on.apply(over_budget(images["base"], folder))
    inside = kubectl.within(stage.NAMESPACE)
    inside(
        "wait", "--for=condition=Measured", f"trainingjob/{NAME}",
        f"--timeout={WAIT_SECONDS}s", timeout=WAIT_SECONDS + 30,
    )  # fmt: skip
    return dict(inside.json("get", "trainingjob", NAME))


def checkpoints(installed: Installed) -> Path:
    """Return the job's directory on the node."""
    return installed.on.layout.state / "checkpoints" / NAME


def over_budget(image: str, checkpoints: Path) -> dict[str, Any]:
    """Return a job that runs until it is told to stop, with a budget of some seconds' energy."""
    container = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "Never",
        "command": ["python3", "-c", UNTIL_TOLD],
        "resources": {"limits": {"nvidia.com/gpu": 1}},
        "volumeMounts": [{"name": "checkpoints", "mountPath": "/checkpoints"}],
    }
    pod = {
        "restartPolicy": "Never",
        "containers": [container],
        "volumes": [{"name": "checkpoints", "hostPath": {"path": str(checkpoints)}}],
    }
    return {
        "apiVersion": "lowtide.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": NAME, "namespace": stage.NAMESPACE},
        "spec": {
            "schedule": {"policy": "Immediate", "interruption": {"allowed": True}},
            "budget": {"energyJoules": {"limit": str(LIMIT_JOULES), "action": "Stop"}},
            "template": {"spec": {"template": {"spec": pod}}},
        },
    }


def condition(job: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return a condition of a job."""
    return next(one for one in job["status"]["conditions"] if one["type"] == kind)


def test_the_job_was_stopped_by_its_energy_and_says_so(stopped: dict[str, Any]) -> None:
    """Failed for its budget, by what was measured and not by a prediction."""
    failed, over = condition(stopped, "Failed"), condition(stopped, "OverBudget")

    assert (failed["status"], failed["reason"]) == ("True", "BudgetExceeded")
    assert (over["status"], over["reason"]) == ("True", "BudgetExceeded")
    assert "was measured, the budget allows" in over["message"]
    assert stopped["status"]["display"]["state"] == "Failed"


def test_it_saved_before_it_ended(stopped: dict[str, Any], installed: Installed) -> None:
    """SIGTERM reached the training, which had the time to write its state."""
    assert stopped["status"]["attempts"][-1]["end"]
    assert (checkpoints(installed) / "state").read_text() == "saved"


def test_its_energy_is_the_truth_and_above_the_limit(
    stopped: dict[str, Any], installed: Installed
) -> None:
    """Every joule until the end is in the status, those after the limit too."""
    joules = stopped["status"]["energy"]["totalJoules"]

    assert joules > LIMIT_JOULES
    assert joules == pytest.approx(truth_of(stopped, installed.truth), rel=ENERGY_TOLERANCE)


def test_nothing_of_it_runs_on(stopped: dict[str, Any], kubectl: Kubectl) -> None:
    """Its Job is suspended or gone, and no pod comes again."""
    inside = kubectl.within(stage.NAMESPACE)
    until = time.monotonic() + WAIT_SECONDS
    while inside.json("get", "pods", "-l", f"job-name={NAME}-1")["items"]:
        assert time.monotonic() < until, "a pod of the stopped job is still there"
        time.sleep(0.5)

    assert stopped["status"]["attempts"][-1].get("end") is not None
    assert len(stopped["status"]["attempts"]) == 1
