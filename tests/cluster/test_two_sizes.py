"""An elastic Job on a real cluster: one worker in dirty hours, two in a clean one, by torchrun.

The pods are those of one Indexed Job; torchrun's rendezvous finds how many there are. The deadline
forces a start in dirty hours, at the template's size, and a clean hour comes before its end.
"""

import csv
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import rendezvous
import two_sizes
from clients import Kubectl
from demonstration import day, stage
from measured import Installed, truth_of
from sleepers import await_

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.kinds]

NAME = "wide"
SCRIPT = Path(two_sizes.__file__)
MOUNT = "/work"
"""Where the pods see the folder."""
SLOT_SECONDS = 40
DIRTY, CLEAN = 400.0, 50.0
DIRTY_HOURS, CLEAN_HOURS = 3, 1
HISTORY_HOURS = 16 * 24
"""Whole rounds of dirty and clean hours: the replay begins with dirty ones."""
LENGTH_SECONDS, RESTART_SECONDS, WINDOW_SECONDS = 240, 5, 326
"""The operator reserves 1.2 times the length, so that the job cannot wait for the clean hour; and
at least half of the work is left when that begins, three times what one worker does in it."""
WAIT_SECONDS = 600
TOLERANCE = 0.005


@dataclass(frozen=True, slots=True)
class Trained:
    """The job when its figures are final, and what they are compared with."""

    status: dict[str, Any]
    sizes: list[int]
    """Workers of each start, as the training wrote them down."""
    truth_joules: float


@pytest.fixture(scope="module")
def trained(
    installed: Installed, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    """Run the job through dirty and clean hours."""
    folder = installed.on.layout.state / NAME
    # On a cluster that outlives a run of the tests there is that of the run before.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    shutil.copy(SCRIPT, folder)
    trace = tmp_path_factory.mktemp("hours") / "hours.csv"
    day.begin(
        installed.on.layout, installed.on.python,
        trace=trace, start=write_hours(trace), slot_seconds=SLOT_SECONDS,
    )  # fmt: skip
    day.await_forecast()
    inside = kubectl.within(stage.NAMESPACE)
    installed.on.apply(rendezvous.service(NAME), training(installed, folder))

    def status() -> dict[str, Any]:
        return dict(inside.json("get", "trainingjob", NAME).get("status") or {})

    def is_priced() -> bool:
        held = {one["type"]: one["status"] for one in status().get("conditions", ())}
        assert held.get("Failed") != "True", inside("get", "trainingjob", NAME, "-o", "yaml")
        return "avoidedGrams" in status().get("counterfactual", {})

    await_(is_priced, "it is over and priced", seconds=WAIT_SECONDS)
    await_(lambda: status()["energy"]["final"] is True, "its energy is final", seconds=WAIT_SECONDS)
    job = inside.json("get", "trainingjob", NAME)
    sizes = [int(line) for line in (folder / "sizes").read_text().splitlines()]
    return Trained(job["status"], sizes, truth_of(job, installed.truth))


def write_hours(file: Path) -> str:
    """Write hours that are dirty and clean by turns; return the first one to replay."""
    begin = datetime(2021, 1, 1, tzinfo=UTC)
    with file.open("w", encoding="utf-8", newline="") as rows:
        writer = csv.writer(rows)
        writer.writerow(["time", "g_per_kwh", "forecast"])
        for hour in range(HISTORY_HOURS + 240):
            value = DIRTY if hour % (DIRTY_HOURS + CLEAN_HOURS) < DIRTY_HOURS else CLEAN
            writer.writerow([f"{begin + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ}", value, value])
    return f"{begin + timedelta(hours=HISTORY_HOURS):%Y-%m-%dT%H:%MZ}"


def training(installed: Installed, folder: Path) -> dict[str, Any]:
    """Return a TrainingJob of one worker that may be two."""
    container: dict[str, Any] = {
        "name": "main",
        "resources": {
            "requests": {"cpu": "100m", "memory": "512Mi"},
            "limits": {"nvidia.com/gpu": 1},
        },
        "volumeMounts": [{"name": "work", "mountPath": MOUNT}],
    }
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "subdomain": NAME,
        "terminationGracePeriodSeconds": 60,
        "containers": [container],
        "volumes": [{"name": "work", "hostPath": {"path": str(folder)}}],
    }
    stage.lend_torch(pod, installed.built["trainer"])
    python = container["command"][0]
    container["command"] = [
        python, "-m", "lowtide_trainer.main", "exec", "--",
        python, "-m", "torch.distributed.run", "--nnodes=1:2", "--nproc-per-node=1",
        "--rdzv-backend=c10d", "--rdzv-conf=last_call_timeout=3", "--max-restarts=0",
        f"--rdzv-endpoint={rendezvous.address(NAME)}",
        f"{MOUNT}/{SCRIPT.name}", MOUNT,
    ]  # fmt: skip
    deadline = datetime.now(UTC) + timedelta(seconds=WINDOW_SECONDS)
    return {
        "apiVersion": "lowtide.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": NAME, "namespace": stage.NAMESPACE},
        "spec": {
            "schedule": {
                "deadline": f"{deadline:%Y-%m-%dT%H:%M:%SZ}",
                "expectedDurationSeconds": LENGTH_SECONDS,
                "interruption": {"allowed": True, "restartCostSeconds": RESTART_SECONDS},
                "elastic": {"minReplicas": 1, "maxReplicas": 2, "efficiency": "0.9"},
            },
            "template": {
                "spec": {
                    "completionMode": "Indexed",
                    "completions": 1,
                    "parallelism": 1,
                    "backoffLimit": 4,
                    "template": {"spec": pod},
                }
            },
        },
    }


def test_the_job_ran_at_both_sizes_and_lost_no_sample(trained: Trained) -> None:
    """One worker first, since the deadline allows no more waiting; two in the clean hour."""
    attempts = trained.status["attempts"]

    assert trained.sizes == [one["replicas"] for one in attempts]
    assert [len(one["pods"]) for one in attempts] == trained.sizes
    assert (trained.sizes[0], max(trained.sizes)) == (1, 2)
    assert {(one["replicas"], one["speed"]) for one in attempts} == {(1, "1"), (2, "1.8")}
    assert {one["outcome"] for one in attempts[:-1]} <= {"Paused", "Resized"}
    assert attempts[-1]["outcome"] == "Complete"

    # Batches that cannot be shared evenly at the new size are trained again: one for each change.
    repeated = trained.status["training"]["samples"] - two_sizes.EPOCHS * two_sizes.SAMPLES
    assert 0 <= repeated <= two_sizes.BATCH * (len(attempts) - 1)


def test_its_energy_is_that_of_all_pods_of_both_sizes(trained: Trained) -> None:
    """The closed form of the stand-in, over one pod and then two."""
    energy = trained.status["energy"]
    each = [attempt["energyJoules"] for attempt in trained.status["attempts"]]

    assert min(each) > 0
    assert energy["totalJoules"] == pytest.approx(trained.truth_joules, rel=TOLERANCE)
    assert sum(each) == pytest.approx(energy["totalJoules"], abs=len(each))


def test_what_the_second_worker_cost_in_energy_is_not_counted_as_avoided(trained: Trained) -> None:
    """At submission at most the energy at one worker, at the intensity of dirty hours.

    Of an attempt at two that is 0.9 of its energy: 1.8 times its seconds at half of its power.
    """
    at_one = sum(
        one["energyJoules"] * (0.9 if one["replicas"] == 2 else 1.0)
        for one in trained.status["attempts"]
    )

    assert (
        0 < float(trained.status["counterfactual"]["runNowGrams"]) < 1.001 * at_one / 3.6e6 * DIRTY
    )
