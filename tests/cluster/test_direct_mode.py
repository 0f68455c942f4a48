"""The chart without Prometheus: the operator finds the exporters by DNS and scrapes them itself.

Two jobs, each with one fault in the middle. The reference workload outlives the operator's pod,
whose samples go with it: no joule may be missing, because the exporter counts on and keeps what it
counted; only when the energy was used is not known. A job with a constant load outlives the
exporter's pod, which keeps no state here: what was used in between is missing, and the status must
say how much of the running time it knows. Truth is the closed form of the stand-in for GPUs.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import plugin
import pytest
from clients import Helm, Kubectl, RunningCluster
from demonstration import day, stage
from demonstration.pace import QUICKEST
from measured import Installed, seconds_of, truth_of

from lowtide.units import format_coverage

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

REFERENCE, STEADY = "inceptionv3", "steady"
ENERGY_TOLERANCE = 0.005
BUSY_WATTS = stage.IDLE_WATTS + stage.WATTS_PER_CORE
"""Power that the stand-in draws while a loop has a core of its own."""
UNTIMED_SECONDS = 5 * stage.SCRAPE_SECONDS
"""How long the reference runs before the operator is lost; gaps above three scrapes are untimed."""
EDGES_SECONDS = UNTIMED_SECONDS / 2
"""A pod's start has whole seconds at the API server; the exporter asks twice a second who runs, on
a busy machine later. Samples that went with the operator would be twice as much."""
LIMIT_SECONDS = 300
OPERATOR, EXPORTER = (
    f"app.kubernetes.io/component={component}" for component in ("operator", "exporter")
)
BUSY = """
import pathlib
while not pathlib.Path("/tmp/enough").exists():
    sum(range(1_000_000))
"""


@dataclass(frozen=True, slots=True)
class Outlived:
    """A measured TrainingJob, and what it truly used."""

    job: dict[str, Any]
    truth_joules: float

    @property
    def energy(self) -> dict[str, Any]:
        """The energy section of its status."""
        return dict(self.job["status"]["energy"])

    @property
    def coverage(self) -> float:
        """The share of the running time whose energy is known, by its status."""
        return float(self.energy["energyCoverage"])

    @property
    def time_coverage(self) -> float:
        """The share of the running time in which it is known when energy was used."""
        return float(self.energy["timeCoverage"])

    @property
    def message(self) -> str:
        """The message of the condition Measured."""
        found = [c for c in self.job["status"]["conditions"] if c["type"] == "Measured"]
        return str(found[0]["message"])


@pytest.fixture(scope="module")
def installed(kept_direct_release: Installed) -> Installed:
    """No Prometheus in this module's release."""
    return kept_direct_release


@pytest.fixture(scope="module")
def reference(installed: Installed, kubectl: Kubectl) -> Outlived:
    """The reference workload; the operator's pod is lost while it trains, its volume with it."""
    day.begin(installed.on.layout, installed.on.python, slot_seconds=QUICKEST.slot_seconds)
    day.await_forecast()
    installed.on.apply(training(installed))
    inside = kubectl.within(stage.NAMESPACE)
    until(lambda: ran_seconds(inside, REFERENCE) > UNTIMED_SECONDS, "it has trained for a while")
    lose(kubectl, OPERATOR)
    return measured(inside, REFERENCE, installed)


@pytest.fixture(scope="module")
def steady(
    installed: Installed, kubectl: Kubectl, images: dict[str, str], reference: Outlived
) -> Outlived:
    """A constant load; the exporter's pod is lost meanwhile. Begins when the reference is known."""
    assert reference.energy["final"]
    inside = kubectl.within(stage.NAMESPACE)
    installed.on.apply(loop(images["base"]))
    until(lambda: ran_seconds(inside, STEADY) > 2 * stage.SCRAPE_SECONDS, "it has run for a while")
    lose(kubectl, EXPORTER)
    (pod,) = inside.json("get", "pods", "-l", f"job-name={STEADY}-1")["items"]
    until(lambda: pod["metadata"]["uid"] in page(kubectl), "the new exporter counts for the pod")
    inside("exec", pod["metadata"]["name"], "--", "touch", "/tmp/enough")
    return measured(inside, STEADY, installed)


def training(installed: Installed) -> dict[str, Any]:
    """Return the shipped example, shortened to under half a minute of training, to run at once."""
    job = stage.demo_job(REFERENCE, installed.built["trainer"], datetime.now(UTC), QUICKEST)
    job["spec"]["schedule"] = {"policy": "Immediate"}
    container = job["spec"]["template"]["spec"]["template"]["spec"]["containers"][0]
    for option, value in (("--samples", "128"), ("--epochs", "2")):
        container["args"][container["args"].index(option) + 1] = value
    return job


def loop(image: str) -> dict[str, Any]:
    """Return a job that keeps one core and a GPU busy until it is told that it is enough."""
    container = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "Never",
        "command": ["python3", "-c", BUSY],
        "resources": {"limits": {"nvidia.com/gpu": 1}},
    }
    pod = {"restartPolicy": "Never", "containers": [container]}
    return {
        "apiVersion": "lowtide.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": STEADY, "namespace": stage.NAMESPACE},
        "spec": {
            "schedule": {"policy": "Immediate"},
            "template": {"spec": {"template": {"spec": pod}}},
        },
    }


def ran_seconds(inside: Kubectl, name: str) -> float:
    """Return for how long a job has run of whose energy the operator has seen something."""
    status = inside.json("get", "trainingjob", name).get("status") or {}
    if not status.get("energy", {}).get("totalJoules"):
        return 0.0
    return time.time() - seconds_of(status["attempts"][0]["start"])


def lose(kubectl: Kubectl, component: str) -> None:
    """Kill the pod of a component as a lost node would, and wait for another that is ready."""
    inside = kubectl.within(stage.RELEASE_NAMESPACE)
    (before,) = inside.json("get", "pods", "-l", component)["items"]
    inside("delete", "pod", before["metadata"]["name"], "--grace-period=0", "--force")
    until(lambda: is_another_ready(inside, component, before), f"another {component} is ready")


def is_another_ready(inside: Kubectl, component: str, before: dict[str, Any]) -> bool:
    """Return whether a pod of a component is ready that is not the one before."""
    return any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for pod in inside.json("get", "pods", "-l", component)["items"]
        if pod["metadata"]["uid"] != before["metadata"]["uid"]
        for condition in pod["status"].get("conditions", ())
    )


def page(kubectl: Kubectl) -> str:
    """Return the metrics page of the exporter."""
    (pod,) = kubectl.within(stage.RELEASE_NAMESPACE).json("get", "pods", "-l", EXPORTER)["items"]
    name = pod["metadata"]["name"]
    where = f"/api/v1/namespaces/{stage.RELEASE_NAMESPACE}/pods/{name}:9400/proxy/metrics"
    return kubectl("get", "--raw", where)


def measured(inside: Kubectl, name: str, installed: Installed) -> Outlived:
    """Return a job once it is measured."""
    inside(
        "wait", "--for=condition=Measured", f"trainingjob/{name}",
        f"--timeout={LIMIT_SECONDS}s", timeout=LIMIT_SECONDS + 30,
    )  # fmt: skip
    job = inside.json("get", "trainingjob", name)
    return Outlived(job, truth_of(job, installed.truth))


def until(holds: Callable[[], bool], what: str) -> None:
    """Return when something holds."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not within {LIMIT_SECONDS} s: {what}"
        time.sleep(0.3)


def test_energy_is_the_truth_although_the_operator_lost_its_samples(reference: Outlived) -> None:
    """The exporter counted on: every joule is there, final, and covers the whole run."""
    energy = reference.energy

    assert energy["totalJoules"] == pytest.approx(reference.truth_joules, rel=ENERGY_TOLERANCE)
    assert (energy["kind"], energy["mock"], energy["final"]) == ("Measured", True, True)
    assert (1 - reference.coverage) * float(energy["runSeconds"]) < EDGES_SECONDS
    assert "is known for" not in reference.message


def test_when_the_energy_was_used_is_not_known_of_the_time_that_was_lost(
    reference: Outlived,
) -> None:
    """The lost samples are not made up: from the start to the new operator nothing is timed."""
    run_seconds = float(reference.energy["runSeconds"])

    assert reference.time_coverage < 1 - UNTIMED_SECONDS / run_seconds


def test_explain_computes_every_figure_of_the_status_again(
    reference: Outlived, cluster: RunningCluster
) -> None:
    """`kubectl lowtide explain`, as a user runs it, finds nothing that does not follow."""
    name = reference.job["metadata"]["name"]

    printed = plugin.of(cluster)("lowtide", "explain", name, "--output", "json")

    agrees = {step["name"]: step["agrees"] for step in json.loads(printed)["steps"]}
    for step in ("mean power", "SCI = C / R", "M = TiR x TE / EL"):
        assert agrees[step] is True, step


def test_helm_test_says_how_many_exporters_are_scraped(reference: Outlived, helm: Helm) -> None:
    """Beside the answers of both programs: what the operator reached by itself."""
    assert reference.energy["final"]

    said = helm("test", "lowtide", "--namespace", stage.RELEASE_NAMESPACE, "--logs")

    assert "scrapes 1 exporters itself" in said
    assert "exporter: 1 ready" in said


def test_energy_that_a_lost_exporter_did_not_count_is_missing_and_said(steady: Outlived) -> None:
    """Nothing is scaled up, and no more lacks than a loop draws in the time not covered."""
    lost_seconds = (1 - steady.coverage) * float(steady.energy["runSeconds"])
    lost_joules = steady.truth_joules - steady.energy["totalJoules"]

    assert steady.energy["final"] is True
    assert 0 < steady.coverage < 0.95
    assert ENERGY_TOLERANCE * steady.truth_joules < lost_joules
    assert lost_joules < 1.2 * BUSY_WATTS * lost_seconds
    known = format_coverage(steady.coverage)
    assert f"energy is known for {known} of the running time" in steady.message
