"""Two ranks in two pods on a real cluster: paused by the operator, robbed of one rank, and resumed.

The pods are those of one Indexed Job and find each other by a headless Service. The operator learns
from the first rank's page that its checkpoint took long, and says before any pause that the grace
period is too short. Weights are compared with those of the same two ranks undisturbed, run on this
machine with the same torch.
"""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import rendezvous
import two_ranks
from clients import Kubectl
from demonstration import stage
from measured import Installed
from sleepers import await_

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

NAME = "two-pods"
UNDISTURBED_PORT = 29401
GRACE_SECONDS = 20
"""Less than 1.5 times the first checkpoint's time and five seconds more."""
WAIT_SECONDS = 240
SCRIPT = Path(two_ranks.__file__)


@dataclass(frozen=True, slots=True)
class Trained:
    """The job when it is over, what was seen of it, and what it is compared with."""

    job: dict[str, Any]
    at_risk: dict[str, Any]
    """Its status before the pause."""
    warnings: list[dict[str, Any]]
    """Events of that time."""
    folder: Path
    undisturbed: Path

    def left(self, start: int) -> list[str]:
        """Return the exit statuses of both ranks in a start, empty for one that was killed."""
        files = [self.folder / f"left-{rank}-{start}" for rank in range(two_ranks.RANKS)]
        return [file.read_text() if file.exists() else "" for file in files]


@pytest.fixture(scope="module")
def installed(kept_direct_release: Installed) -> Installed:
    """No Prometheus in this module's release."""
    return kept_direct_release


@pytest.fixture(scope="module")
def trained(
    installed: Installed, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    """Train undisturbed on this machine, and in two pods through a pause and the loss of a rank."""
    undisturbed = tmp_path_factory.mktemp("undisturbed")
    ranks = begin_undisturbed(undisturbed)
    folder = installed.on.layout.state / NAME
    # On a cluster that outlives a run of the tests there is that of the run before.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    inside = kubectl.within(stage.NAMESPACE)
    installed.on.apply(rendezvous.service(NAME), training(installed, folder))

    def status() -> dict[str, Any]:
        found: dict[str, Any] = inside.json("get", "trainingjob", NAME).get("status") or {}
        assert condition(found, "Failed").get("status") != "True", last_words(inside)
        return found

    def told(what: str) -> bool:
        return condition(status(), what).get("status") == "True"

    def has(file: str) -> bool:
        status()
        return (folder / file).exists()

    await_(
        lambda: told("PauseAtRisk"), "the grace period is called too short", seconds=WAIT_SECONDS
    )
    at_risk = status()
    await_(lambda: bool(events(inside)), "an Event says so")
    await_(lambda: has("waits-1"), "rank 0 waits in its first start", seconds=WAIT_SECONDS)
    suspend(inside, True)
    await_(lambda: told("Paused") and not pods(inside), "it is paused", seconds=WAIT_SECONDS)
    suspend(inside, False)
    await_(lambda: has("waits-2"), "rank 1 waits in its second start", seconds=WAIT_SECONDS)
    os.kill(process_of(rank=1), signal.SIGKILL)
    await_(lambda: told("Complete"), "it goes on and ends", seconds=WAIT_SECONDS)
    job = inside.json("get", "trainingjob", NAME)
    assert [process.wait(WAIT_SECONDS) for process in ranks] == [0, 0]
    return Trained(job, at_risk, events(inside), folder, undisturbed)


def begin_undisturbed(folder: Path) -> "list[subprocess.Popen[bytes]]":
    """Start both ranks on this machine."""
    return [
        subprocess.Popen(
            [sys.executable, SCRIPT, folder, f"127.0.0.1:{UNDISTURBED_PORT}", "--undisturbed"],
            env={
                **os.environ,
                "JOB_COMPLETION_INDEX": str(rank),
                "GLOO_SOCKET_IFNAME": "lo",
                "LOWTIDE_METRICS_PORT": "0",
                "LOWTIDE_REPORT_PATH": str(folder / f"report-{rank}.json"),
            },
        )
        for rank in range(two_ranks.RANKS)
    ]


def training(installed: Installed, folder: Path) -> dict[str, Any]:
    """Return a TrainingJob of two pods, each with a rank of its own."""
    container: dict[str, Any] = {
        "name": "main",
        "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}},
        "volumeMounts": [{"name": "work", "mountPath": "/work"}],
    }
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "subdomain": NAME,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "containers": [container],
        "volumes": [{"name": "work", "hostPath": {"path": str(folder)}}],
    }
    stage.lend_torch(pod, installed.built["trainer"])
    container["command"] = [
        container["command"][0],
        "-c",
        SCRIPT.read_text(),
        "/work",
        rendezvous.address(NAME),
    ]
    job = {
        "completionMode": "Indexed",
        "completions": two_ranks.RANKS,
        "parallelism": two_ranks.RANKS,
        # The lost rank counts as a failure; one that starts before the other has left does too.
        "backoffLimit": 4,
        "template": {"spec": pod},
    }
    return {
        "apiVersion": "lowtide.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": NAME, "namespace": stage.NAMESPACE},
        "spec": {
            "schedule": {"policy": "Immediate", "interruption": {"allowed": True}},
            "template": {"spec": job},
        },
    }


def suspend(inside: Kubectl, wanted: bool) -> None:
    """Let the operator pause or resume the job."""
    body = f'{{"spec":{{"suspend":{str(wanted).lower()}}}}}'
    inside("patch", "trainingjob", NAME, "--type=merge", "-p", body)


def pods(inside: Kubectl) -> list[dict[str, Any]]:
    """Return the pods of the job that are there."""
    return list(inside.json("get", "pods", "-l", f"lowtide.dev/trainingjob={NAME}")["items"])


def events(inside: Kubectl) -> list[dict[str, Any]]:
    """Return the Events that warn of a pause."""
    found = inside.json("get", "events.events.k8s.io")["items"]
    return [
        one for one in found if one["regarding"]["name"] == NAME and one["reason"] == "PauseAtRisk"
    ]


def process_of(*, rank: int) -> int:
    """Return the process of a rank of the job, which runs on this machine."""
    wanted = {f"JOB_COMPLETION_INDEX={rank}".encode(), f"LOWTIDE_TRAININGJOB={NAME}".encode()}
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted <= set(variables):
            found.append(int(folder.name))
    assert len(found) == 1, f"{len(found)} processes of rank {rank}"
    return found[0]


def condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return a condition of a status, an empty one without it."""
    return next((one for one in status.get("conditions", ()) if one["type"] == kind), {})


def last_words(inside: Kubectl) -> str:
    """Return the logs of the job's pods."""
    return inside("logs", "-l", f"lowtide.dev/trainingjob={NAME}", "--tail=20", "--prefix")


def test_the_status_warns_before_the_grace_period_is_too_short(trained: Trained) -> None:
    """By hand: 1.5 times 12 s and 5 more are 23 s, which 20 s do not hold."""
    checkpoint = trained.at_risk["training"]["checkpoint"]
    risk = condition(trained.at_risk, "PauseAtRisk")

    assert float(checkpoint["longestSeconds"]) >= two_ranks.SAVING_SECONDS
    assert "attempts" in trained.at_risk
    assert len(trained.at_risk["attempts"]) == 1
    assert risk["reason"] == "GracePeriodShort"
    assert f"a pod has {GRACE_SECONDS} s between SIGTERM and SIGKILL" in risk["message"]
    assert trained.warnings[0]["type"] == "Warning"
    assert "terminationGracePeriodSeconds" in trained.warnings[0]["note"]


def test_both_ranks_were_paused_with_75_and_resumed(trained: Trained) -> None:
    """Rank 0 was told inside a batch; both saved after the same one and left as paused."""
    attempts = trained.job["status"]["attempts"]

    assert trained.left(two_ranks.PAUSED) == ["75", "75"]
    assert [attempt["outcome"] for attempt in attempts] == ["Paused", "Complete"]
    assert len(attempts[0]["pods"]) == two_ranks.RANKS


def test_a_rank_that_is_killed_fails_neither_the_other_nor_the_job(trained: Trained) -> None:
    """The other one leaves with 75; both are started again by the Job and end."""
    status = trained.job["status"]

    assert trained.left(two_ranks.KILLED) == ["75", ""]
    assert condition(status, "Complete")["status"] == "True"
    assert condition(status, "Failed").get("status") != "True"
    assert (trained.folder / "left-0-3").read_text() == "0"


def test_every_sample_counts_once_and_the_weights_are_those_of_an_undisturbed_run(
    trained: Trained,
) -> None:
    """One report of both ranks, one folder of checkpoints, and not one bit of difference."""
    training = trained.job["status"]["training"]
    weights = (trained.folder / "weights").read_text()

    assert training["samples"] == two_ranks.EPOCHS * two_ranks.SAMPLES
    assert training["epochs"] == two_ranks.EPOCHS
    assert weights == (trained.undisturbed / "weights").read_text()
    assert not (trained.folder / "checkpoints-1").exists()
