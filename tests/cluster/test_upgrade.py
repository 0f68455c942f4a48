"""From the last release to this one and back, on a running cluster: `make test-upgrade`.

c12c873 stands for the last release, as none is published yet. Its chart and images come from its
own tree. One job has ended before the upgrade, one runs through it, one is suspended, one waits;
the exporter keeps its state on the node. Then the same with a job that runs through the way back.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from clients import Kubectl, RunningCluster
from demonstration import stage
from measured import Installed, seconds_of, truth_of
from singlenode.images import Image
from singlenode.layout import REPOSITORY
from sleepers import await_

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.upgrade]

LAST_RELEASE = "c12c873"
TOLERANCE = 0.005
PATIENCE_SECONDS = 300
GATE = "/gate"
PRINT_VALUES = """
import json, sys
from pathlib import Path
from demonstration import stage
from singlenode import images
from singlenode.layout import Layout
from singlenode.progress import Progress
built = images.build(images.RECIPES, Layout.default(), Progress())
print(json.dumps(stage.chart_values(built, Path(sys.argv[1]), scrapes_itself=False)))
"""


@dataclass(frozen=True, slots=True)
class Version:
    """One of the two releases, as it is installed."""

    chart: Path
    values: dict[str, Any]

    def install(self, cluster: RunningCluster) -> None:
        """Install it, or change what is installed into it, and wait until it is ready."""
        assert cluster.layout is not None
        state = {"stateDirectory": str(cluster.layout.state / "exporter-state")}
        values = {**self.values, "exporter": {**self.values["exporter"], **state}}
        command = [
            *(cluster.programs.clients / "helm", f"--kubeconfig={cluster.kubeconfig}"),
            *("upgrade", "--install", "lowtide", self.chart, "--values", "-"),
            *("--namespace", stage.RELEASE_NAMESPACE, "--create-namespace"),
            *("--wait", "--timeout", f"{PATIENCE_SECONDS}s"),
        ]
        done = subprocess.run(
            command,
            input=yaml.safe_dump(values),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS + 60,
        )
        assert done.returncode == 0, done.stderr


@dataclass
class Story:
    """What was seen of the jobs: after the upgrade, and after the way back."""

    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    truth: dict[str, float] = field(default_factory=dict)
    ended_before: dict[str, Any] = field(default_factory=dict)
    ended_after: list[dict[str, Any]] = field(default_factory=list)
    running_uids: list[set[str]] = field(default_factory=list)
    batch_jobs: dict[str, set[str]] = field(default_factory=dict)
    earliest: dict[str, float] = field(default_factory=dict)
    created: dict[str, float] = field(default_factory=dict)
    """When the Job of each TrainingJob that waited was made."""
    later_ended: dict[str, float] = field(default_factory=dict)
    """When a job ended that was asked for once the one that waited was due."""


@pytest.fixture(scope="module")
def old_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout of the last release."""
    directory = tmp_path_factory.mktemp("release")
    archive = directory / "tree.tar"
    command = ["git", "-C", REPOSITORY, "archive", f"--output={archive}", LAST_RELEASE]
    if subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip(f"the history of this checkout does not reach back to {LAST_RELEASE}")
    with tarfile.open(archive) as files:
        files.extractall(directory / "tree", filter="data")
    return directory / "tree"


def old_values(tree: Path, mock_nvml: Path) -> dict[str, Any]:
    """Values of the last release's own chart, with its own images, loaded into the cluster."""
    path = os.pathsep.join(map(str, (tree, tree / "tests", tree / "tests" / "cluster")))
    environment = {**os.environ, "PYTHONPATH": path}
    for command in (
        [sys.executable, tree / "tests" / "cluster", "--quiet", "images"],
        [sys.executable, "-c", PRINT_VALUES, mock_nvml],
    ):
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=1800, env=environment, cwd=tree
        )
        assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def story(
    cluster: RunningCluster, kubectl: Kubectl, built: dict[str, Image], old_tree: Path
) -> Iterator[Story]:
    """Both ways, lived through."""
    assert cluster.layout is not None
    on = stage.Stage(cluster.layout, cluster.programs, Path(sys.executable))
    mock_nvml = stage.start_mock_gpus(on)
    old = Version(old_tree / "charts" / "lowtide", old_values(old_tree, mock_nvml))
    new = Version(
        REPOSITORY / "charts" / "lowtide",
        stage.chart_values(built, mock_nvml, scrapes_itself=False),
    )
    on.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": stage.RELEASE_NAMESPACE}},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "grid-token", "namespace": stage.RELEASE_NAMESPACE},
            "stringData": {"token": "none"},
        },
    )
    kubectl("delete", "crd/trainingjobs.lowtide.dev", "--ignore-not-found")
    try:
        yield live_through(Installed(on, built, mock_nvml), cluster, kubectl, old, new)
    finally:
        kubectl("delete", "trainingjobs", "--all", "--all-namespaces", "--ignore-not-found")
        helm = [str(cluster.programs.clients / "helm"), f"--kubeconfig={cluster.kubeconfig}"]
        where = ["--namespace", stage.RELEASE_NAMESPACE, "--ignore-not-found", "--wait"]
        stage.run([*helm, "uninstall", "lowtide", *where])
        kubectl("delete", "crd/trainingjobs.lowtide.dev", "--ignore-not-found")
        stage.stop_mock_gpus(on)


def live_through(
    installed: Installed, cluster: RunningCluster, kubectl: Kubectl, old: Version, new: Version
) -> Story:
    """Install the old, upgrade, go back; return what was seen of the jobs."""
    story, inside = Story(), kubectl.within(stage.NAMESPACE)
    image = installed.built["base"].reference
    gate = installed.on.layout.state / "gate"
    shutil.rmtree(gate, ignore_errors=True)  # of an earlier run on a cluster that was kept
    gate.mkdir()
    old.install(cluster)
    installed.on.apply(worker("ended", image, seconds=10), worker("stopped", image, gate=gate))
    measured(inside, "ended")
    story.ended_before = inside.json("get", "trainingjob", "ended")["status"]
    suspend(inside, "stopped", True)
    wait_for(lambda: pods(inside, "stopped") == set(), "the suspended job has no pod")

    for number, version in ((1, new), (2, old)):
        running, waiting = f"running-{number}", f"waiting-{number}"
        earliest = datetime.now(UTC) + timedelta(seconds=75)
        story.earliest[waiting] = earliest.timestamp()
        installed.on.apply(
            worker(running, image, gate=gate),
            worker(waiting, image, seconds=5, earliest=earliest),
        )
        wait_for(lambda: joules(inside, running) > 0, f"{running} is measured")  # noqa: B023
        before = pods(inside, running)
        version.install(cluster)
        story.running_uids += [before, pods(inside, running)]
        (gate / running).touch()
        wait_for(lambda: datetime.now(UTC) > earliest, f"{waiting} is due")  # noqa: B023
        story.later_ended[waiting] = ended(inside, installed.on, f"later-{number}", image)
        for name in (running, waiting):
            measured(inside, name)
            story.jobs[name] = inside.json("get", "trainingjob", name)
            story.truth[name] = truth_of(story.jobs[name], installed.truth)
        (job,) = jobs_of(inside, waiting)
        story.created[waiting] = seconds_of(job["metadata"]["creationTimestamp"])
        story.ended_after.append(inside.json("get", "trainingjob", "ended")["status"])
        assert pods(inside, "stopped") == set()

    suspend(inside, "stopped", False)
    wait_for(lambda: pods(inside, "stopped") != set(), "the job that was suspended runs")
    for name in ("ended", "stopped", *story.jobs):
        story.batch_jobs[name] = {one["metadata"]["uid"] for one in jobs_of(inside, name)}
    return story


def wait_for(holds: Callable[[], bool], what: str) -> None:
    """Wait for something as long as it may take on a machine that has other things to do."""
    await_(holds, what, seconds=PATIENCE_SECONDS)


def ended(inside: Kubectl, on: stage.Stage, name: str, image: str) -> float:
    """Ask for a job that needs no GPU and ends at once; return when it had ended."""
    on.apply(worker(name, image, gpus=0))

    def attempts() -> list[dict[str, Any]]:
        status = inside.json("get", "trainingjob", name).get("status") or {}
        return [attempt for attempt in status.get("attempts", []) if attempt.get("end")]

    wait_for(lambda: attempts() != [], f"{name} has ended")
    return seconds_of(attempts()[0]["end"])


def jobs_of(inside: Kubectl, name: str) -> list[dict[str, Any]]:
    """Return the Jobs of a TrainingJob."""
    items = inside.json("get", "jobs", "-l", f"lowtide.dev/trainingjob={name}")["items"]
    return list(items)


def worker(
    name: str,
    image: str,
    *,
    seconds: int = 0,
    gate: Path | None = None,
    gpus: int = 1,
    earliest: datetime | None = None,
) -> dict[str, Any]:
    """Return a job that is busy for some seconds, or until `gate` has a file of its name."""
    until = f"time.time() > end if {gate is None} else Path('{GATE}/{name}').exists()"
    code = (
        f"import time; from pathlib import Path; end = time.time() + {seconds}\n"
        f"while not ({until}): sum(range(99999))"
    )
    container: dict[str, Any] = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "Never",
        "command": ["python3", "-c", code],
        "resources": {"limits": {"nvidia.com/gpu": gpus} if gpus else {}},
    }
    schedule: dict[str, Any] = {"policy": "Immediate"}
    if earliest is not None:
        schedule = {"startNoEarlierThan": earliest.strftime("%Y-%m-%dT%H:%M:%SZ"), **schedule}
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
    }
    if gate is not None:
        container["volumeMounts"] = [{"name": "gate", "mountPath": GATE}]
        pod["volumes"] = [{"name": "gate", "hostPath": {"path": str(gate)}}]
    return {
        "apiVersion": "lowtide.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": name, "namespace": stage.NAMESPACE},
        "spec": {"schedule": schedule, "template": {"spec": {"template": {"spec": pod}}}},
    }


def measured(inside: Kubectl, name: str) -> None:
    """Wait until a job is measured."""
    inside(
        *("wait", "--for=condition=Measured", f"trainingjob/{name}", "--timeout=300s"), timeout=320
    )


def joules(inside: Kubectl, name: str) -> float:
    """Return the energy that a job's status tells so far."""
    status = inside.json("get", "trainingjob", name).get("status") or {}
    return float(status.get("energy", {}).get("totalJoules") or 0)


def pods(inside: Kubectl, name: str) -> set[str]:
    """Return the uids of a job's pods that have not ended."""
    listed = inside.json("get", "pods", "-l", f"lowtide.dev/trainingjob={name}")["items"]
    return {
        pod["metadata"]["uid"]
        for pod in listed
        if pod["status"].get("phase") in {"Pending", "Running"}
    }


def suspend(inside: Kubectl, name: str, value: bool) -> None:
    """Suspend a job, or let it go on."""
    wait_for(lambda: pods(inside, name) != set() or not value, f"{name} runs")
    patch = json.dumps({"spec": {"suspend": value}})
    inside("patch", "trainingjob", name, "--type=merge", "--patch", patch)


WAYS = pytest.mark.parametrize("number", [1, 2], ids=["upgrade", "way-back"])


def test_no_job_starts_twice(story: Story) -> None:
    """One Job for each TrainingJob, whichever operator saw it first."""
    assert {name: len(uids) for name, uids in story.batch_jobs.items()} == dict.fromkeys(
        story.batch_jobs, 1
    )


@WAYS
def test_a_running_pod_is_left_alone(story: Story, number: int) -> None:
    """The pod that ran before is the one that runs after, and the only one."""
    before, after = story.running_uids[2 * number - 2 : 2 * number]

    assert len(before) == 1
    assert after <= before


@WAYS
def test_a_waiting_job_starts_once_and_in_time(story: Story, number: int) -> None:
    """Neither before its earliest start, nor after what was asked for once it was due."""
    name = f"waiting-{number}"
    (attempt,) = story.jobs[name]["status"]["attempts"]

    assert seconds_of(attempt["start"]) >= story.earliest[name] - 1
    assert story.created[name] <= story.later_ended[name]


@WAYS
def test_no_joule_is_lost_without_a_word(story: Story, number: int) -> None:
    """What the exporters did not see while one took the other's place is missing by the coverage.

    The two write their state in different forms, so the totals begin anew; see
    `docs/reference/versions.md`.
    """
    name = f"running-{number}"
    energy, truth = story.jobs[name]["status"]["energy"], story.truth[name]
    unknown_seconds = (1 - float(energy["energyCoverage"])) * float(energy["runSeconds"])
    most_missing = unknown_seconds * (stage.IDLE_WATTS + stage.WATTS_PER_CORE)

    assert energy["final"] is True
    assert energy["totalJoules"] <= (1 + TOLERANCE) * truth
    assert truth - energy["totalJoules"] <= most_missing + TOLERANCE * truth


@WAYS
def test_what_had_ended_stays_as_it_was(story: Story, number: int) -> None:
    """The figures of a job that ended before are not measured or settled anew."""
    after = story.ended_after[number - 1]

    for section in ("energy", "attempts", "sci"):
        assert after.get(section) == story.ended_before.get(section)
