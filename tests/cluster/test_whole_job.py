"""The main job, end to end: wait, train for real, and end with joules, grams and SCI in status.

The chart runs the built images; the grid is the replayed day of the demo, the GPUs are the
stand-in whose power follows the CPU use of the pod, and whose own closed form is the truth that
the status is compared with.
"""

import itertools
import json
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from demonstration import stage
from measuredday import PUE, MeasuredDay

from lowtide.accounts.verdict import COVERAGE_ENOUGH
from lowtide.cli.main import main

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

ENERGY_TOLERANCE = 0.005
RESIDUAL_JOULES = 0.001
"""Energy is kept in whole millijoules."""


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_job_waited_for_the_clean_window_and_not_longer(measured_day: MeasuredDay) -> None:
    """It starts after its submission's dirty hours, and never after the latest start."""
    plan, attempt = measured_day.status["plan"], measured_day.status["attempts"][0]
    created = moment(measured_day.job["metadata"]["creationTimestamp"])

    waited_seconds = (moment(attempt["start"]) - created).total_seconds()

    assert waited_seconds > 3 * measured_day.slot_seconds
    assert moment(attempt["start"]) <= moment(plan["latestStart"])
    assert plan["reason"] == "CleanestWindow"


def test_energy_in_status_is_the_truth_of_the_stand_in(measured_day: MeasuredDay) -> None:
    """Counter, attribution, scrapes and integration together lose less than half a per cent."""
    energy = measured_day.status["energy"]

    assert energy["totalJoules"] == pytest.approx(measured_day.truth_joules, rel=ENERGY_TOLERANCE)
    assert (energy["kind"], energy["mock"], energy["final"]) == ("Measured", True, True)
    assert float(energy["energyCoverage"]) >= COVERAGE_ENOUGH


def test_power_follows_the_training(measured_day: MeasuredDay) -> None:
    """Training draws far more than the idle floor, so the energy above is not just time."""
    assert float(measured_day.status["energy"]["meanPowerWatts"]) > 3 * stage.IDLE_WATTS


def test_energy_of_pods_and_unallocated_energy_add_up_to_the_devices(
    measured_day: MeasuredDay,
) -> None:
    """The residual of independently kept totals is zero on every node."""
    assert measured_day.residuals_joules
    assert max(map(abs, measured_day.residuals_joules)) <= RESIDUAL_JOULES


def test_sci_is_operational_and_embodied_grams_of_one_job(measured_day: MeasuredDay) -> None:
    """SCI = (O + M) / R with R = 1 training job (SCI specification 1.1)."""
    carbon, sci = measured_day.status["carbon"], measured_day.status["sci"]
    grams = float(carbon["operationalGrams"]) + float(carbon["embodiedGrams"])

    assert float(sci["gramsPerUnit"]) == pytest.approx(grams, rel=1e-3)
    assert sci["functionalUnit"] == "TrainingJob"
    assert carbon["signal"] == "Average"


def test_the_data_centre_s_overhead_is_in_the_grams_and_called_an_assumption(
    measured_day: MeasuredDay,
) -> None:
    """O is the grid's mean times energy times the factor, and the job's own factor is assumed."""
    carbon, energy = measured_day.status["carbon"], measured_day.status["energy"]
    kwh = energy["totalJoules"] / 3.6e6

    assert (carbon["pue"], carbon["pueKind"]) == (PUE, "Assumed")
    assert float(carbon["operationalGrams"]) == pytest.approx(
        float(PUE) * kwh * float(carbon["meanGramsPerKwh"]), rel=2e-3
    )
    assert "pue_not_included" not in measured_day.status["sci"].get("warnings", ())


def test_waiting_avoided_what_running_at_once_would_have_emitted(measured_day: MeasuredDay) -> None:
    """The same power profile at submission, on the intensity that was really seen."""
    account = measured_day.status["counterfactual"]
    operational = float(measured_day.status["carbon"]["operationalGrams"])

    assert float(account["avoidedGrams"]) > 0
    assert float(account["runNowGrams"]) - operational == pytest.approx(
        float(account["avoidedGrams"]), abs=2e-4
    )


def test_training_was_real_and_reported(measured_day: MeasuredDay) -> None:
    """Accuracy on validation data is far above the chance of one in ten."""
    training = measured_day.status["training"]

    assert training["epochs"] == training["epochsPlanned"] == 3
    assert float(training["accuracy"]) > 0.5
    assert float(measured_day.status["cost"]["instance"]) > 0


def test_events_and_columns_tell_the_story(measured_day: MeasuredDay) -> None:
    """`kubectl describe` reads as a story, `kubectl get` shows its end."""
    assert {"Planned", "Started", "Complete", "Measured"} <= set(measured_day.story)
    assert "Complete" in measured_day.row
    assert "g/job" in measured_day.row


def test_every_epoch_has_its_share_of_the_energy(measured_day: MeasuredDay) -> None:
    """The history's joules are within the job's, and the time to closest is that of an epoch."""
    history = measured_day.status["training"]["history"]
    joules = [entry["joules"] for entry in history]
    times = {one["name"]: one for one in measured_day.status["efficiency"]["metrics"]}

    assert len(joules) == measured_day.status["training"]["epochs"]
    assert 0 < sum(joules) <= measured_day.status["energy"]["totalJoules"] + len(joules)
    ends = list(itertools.accumulate(float(entry["seconds"]) for entry in history))
    assert any(float(times["TTCAPC"]["value"]) == pytest.approx(end, abs=0.01) for end in ends)


def test_a_stand_in_s_environment_is_rated_by_no_real_measurement(
    measured_day: MeasuredDay,
) -> None:
    """The reason names data set and environment."""
    efficiency = measured_day.status["efficiency"]

    assert "label" not in efficiency
    assert "(mock) x1 - torch" in efficiency["message"]


def test_explain_computes_every_figure_of_the_status_again(
    measured_day: MeasuredDay, tmp_path: Path
) -> None:
    """From the real status of a real job: nothing differs from what follows from its inputs."""
    path = tmp_path / "job.json"
    path.write_text(json.dumps(measured_day.job))

    result = CliRunner().invoke(main, ["explain", str(path), "--output", "json"])

    assert result.exit_code == 0, result.output
    agrees = {step["name"]: step["agrees"] for step in json.loads(result.stdout)["steps"]}
    for name in ("mean power", "SCI = C / R", "SCI, high", "M = TiR x TE / EL", "APC", "TTCAPC"):
        assert agrees[name] is True, name
