"""The main job, end to end: wait, train for real, and end with joules, grams and SCI in status.

The chart runs the built images; the grid is the replayed day of the demo, the GPUs are the
stand-in whose power follows the CPU use of the pod, and whose own closed form is the truth that
the status is compared with.
"""

import itertools
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from clients import Kubectl
from demonstration import day, stage
from measured import Installed, query, truth_of
from singlenode import images as project_images

from lowtide.cli.main import main

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

NAME = "inceptionv3"
ENERGY_TOLERANCE = 0.005
RESIDUAL_JOULES = 0.001
"""Energy is kept in whole millijoules."""
LIMIT_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Finished:
    """One TrainingJob that was measured, and what stood beside it."""

    job: dict[str, Any]
    story: list[str]
    row: str
    truth_joules: float
    residuals_joules: list[float]

    @property
    def status(self) -> dict[str, Any]:
        """Its status."""
        return dict(self.job["status"])


@pytest.fixture(scope="module")
def finished(installed: Installed, kubectl: Kubectl) -> Finished:
    """Run one job through everything."""
    on = installed.on
    day.begin(on.layout, on.python)
    day.await_forecast()
    on.apply(manifest(installed.built["trainer"]))
    return observe(kubectl, installed.truth)


def manifest(trainer: project_images.Image) -> dict[str, Any]:
    """Return the shipped example, shortened to about a minute of training."""
    job = stage.demo_job(NAME, trainer, datetime.now(UTC))
    container = job["spec"]["template"]["spec"]["template"]["spec"]["containers"][0]
    samples = container["args"].index("--samples") + 1
    container["args"][samples] = "384"
    return job


def observe(kubectl: Kubectl, truth: Path) -> Finished:
    """Wait until the job is measured, then read everything that the tests ask for."""
    inside = kubectl.within(stage.NAMESPACE)
    inside(
        "wait", "--for=condition=Measured", f"trainingjob/{NAME}",
        f"--timeout={LIMIT_SECONDS}s", timeout=LIMIT_SECONDS + 30,
    )  # fmt: skip
    job = inside.json("get", "trainingjob", NAME)
    about = f"regarding.kind=TrainingJob,regarding.name={NAME}"
    events = inside.json("get", "events.events.k8s.io", "--field-selector", about)["items"]
    return Finished(
        job=job,
        story=[event["reason"] for event in sorted(events, key=lambda event: event["eventTime"])],
        row=inside("get", "tj", NAME, "--no-headers"),
        truth_joules=truth_of(job, truth),
        residuals_joules=[
            float(sample["value"][1]) for sample in query("lowtide_attribution_residual_joules")
        ],
    )


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_job_waited_for_the_clean_window_and_not_longer(finished: Finished) -> None:
    """It starts after its submission's dirty hours, and never after the latest start."""
    plan, attempt = finished.status["plan"], finished.status["attempts"][0]
    created = moment(finished.job["metadata"]["creationTimestamp"])

    waited_seconds = (moment(attempt["start"]) - created).total_seconds()

    assert waited_seconds > 3 * day.SLOT_SECONDS
    assert moment(attempt["start"]) <= moment(plan["latestStart"])
    assert plan["reason"] == "CleanestWindow"


def test_energy_in_status_is_the_truth_of_the_stand_in(finished: Finished) -> None:
    """Counter, attribution, scrapes and integration together lose less than half a per cent."""
    energy = finished.status["energy"]

    assert energy["totalJoules"] == pytest.approx(finished.truth_joules, rel=ENERGY_TOLERANCE)
    assert (energy["kind"], energy["mock"], energy["final"]) == ("Measured", True, True)
    assert float(energy["energyCoverage"]) == pytest.approx(1, abs=0.02)


def test_power_follows_the_training(finished: Finished) -> None:
    """Training draws far more than the idle floor, so the energy above is not just time."""
    assert float(finished.status["energy"]["meanPowerWatts"]) > 3 * stage.IDLE_WATTS


def test_energy_of_pods_and_of_nobody_adds_up_to_the_devices(finished: Finished) -> None:
    """The residual of independently kept totals is zero on every node."""
    assert finished.residuals_joules
    assert max(map(abs, finished.residuals_joules)) <= RESIDUAL_JOULES


def test_sci_is_operational_and_embodied_grams_of_one_job(finished: Finished) -> None:
    """SCI = (O + M) / R with R = 1 training job (SCI specification 1.1)."""
    carbon, sci = finished.status["carbon"], finished.status["sci"]
    grams = float(carbon["operationalGrams"]) + float(carbon["embodiedGrams"])

    assert float(sci["gramsPerUnit"]) == pytest.approx(grams, rel=1e-3)
    assert sci["functionalUnit"] == "TrainingJob"
    assert carbon["signal"] == "Average"


def test_waiting_avoided_what_running_at_once_would_have_emitted(finished: Finished) -> None:
    """The same power profile at submission, on the intensity that was really seen."""
    account = finished.status["counterfactual"]
    operational = float(finished.status["carbon"]["operationalGrams"])

    assert float(account["avoidedGrams"]) > 0
    assert float(account["runNowGrams"]) - operational == pytest.approx(
        float(account["avoidedGrams"]), abs=2e-4
    )


def test_training_was_real_and_reported(finished: Finished) -> None:
    """Accuracy on validation data is far above the chance of one in ten."""
    training = finished.status["training"]

    assert training["epochs"] == training["epochsPlanned"] == 3
    assert float(training["accuracy"]) > 0.5
    assert float(finished.status["cost"]["instance"]) > 0


def test_events_and_columns_tell_the_story(finished: Finished) -> None:
    """`kubectl describe` reads as a story, `kubectl get` shows its end."""
    assert {"Planned", "Started", "Complete", "Measured"} <= set(finished.story)
    assert "Complete" in finished.row
    assert "g/job" in finished.row


def test_every_epoch_has_its_share_of_the_energy(finished: Finished) -> None:
    """The history's joules are within the job's, and the time to closest is that of an epoch."""
    history = finished.status["training"]["history"]
    joules = [entry["joules"] for entry in history]
    times = {one["name"]: one for one in finished.status["efficiency"]["metrics"]}

    assert len(joules) == finished.status["training"]["epochs"]
    assert 0 < sum(joules) <= finished.status["energy"]["totalJoules"] + len(joules)
    ends = list(itertools.accumulate(float(entry["seconds"]) for entry in history))
    assert any(float(times["TTCAPC"]["value"]) == pytest.approx(end, abs=0.01) for end in ends)


def test_a_stand_in_s_environment_is_rated_by_no_real_measurement(finished: Finished) -> None:
    """The reason names data set and environment."""
    efficiency = finished.status["efficiency"]

    assert "label" not in efficiency
    assert "(mock) x1 - torch" in efficiency["message"]


def test_explain_computes_every_figure_of_the_status_again(
    finished: Finished, tmp_path: Path
) -> None:
    """From the real status of a real job: nothing differs from what follows from its inputs."""
    path = tmp_path / "job.json"
    path.write_text(json.dumps(finished.job))

    result = CliRunner().invoke(main, ["explain", str(path), "--output", "json"])

    assert result.exit_code == 0, result.output
    agrees = {step["name"]: step["agrees"] for step in json.loads(result.stdout)["steps"]}
    for name in ("mean power", "SCI = C / R", "SCI, high", "M = TiR x TE / EL", "APC", "TTCAPC"):
        assert agrees[name] is True, name
