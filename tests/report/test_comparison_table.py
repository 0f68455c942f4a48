"""The comparison as people and machines read it (the demo's last screen)."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lowtide.cli.main import main
from lowtide.metrics.comparison import Comparison, compare
from lowtide.records.jobs import ReportError, from_trainingjob, read_path, to_report
from lowtide.report.comparison import render, to_csv, to_json, to_latex

Job = dict[str, Any]


def compared(*jobs: Job) -> Comparison:
    return compare([from_trainingjob(job) for job in jobs])


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["compare", *arguments])


def save(path: Path, data: Any) -> str:
    path.write_text(json.dumps(data), encoding="utf-8")
    return str(path)


def test_table_gives_value_difference_and_verdict(densenet: Job, inception: Job) -> None:
    """Hand calculation: 12240 against 15516 J is -21.1 %, 190 against 212 s -10.4 %."""
    lines = render(compared(densenet, inception)).splitlines()

    table = {line[:18].strip(): line.split() for line in lines[1:12] if line.strip()}
    assert lines[0].split() == ["densenet121", "inceptionv3", "difference"]
    assert table["accuracy"] == ["accuracy", "0.861", "0.904", "+5.0", "%", "better"]
    assert table["energy"] == ["energy", "4.31", "Wh", "3.40", "Wh", "-21.1", "%", "better"]
    assert table["time"][1:8] == ["3", "min", "32", "s", "3", "min", "10"]
    assert table["time"][-3:] == ["-10.4", "%", "better"]
    assert table["SCI"][-3:] == ["-20.3", "%", "better"]
    assert table["avoided by waiting"][3:] == ["0.710", "g", "60", "%", "0.550", "g", "60", "%"]
    assert table["label"] == ["label", "C", "B"]


def test_method_line_names_mock_numbers(densenet: Job, inception: Job) -> None:
    """A stand-in's numbers are marked wherever they appear."""
    assert render(compared(densenet, inception)).splitlines()[-1] == (
        "same method, boundary and unit · average intensity, DE · "
        "energy: measured, counter, coverage 100% · GPUs: mock (stand-in numbers)"
    )


def test_refused_differences_show_their_reason(densenet: Job, inception: Job) -> None:
    """A dash in the table and a sentence below it."""
    inception["status"]["carbon"]["signal"] = "Marginal"

    text = render(compared(densenet, inception))

    assert "– (method_mismatch)" in next(x for x in text.splitlines() if x.startswith("SCI"))
    assert (
        "not comparable: kind of intensity: densenet121 has Average, inceptionv3 has Marginal"
        in text
    )


def test_a_narrow_terminal_gets_blocks_that_fit(densenet: Job, inception: Job) -> None:
    """Nothing is cut off at 40 columns, apart from the method line that the terminal wraps."""
    lines = render(compared(densenet, inception), width=40).splitlines()

    assert lines[0] == "accuracy"
    assert "  difference: +5.0 %  better" in lines
    assert all(len(line) <= 40 for line in lines[:-1])


def test_a_job_that_is_not_finished_is_all_dashes_and_no_zeros(densenet: Job) -> None:
    """Absent figures are shown as absent."""
    waiting = {"kind": "TrainingJob", "metadata": {"name": "bert"}}

    text = render(compared(densenet, waiting))

    row = next(line for line in text.splitlines() if line.startswith("energy"))
    assert row.split() == ["energy", "4.31", "Wh", "–", "–"]


def test_json_has_base_units_and_result_objects(densenet: Job, inception: Job) -> None:
    """Machines get joules, seconds and grams."""
    data = json.loads(json.dumps(to_json(compared(densenet, inception)), allow_nan=False))

    assert data["jobs"][0]["energy_joules"] == 15516
    energy = data["differences"][0]["quantities"]["energy"]
    assert energy["value"] == pytest.approx((12240 - 15516) / 15516 * 100, rel=1e-12)
    assert (energy["unit"], energy["verdict"]) == ("%", "better")
    assert data["differences"][0]["accuracy_points"] == pytest.approx(4.3)


def test_csv_has_one_line_per_job(densenet: Job, inception: Job) -> None:
    """A spreadsheet opens it."""
    rows = list(csv.DictReader(io.StringIO(to_csv(compared(densenet, inception)))))

    assert [row["job"] for row in rows] == ["densenet121", "inceptionv3"]
    assert rows[0]["energy percent"] == ""
    assert float(rows[1]["time percent"]) == pytest.approx(-10.3773585)


def test_latex_escapes_what_tex_would_read(densenet: Job, inception: Job) -> None:
    """A job called a_b & 50 % compiles."""
    inception["metadata"]["name"] = "a_b & 50 %"

    text = to_latex(compared(densenet, inception))

    assert r" & densenet121 & a\_b \& 50 \% & difference \\" in text
    assert r"energy & 4.31 Wh & 3.40 Wh & -21.1 \%  better \\" in text
    assert text.count(r"\\") == 11


def test_a_report_file_gives_the_same_figures_back(tmp_path: Path, densenet: Job) -> None:
    """What to_report writes, read_path reads."""
    job = from_trainingjob(densenet)

    path = save(tmp_path / "a.json", to_report(job))

    assert read_path(Path(path)) == (job,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"energy": {"totalJoules": "lots"}}, "status.energy.totalJoules", id="text"),
        pytest.param({"training": {"accuracy": "80"}}, "write 0.8 for 80 %", id="percent"),
        pytest.param({"energy": {"totalJoules": -5}}, "energy_joules is -5", id="negative"),
        pytest.param({"carbon": []}, None, id="empty list is absent"),
        pytest.param({"carbon": "x"}, "status.carbon is 'x', expected an object", id="shape"),
        pytest.param({"attempts": [{"start": "today", "end": "x"}]}, "attempts[0]", id="time"),
        pytest.param({"energy": {"mock": "no"}}, "status.energy.mock", id="flag"),
        pytest.param({"sci": {"gramsPerUnit": "nan"}}, "gramsPerUnit: 'nan'", id="nan"),
    ],
)  # fmt: skip
def test_bad_status_fields_are_named(
    densenet: Job, change: dict[str, Any], message: str | None
) -> None:
    """One clear sentence with the field's path."""
    densenet["status"] |= change

    if message is None:
        assert from_trainingjob(densenet).operational_grams is None
        return
    with pytest.raises(ReportError) as refused:
        from_trainingjob(densenet)
    assert message in str(refused.value)


def test_command_reads_files_and_directories(tmp_path: Path, densenet: Job, inception: Job) -> None:
    """A directory of reports is compared in the order of its file names."""
    save(tmp_path / "1.json", densenet)
    save(tmp_path / "2.json", {"kind": "List", "items": [inception]})

    result = run(str(tmp_path))

    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].split() == ["densenet121", "inceptionv3", "difference"]


@pytest.mark.parametrize("output", ["json", "yaml", "csv"])
def test_command_prints_nothing_but_data(
    tmp_path: Path, densenet: Job, inception: Job, output: str
) -> None:
    """Standard output can be piped."""
    files = [save(tmp_path / "1.json", densenet), save(tmp_path / "2.json", inception)]

    result = run(*files, "--output", output)

    assert (result.exit_code, result.stderr) == (0, "")
    assert "inceptionv3" in result.stdout


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("{", "is not JSON", id="broken"),
        pytest.param("[1]", "holds 1, not a report", id="a number"),
        pytest.param('{"kind": "Pod"}', "is of kind 'Pod'", id="another kind"),
        pytest.param('{"kind": "JobFigures", "name": "x", "energy": 5}', "energy", id="field"),
        pytest.param('{"kind": "JobFigures", "name": "x", "accuracy": 80}', "0.8", id="percent"),
        pytest.param('{"kind": "JobFigures", "accuracy": 0.8}', "name", id="no name"),
    ],
)
def test_command_fails_with_one_sentence_on_a_bad_report(
    tmp_path: Path, content: str, message: str
) -> None:
    """Exit code 1, the file's name, what is wrong."""
    path = tmp_path / "bad.json"
    path.write_text(content, encoding="utf-8")

    result = run(str(path), str(path))

    assert result.exit_code == 1
    assert message in result.stderr
    assert "bad.json" in result.stderr or "x" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_command_reads_own_data_from_a_csv_file(tmp_path: Path) -> None:
    """One job per line; an empty cell is not known."""
    path = tmp_path / "runs.csv"
    path.write_text(
        "name,accuracy,energy_joules,parameters\nbase,0.8,7200,25.6\nnew,,3600,\n", encoding="utf-8"
    )

    base, new = read_path(path)

    assert (base.energy_joules, base.properties["parameters"]) == (7200, 25.6)
    assert (new.accuracy, dict(new.properties)) == (None, {})
    assert "-50.0 %  better" in run(str(path)).stdout


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("accuracy\n0.8\n", "has no column name"),
        ("name,colour\na,red\n", "no column with a figure of a run ('colour'"),
        ("name,accuracy\na,80\n", "line 2: "),
        ("name,energy_joules\na,-3\n", "energy_joules is -3"),
        ("name,energy_joules\na,nan\n", "energy_joules: 'nan' is not a number"),
        ("name,accuracy\na,much\n", "line 2: accuracy"),
        ("name,accuracy\na,0.8,7\n", "more cells than there are columns"),
    ],
)
def test_a_bad_csv_file_is_one_sentence(tmp_path: Path, content: str, message: str) -> None:
    """Missing and unknown columns, percent, negative, NaN, text, too many cells."""
    path = tmp_path / "runs.csv"
    path.write_text(content, encoding="utf-8")

    result = run(str(path), str(path))

    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_command_with_one_job_is_wrong_use(tmp_path: Path, densenet: Job) -> None:
    """Exit code 2 and the way out."""
    result = run(save(tmp_path / "1.json", densenet))

    assert result.exit_code == 2
    assert "needs at least two" in result.stderr


def test_an_option_in_disguise_never_reaches_kubectl() -> None:
    """A job name is a Kubernetes name or nothing."""
    result = run("--", "--kubeconfig=/dev/null", "b")

    assert result.exit_code == 1
    assert "nor a valid job name" in result.stderr


def test_names_are_asked_of_the_cluster_through_kubectl(
    tmp_path: Path, densenet: Job, inception: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in kubectl answers with the stored objects and notes how it was called."""
    for job in (densenet, inception):
        save(tmp_path / f"{job['metadata']['name']}.json", job)
    program = tmp_path / "bin" / "kubectl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\ncat {tmp_path}/$3.json\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.chdir(program.parent)

    result = run("densenet121", "other/inceptionv3", "--namespace", "ml", "--context", "test")

    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "calls").read_text().splitlines() == [
        "get trainingjobs.lowtide.dev densenet121 -o json --request-timeout=15s "
        "--namespace=ml --context=test",
        "get trainingjobs.lowtide.dev inceptionv3 -o json --request-timeout=15s "
        "--namespace=other --context=test",
    ]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        pytest.param("echo 'Error: not found' >&2; exit 1", "Error: not found", id="refused"),
        pytest.param("echo nothing", "with JSON", id="no JSON"),
        pytest.param("echo '[]'", "with a JSON object", id="no object"),
    ],
)
def test_a_failing_kubectl_is_one_sentence(
    tmp_path: Path, script: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What kubectl said is passed on."""
    program = tmp_path / "kubectl"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    result = run("a", "b")

    assert result.exit_code == 1
    assert message in result.stderr


def test_without_kubectl_the_message_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No traceback on a laptop without kubectl."""
    monkeypatch.setenv("PATH", str(tmp_path))

    result = run("a", "b")

    assert result.exit_code == 1
    assert "kubectl is not installed" in result.stderr
