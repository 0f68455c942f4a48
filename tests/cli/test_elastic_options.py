"""`lowtide plan` and `lowtide backtest` for jobs that change their size."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from lowtide.cli.main import main

SHIPPED = Path(__file__).parents[2] / "examples" / "traces" / "DE.csv"
PLAN = (
    "plan", "--zone", "DE", "--duration", "12h", "--slack", "6h",
    "--trace", SHIPPED, "--at", "2021-08-11T06:00Z",
)  # fmt: skip
WIDE = "--elastic-max", "4", "--efficiency", "0.9"


def run(*arguments):
    return CliRunner().invoke(main, [str(one) for one in arguments])


def test_a_plan_says_how_many_replicas_run_in_each_stretch():
    """All work is done: replicas at 90 % a doubling add up to twelve hours at one."""
    found = json.loads(run(*PLAN, *WIDE, "--restart-cost", "0s", "--output", "json").stdout)

    speeds = {1: 1.0, 2: 1.8, 3: 3**0.8479969, 4: 3.24}
    assert found["replicas"] == 0
    assert {s["replicas"] for s in found["segments"]} <= set(speeds)
    hours = [
        (_hour(s["end"]) - _hour(s["start"])) * speeds[s["replicas"]] for s in found["segments"]
    ]
    assert sum(hours) == pytest.approx(12, abs=0.01)
    fixed = json.loads(run(*PLAN, "--interruptible", "--output", "json").stdout)
    assert found["saving_ratio"] > fixed["saving_ratio"]
    assert (fixed["replicas"], fixed["segments"][0]["replicas"]) == (None, None)


def _hour(text):
    return (
        int(text[8:10]) * 24 + int(text[11:13]) + int(text[14:16]) / 60 + float(text[17:19]) / 3600
    )


def test_the_picture_has_the_replicas_under_the_hours():
    """A row of digits below the planned marks, of the sizes that the stretches name."""
    text = run(*PLAN, *WIDE).stdout

    (row,) = (line for line in text.splitlines() if line.startswith("replicas"))
    shown = set(row.removeprefix("replicas").strip()) - {" "}
    named = {
        line.rsplit(",", 1)[1].split()[0] for line in text.splitlines() if line.endswith("replicas")
    }
    assert shown == named
    assert "times the energy" in text


def test_a_backtest_puts_elastic_jobs_beside_those_of_today():
    """With a doubling that brings nothing a job never widens, so it saves what pausing saves."""
    options = (
        "backtest", SHIPPED, "--length", "2h", "--slack", "3h", "--processes", "1",
        "--elastic-max", "2", "--output", "json",
    )  # fmt: skip
    poor = json.loads(run(*options, "--efficiency", "0.5").stdout)[0]["policies"]
    good = json.loads(run(*options, "--efficiency", "100%").stdout)[0]["policies"]

    for fixed, elastic in (("lowtide", "elastic"), ("clairvoyant", "elastic-clairvoyant")):
        assert poor[elastic]["mean_replicas"] == 1
        assert poor[elastic]["saving_percent"] == pytest.approx(poor[fixed]["saving_percent"])
        assert good[elastic]["saving_percent"] > good[fixed]["saving_percent"]
    assert good["elastic"]["missed_deadlines"] == 0
    assert good["elastic"]["reach_percent"] <= 100 + 1e-9
    table = run(*options[:-2], "--efficiency", "1:1,2:1.8").stdout
    assert "elastic: 1 to 2 replicas (speeds 1.00, 1.80)" in table


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--efficiency", "0.9"), "need --elastic-max"),
        (("--elastic-base", "2"), "need --elastic-max"),
        (("--elastic-max", "2", "--elastic-base", "3"), "must lie between 1 and 2"),
        (("--elastic-min", "2"), "need --elastic-max"),
        (("--elastic-max", "2", "--efficiency", "fast"), "is no efficiency"),
        (("--elastic-max", "2", "--efficiency", "1.5"), "must be from 0.5"),
        (("--elastic-max", "4", "--efficiency", "1:1,2:1.8"), "1 to 4 replicas"),
        (("--elastic-min", "3", "--elastic-max", "2", "--efficiency", "0.9"), "from 3 to 2"),
    ],
)
def test_options_that_do_not_fit_are_refused_with_what_would(options, message):
    result = run(*PLAN, *options)

    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())
