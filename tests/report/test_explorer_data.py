"""The explorer page's data and its safety, without a browser."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lowtide.cli.main import main
from lowtide.metrics.job_figures import JobFigures
from lowtide.report import explorer
from lowtide.report.explorer import render_page, shipped_data
from lowtide.report.explorer_jobs import job_data


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["explore", *arguments])


def data_in(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found is not None
    data: dict[str, Any] = json.loads(found.group(1))
    return data


def jobs(count: int) -> list[JobFigures]:
    return [
        JobFigures(
            name=f"job-{i}",
            model="net",
            dataset="digits",
            environment="H200",
            accuracy=0.5 + i / 100,
            energy_joules=3.6e6 * (i + 1),
            duration_seconds=3600.0 * (i + 1),
        )
        for i in range(count)
    ]


def test_shipped_data_holds_every_measurement_with_its_reference() -> None:
    """197 rows in nine groups of task and environment."""
    data = shipped_data()

    assert len(data["rows"]) == 197
    assert len(data["groups"]) == 9
    assert all(group["reference"] == "ResNet101" for group in data["groups"])


def test_the_page_is_self_contained() -> None:
    """No address but in texts, no source attribute, and a policy that forbids the network."""
    page = render_page(shipped_data())

    assert "default-src 'none'" in page
    assert not re.search(r"<(?:script|img|link|iframe)[^>]+(?:src|href)=", page)
    assert "@import" not in page
    assert "url(" not in page
    assert not re.search(r"/\*(?:STYLE|DATA|MODEL|CHARTS|CARD|APP|VIEWS)\*/", page)


def test_the_page_itself_is_latin_1() -> None:
    """One other character would double the memory that a page of many jobs takes in Python."""
    folder = Path(explorer.__file__).with_name("explorer_page")

    for file in folder.iterdir():
        file.read_text(encoding="utf-8").encode("latin-1")


def test_a_hostile_name_stays_data() -> None:
    """A model that closes the script element does not."""
    name = "</script><script>alert(1)</script><!--"
    page = render_page(job_data([JobFigures(name=name, energy_joules=1.0)], origin="x"))

    assert "<script>alert(1)" not in page
    assert data_in(page)["rows"][0]["name"] == name


def test_jobs_compare_with_the_best_of_their_own_group() -> None:
    """Six jobs: the least energy is the reference; boundaries are the quantiles of the six."""
    data = job_data(jobs(6), origin="a test")

    assert data["groups"][0]["values"]["training_energy"] == 1
    # Indices 1, 1/2, ... 1/6; the 0.8 quantile is at h = 4: 1/2.
    assert data["boundaries"]["training"]["training_energy"][0] == pytest.approx(0.5)


def test_jobs_of_other_environments_have_another_reference() -> None:
    """Never one reference for two kinds of hardware."""
    one, two = jobs(2)
    other = JobFigures(
        name="x", dataset="digits", environment="A100", energy_joules=7.2e6, accuracy=0.9
    )

    data = job_data([one, two, other], origin="a test")

    assert [group["values"]["training_energy"] for group in data["groups"]] == [1, 2]


def test_what_was_not_made_alike_is_named() -> None:
    """Methods differ, one run states no boundary, and data sets compare without their case."""
    jobs = [
        JobFigures(name="a", energy_joules=1.0, energy_kind="Measured", boundary=("gpu",),
                   dataset="CIFAR-10", environment="T4", signal="Average"),
        JobFigures(name="b", energy_joules=1.0, energy_kind="Modelled",
                   dataset="cifar-10", environment="T4", signal="Average"),
    ]  # fmt: skip

    data = job_data(jobs, origin="a test")

    assert data["apart"]["training"] == [
        "how energy was measured: Measured, Modelled",
        "components in the boundary: unknown for 1 of 2",
    ]
    assert len(data["groups"]) == 1


def test_epochs_carry_a_prediction_with_its_interval() -> None:
    """Five epochs of 1 kWh, ten planned: 10 kWh, no scatter, no width."""
    job = JobFigures(
        name="x",
        energy_joules=5 * 3.6e6,
        epoch_joules=(3.6e6,) * 5,
        epochs_planned=10,
    )

    row = job_data([job], origin="a test")["rows"][0]

    assert row["prediction"] == pytest.approx({"value": 10, "low": 10, "high": 10}, rel=1e-4)


def test_a_stand_in_is_marked_in_the_data(densenet: dict[str, Any], tmp_path: Path) -> None:
    """Through the command, from a file."""
    source, target = tmp_path / "job.json", tmp_path / "page.html"
    source.write_text(json.dumps(densenet), encoding="utf-8")

    result = run("--from", str(source), "-o", str(target))

    assert (result.exit_code, result.stdout) == (0, "")
    row = data_in(target.read_text(encoding="utf-8"))["rows"][0]
    assert row["mock"] is True
    assert row["job"]["sci"] == 0.59


def test_jobs_come_from_the_cluster(
    densenet: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in kubectl answers with a list; jobs without energy are left out."""
    waiting = {"kind": "TrainingJob", "metadata": {"name": "waiting"}}
    answer = tmp_path / "answer.json"
    answer.write_text(json.dumps({"kind": "List", "items": [densenet, waiting]}))
    program = tmp_path / "kubectl"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/call\ncat {answer}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    result = run("--from", "cluster", "--all-namespaces", "-o", str(tmp_path / "page.html"))

    assert result.exit_code == 0, result.stderr
    assert (
        (tmp_path / "call")
        .read_text()
        .startswith("get trainingjobs.lowtide.dev --all-namespaces -o json")
    )
    assert len(data_in((tmp_path / "page.html").read_text())["rows"]) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--from", "nowhere", "-o", "x.html"], 2, "give cluster, runs, or a file or directory"),
        (["--from", "empty.json", "-o", "x.html"], 1, "no job with measured energy"),
        (["-o", "no/such/x.html"], 1, "cannot be written"),
        ([], 2, "Missing option '-o'"),
    ],
)
def test_wrong_use_is_one_sentence(
    tmp_path: Path, arguments: list[str], code: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit codes as everywhere."""
    (tmp_path / "empty.json").write_text('{"kind": "List", "items": []}')
    monkeypatch.chdir(tmp_path)

    result = run(*arguments)

    assert result.exit_code == code
    assert message in result.stderr


def test_the_command_says_what_it_took_and_whom_it_left_out(tmp_path: Path) -> None:
    """Columns with units, and jobs without energy, are named on standard error."""
    table = tmp_path / "runs.csv"
    table.write_text("name,energy (kWh),accuracy\na,2,0.5\nb,,0.6\n", encoding="utf-8")
    page = tmp_path / "page.html"

    result = CliRunner().invoke(main, ["explore", "--from", str(table), "-o", str(page)])

    assert result.exit_code == 0, result.output
    assert "columns taken: name, energy (kWh) as energy_joules, accuracy" in result.stderr
    assert "left out, because their energy is unknown: 1 job, b" in result.stderr
