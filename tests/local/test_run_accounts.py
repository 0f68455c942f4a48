"""Overhead of the data centre and prices in the figures of a run without a cluster."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lowtide.grid.defaults import keyless_settings
from lowtide.grid.overhead_settings import OverheadSettings
from lowtide.local.grid import RunGrid
from lowtide.trainingjob.models import TrainingJob

NOW = datetime(2026, 11, 1, tzinfo=UTC)
LOWTIDE = str(Path(sys.executable).with_name("lowtide"))


@pytest.fixture
def measure(stand_in, tmp_path):
    """Run `lowtide measure` on a grid of 100 g/kWh; return what it ended with."""
    _, environment = stand_in
    rows = [f"{(NOW + timedelta(hours=hour)).isoformat()},100,100" for hour in range(-48, 24)]
    (tmp_path / "XX.csv").write_text("\n".join(["time,g_per_kwh,forecast_g_per_kwh", *rows]))
    grid = ["--trace", "XX.csv", "--trace-start", NOW.isoformat()]

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [LOWTIDE, "measure", *grid, *options, "--", "sleep", "0.2"],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=120,
        )

    return run


@pytest.mark.slow
def test_grams_carry_the_overhead_and_money_is_that_of_hours_and_of_energy(measure):
    """100 g/kWh by a PUE of 1.5 are 150 g/kWh; joules stay those of the computer."""
    prices = ["--price-per-hour", "3.6", "--price-per-kwh", "0.36", "--currency", "EUR"]

    done = measure("--pue", "1.5", *prices, "--output", "json")

    status = json.loads(done.stdout)["status"]
    joules, carbon, cost = status["energy"]["totalJoules"], status["carbon"], status["cost"]
    assert joules > 0
    grams = joules / 3.6e6 * 150
    assert float(carbon["operationalGrams"]) == pytest.approx(grams, rel=0.01)
    assert (carbon["pue"], carbon["pueKind"]) == ("1.5", "Assumed")
    assert "pue_not_included" not in status["sci"].get("warnings", ())
    # 0.36 EUR/kWh are 1e-7 EUR/J, 3.6 EUR/h are 1e-3 EUR/s.
    assert float(cost["energy"]) == pytest.approx(joules * 1e-7, rel=0.01)
    (attempt,) = status["attempts"]
    ran = datetime.fromisoformat(attempt["end"]) - datetime.fromisoformat(attempt["start"])
    # The hours of the machine are counted in whole seconds.
    assert float(cost["instance"]) == pytest.approx(ran.total_seconds() * 1e-3, abs=1.1e-3)
    assert cost["currency"] == "EUR"


@pytest.mark.slow
def test_the_summary_says_that_the_overhead_is_assumed(measure):
    assert "PUE 1.5 (assumed)" in measure("--pue", "1.5").stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--pue", "0.9"], "0.9 is not in the range 1<=x<=10"),
        (["--price-per-kwh", "-1"], "is not in the range"),
        (["--currency", "euro"], "'euro' is not three capitals"),
    ],
)
def test_accounts_that_cannot_be_are_refused(measure, options, said):
    done = measure(*options)

    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.slow
def test_a_zone_without_intensity_is_said_where_grams_would_stand(measure, tmp_path):
    rows = [f"{(NOW + timedelta(hours=hour)).isoformat()},100" for hour in (-48, -47)]
    (tmp_path / "XX.csv").write_text("\n".join(["time,g_per_kwh", *rows]))

    done = measure()

    assert done.returncode == 0
    assert (
        "carbon is not known: no intensity of zone XX for the time of the run is known"
        in done.stderr
    )


def job(**grid: str) -> TrainingJob:
    content = {"metadata": {"name": "net"}, "spec": {"grid": {"zone": "DE"} | grid, "template": {}}}
    return TrainingJob.model_validate(content)


def test_a_zone_s_measured_overhead_counts_where_the_run_states_none():
    """The rule of the operator: a number of the run itself, which is assumed, counts first."""
    given = OverheadSettings(value=1.25, kind="Measured", source="yearly mean 2025")
    grid = RunGrid("DE", keyless_settings("DE"), started=NOW, folder=None, pue=given)
    spans = [(NOW, NOW + timedelta(hours=1))]

    of_zone, own = grid.overhead(job().spec, spans), grid.overhead(job(pue="1.1").spec, spans)

    assert of_zone is not None
    assert own is not None
    assert (of_zone.pue, of_zone.kind, of_zone.source) == (1.25, "Measured", "yearly mean 2025")
    assert (own.pue, own.kind) == (1.1, "Assumed")


def test_a_prometheus_that_does_not_answer_leaves_the_overhead_unknown():
    given = OverheadSettings.model_validate(
        {"prometheus": {"url": "http://127.0.0.1:9", "query": "pue"}}
    )
    grid = RunGrid("DE", keyless_settings("DE"), started=NOW, folder=None, pue=given)

    found = grid.overhead(job().spec, [(NOW, NOW + timedelta(hours=1))])

    assert found is not None
    assert found.pue is None
    assert (found.message or "").startswith("the PUE is not known: ")
