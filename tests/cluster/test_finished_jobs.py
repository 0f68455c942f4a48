"""What people ask of finished jobs, against a real API server that stored their whole status.

The statuses are written by the test: what is proved is that the definition takes every field the
operator may write, that nothing is lost on the way, and that the commands read it back.
"""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from clients import Kubectl, RunningCluster

from lowtide.cli.main import main
from lowtide.metrics.reference import parse_reference

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.own_namespace]

CRD = Path(__file__).resolve().parents[2] / "crds/trainingjobs.lowtide.dev.yaml"
Lowtide = Callable[..., Result]

STATUS: dict[str, Any] = {
    "conditions": [
        {"type": "Complete", "status": "True", "reason": "JobComplete", "message": "",
         "lastTransitionTime": "2026-11-30T13:00:00Z"},
    ],
    "attempts": [
        {"number": 1, "name": "net-1", "start": "2026-11-30T12:00:00Z",
         "end": "2026-11-30T13:00:00Z", "outcome": "Complete", "energyJoules": 3600000,
         "operationalGrams": "100.0000"},
    ],
    "training": {
        "model": "net", "dataset": "digits", "framework": "torch 2.9", "accuracy": "0.72",
        "epochs": 2, "epochsPlanned": 2, "seed": "18446744073709551615",
        "startedAt": "2026-11-30T12:00:00.250Z",
        "history": [
            {"epoch": 1, "end": "2026-11-30T12:30:00.125Z", "seconds": "1800",
             "accuracy": "0.5", "joules": 1800000},
            {"epoch": 2, "end": "2026-11-30T13:00:00Z", "seconds": "1800",
             "accuracy": "0.72", "joules": 1800000},
        ],
    },
    "energy": {
        "totalJoules": 3600000, "kind": "Measured", "energyCoverage": "1.0000",
        "meanPowerWatts": "1000.0", "runSeconds": "3600.000", "gpuSeconds": "3600.0",
        "gpuModel": "A100-SXM4", "gpuCount": 1, "final": True,
        "components": [
            {"component": "gpu", "part": "active", "method": "exclusive", "quality": "counter",
             "joules": 3600000},
        ],
    },
    "carbon": {
        "operationalGrams": "100.0000", "embodiedGrams": "3.6000", "totalGrams": "103.6000",
        "meanGramsPerKwh": "100.0", "signal": "Average", "zone": "DE", "source": "grid",
        "embodiedGramsPerGpu": "126144", "embodiedLifespanSeconds": 126144000,
    },
    "sci": {
        "gramsPerUnit": "103.6", "functionalUnit": "TrainingJob", "functionalUnitCount": "1",
        # 100 g with 5 %, 3.6 g halved or doubled: roots of 25 + 3.24 and of 25 + 12.96.
        "uncertainty": {
            "low": "98.28585", "high": "109.7612", "energyRatio": "0.05",
            "embodiedLowGrams": "1.8", "embodiedHighGrams": "7.2", "basis": "energy ± 5 %",
        },
    },
    "efficiency": {
        # 5 * .72^5 / log10(1000) and .72 / (.1 * 1000 * (.9 * .28 + .1) + 1).
        "metrics": [
            {"name": "SAM5[Wh]", "value": "0.3224863"},
            {"name": "APC", "value": "0.01988950"},
            {"name": "TTCAPC", "value": "3600", "unit": "s", "target": "0.02"},
        ],
        "label": "D", "reference": "team digits", "referenceRows": 12,
        "compound": "optimistic median",
        "ratings": [
            {"property": "training_energy", "unit": "kWh", "value": "1", "reference": "2",
             "index": "2", "boundaries": ["1.5", "1.2", "0.9", "0.5"], "letter": "A",
             "weight": "0.7"},
            {"property": "accuracy_top1", "unit": "fraction", "value": "0.72",
             "reference": "0.8", "index": "0.9", "boundaries": ["1.1", "1.0", "0.9", "0.8"],
             "letter": "D", "weight": "0.8"},
        ],
    },
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def definition(kubectl: Kubectl) -> None:
    """The committed definition."""
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRD))
    kubectl("wait", "--for=condition=Established", "crd/trainingjobs.lowtide.dev")


@pytest.fixture
def inside(kubectl: Kubectl, namespace: str) -> Kubectl:
    """Kubectl in a fresh namespace with five finished jobs: run-1 used 1 kWh, run-2 2 kWh..."""
    ours = kubectl.within(namespace)
    for number in range(1, 6):
        name = f"run-{number}"
        ours.apply(manifest(name))
        patch = json.dumps({"status": scaled(number)})
        ours("patch", "trainingjob", name, "--type=merge", "--subresource=status", "-p", patch)
    return ours


@pytest.fixture
def lowtide(cluster: RunningCluster, inside: Kubectl, monkeypatch: pytest.MonkeyPatch) -> Lowtide:
    """The command line with the test cluster's kubectl, in the namespace of the jobs."""
    monkeypatch.setenv("PATH", str(cluster.programs.kubectl.parent), prepend=":")
    monkeypatch.setenv("KUBECONFIG", cluster.kubeconfig)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, [*arguments, "--namespace", str(inside.namespace)])

    return run


def manifest(name: str) -> dict[str, Any]:
    """Return a TrainingJob that no operator looks at."""
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "none"}]}
    return {
        "apiVersion": "lowtide.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": name},
        "spec": {
            "managedBy": "test.example/nobody",
            "metrics": {"targetAccuracy": "0.7"},
            "template": {"spec": {"template": {"spec": pod}}},
        },
    }


def scaled(number: int) -> dict[str, Any]:
    """Return the status of a run of `number` kWh; only the first has every figure."""
    status = copy.deepcopy(STATUS)
    if number == 1:
        return status
    joules = 3600000 * number
    status["attempts"][0] |= {"energyJoules": joules, "operationalGrams": f"{100 * number}.0000"}
    status["energy"] |= {"totalJoules": joules, "meanPowerWatts": f"{1000 * number}.0"}
    status["energy"]["components"][0]["joules"] = joules
    status["carbon"] |= {
        "operationalGrams": f"{100 * number}.0000", "meanGramsPerKwh": "100.0",
    }  # fmt: skip
    status["sci"] |= {"gramsPerUnit": f"{100 * number + 3.6:.1f}"}
    for gone in ("efficiency", "training"):
        status[gone] = {"model": "net", "dataset": "digits", "framework": "torch 2.9",
                        "epochs": 2, "accuracy": "0.72"} if gone == "training" else {}  # fmt: skip
    del status["sci"]["uncertainty"]
    return status


def test_the_api_server_keeps_every_field_that_the_operator_writes(inside: Kubectl) -> None:
    """An unknown field would be pruned without a word."""
    stored = inside.json("get", "trainingjob", "run-1")["status"]

    assert stored == STATUS


def test_explain_computes_every_figure_again(lowtide: Lowtide) -> None:
    """Exit code 0: nothing differs from what follows from its inputs."""
    result = lowtide("explain", "run-1", "--output", "json")

    assert result.exit_code == 0, result.output
    steps = {step["name"]: step["agrees"] for step in json.loads(result.stdout)["steps"]}
    for name in ("SCI = C / R", "SCI, high", "M = TiR x TE / EL", "SAM5[Wh]", "APC", "label"):
        assert steps[name] is True, name


def test_compare_puts_jobs_of_the_cluster_side_by_side(lowtide: Lowtide) -> None:
    """Twice the energy is 100 % more, and worse."""
    result = lowtide("compare", "run-1", "run-2", "--output", "json")

    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    energy = document["differences"][0]["quantities"]["energy"]
    assert (energy["value"], energy["verdict"]) == (100.0, "worse")
    assert document["jobs"][0]["environment"] == "A100-SXM4 x1 - torch 2.9"


def test_explore_reads_all_jobs_of_the_namespace(lowtide: Lowtide, tmp_path: Path) -> None:
    """Five jobs in the page."""
    page = tmp_path / "explorer.html"

    result = lowtide("explore", "--from", "cluster", "-o", str(page))

    assert result.exit_code == 0, result.output
    text = page.read_text(encoding="utf-8")
    assert all(f'"name":"run-{number}"' in text for number in range(1, 6))


def test_reference_makes_a_set_that_labels_a_job(lowtide: Lowtide, tmp_path: Path) -> None:
    """Out of the cluster's own jobs, and back onto one of them."""
    target, label = tmp_path / "team.json", tmp_path / "label.svg"
    runs = [f"run-{number}" for number in range(1, 6)]

    made = lowtide("reference", *runs, "--name", "team", "--output", "json", "--file", str(target))
    drawn = lowtide("label", "run-1", "--reference", str(target), "-o", str(label))

    assert made.exit_code == 0, made.output
    assert parse_reference(json.loads(target.read_text())).rows == 5
    assert drawn.exit_code == 0, drawn.output
    assert "Energy label of net" in label.read_text()


def test_disclose_writes_the_published_form(lowtide: Lowtide) -> None:
    """The job's uid of the cluster is the report's guid."""
    who = ["--contact-name", "ML", "--contact-email", "ml@example.org", "--entity-version", "1"]

    result = lowtide("disclose", "run-1", *who, "--output", "json")

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["sci"]["sci"] == 103.6
