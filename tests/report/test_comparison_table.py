"""The comparison as people and machines read it (the demo's last screen)."""

import csv
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lowtide.cli.main import main
from lowtide.metrics.comparison import Comparison, compare
from lowtide.metrics.job_figures import MetricFigure
from lowtide.metrics.quantities import quantity
from lowtide.metrics.result import SENTENCES
from lowtide.records.jobs import ReportError, from_trainingjob, read_path, to_report
from lowtide.report.comparison import render
from lowtide.report.comparison_export import to_csv, to_json
from lowtide.report.latex import to_bibtex, to_latex

Job = dict[str, Any]


def compared(*jobs: Job) -> Comparison:
    return compare([from_trainingjob(job) for job in jobs])


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["compare", *arguments])


def save(path: Path, data: Any) -> str:
    path.write_text(json.dumps(data), encoding="utf-8")
    return str(path)


def test_runs_are_rows_with_value_and_change(densenet: Job, inception: Job) -> None:
    """Hand calculation: 12240 against 15516 J is -21.1 %, 190 against 212 s -10.4 %."""
    first, second, third = render(compared(densenet, inception), width=200).splitlines()[:3]

    assert first.split()[:7] == ["run", "accuracy", "change", "energy", "change", "time", "change"]
    assert second.split()[:6] == ["inceptionv3", "90.4", "%", "+4.3", "points", "3.40"]
    assert second.split()[6:13] == ["Wh", "-21.1", "%", "3", "min", "10", "s"]
    assert third.split()[:6] == ["densenet121", "86.1", "%", "baseline", "4.31", "Wh"]
    assert "0.550 g 60 %" in render(compared(densenet, inception), width=200)


def test_money_paid_and_saved_stands_beside_the_grams(densenet: Job, inception: Job) -> None:
    """Of the status' electricity bill; a run without prices has dashes, one that lost a minus."""
    densenet["status"]["electricity"] = {
        "currency": "EUR", "paid": "0.66", "saved": "0.30", "savedPercent": "31.25"
    }  # fmt: skip

    text = render(compared(densenet, inception), width=400)

    assert "electricity paid" in text
    assert "saved by waiting" in text
    (row,) = (line for line in text.splitlines() if line.startswith("densenet121"))
    assert "0.660 EUR" in row
    assert "0.300 EUR 31 %" in row
    (first, _) = to_json(compared(densenet, inception), quantity("energy"))["jobs"]
    assert (first["electricity_paid"], first["electricity_saved"]) == (0.66, 0.3)
    written = to_csv(compared(densenet, inception), quantity("energy"))
    lines = {line["run"]: line for line in csv.DictReader(io.StringIO(written))}
    bill = ("paid", "saved", "saved_percent", "currency")
    names = (densenet["metadata"]["name"], inception["metadata"]["name"])
    billed, unbilled = ([lines[name][f"electricity_{part}"] for part in bill] for name in names)
    assert billed == ["0.66", "0.3", "31.25", "EUR"]
    assert unbilled == ["", "", "", ""]
    assert "electricity" not in render(compared(inception), width=400)
    densenet["status"]["electricity"] |= {"saved": "-0.05", "savedPercent": "-8"}
    assert "-0.0500 EUR -8 %" in render(compared(densenet), width=400)


def test_the_last_line_is_the_answer(densenet: Job, inception: Job) -> None:
    """Which run, how much, at which accuracy."""
    assert render(compared(densenet, inception), width=200).splitlines()[-1] == (
        "inceptionv3 used 21.1 % less energy than densenet121 with 4.3 points more accuracy; "
        "one run each, so no range"
    )


def test_a_metric_without_a_value_is_said_in_a_sentence_with_its_reason(
    densenet: Job, inception: Job
) -> None:
    """The reason is a whole sentence, so it follows a colon and never the word `is`."""
    said = SENTENCES["energy_not_above_one_unit"]
    metric = MetricFigure(name="SAM5[Wh]", value=None, reason=said)
    jobs = [from_trainingjob(job) for job in (densenet, inception)]

    shown = render(compare([replace(jobs[0], metrics=(metric,)), jobs[1]]), width=300)

    assert f"note: densenet121: SAM5[Wh] has no value: {said}" in shown


def test_a_baseline_that_is_best_is_said_to_be(densenet: Job, inception: Job) -> None:
    """15516 against 12240 J is +26.8 %."""
    assert render(compared(inception, densenet), width=200).splitlines()[-1] == (
        "inceptionv3 used the least energy: the next, densenet121, is at +26.8 % with 4.3 points "
        "less accuracy"
    )


def test_method_line_names_mock_numbers(densenet: Job, inception: Job) -> None:
    """A stand-in's numbers are marked wherever they appear."""
    assert render(compared(densenet, inception), width=200).splitlines()[-3] == (
        "average intensity, DE · "
        "energy: measured, counter, coverage 100 % · GPUs: mock (stand-in numbers)"
    )


def test_nearly_complete_coverage_is_not_called_complete(densenet: Job, inception: Job) -> None:
    """99.98 % is rounded down to 99.9 %."""
    inception["status"]["energy"]["energyCoverage"] = "0.9998"

    text = render(compared(densenet, inception), width=200)

    assert "coverage 99.9 %" in text
    assert "inceptionv3: only 99.9 % of the run was measured" in text


def test_refused_differences_show_their_reason(densenet: Job, inception: Job) -> None:
    """The circumstance in the cell and a sentence below it."""
    inception["status"]["carbon"]["signal"] = "Marginal"

    text = render(compared(densenet, inception), width=200)

    assert "0.470 g/job" in text
    assert "– (signal)" in next(x for x in text.splitlines() if x.startswith("inceptionv3"))
    assert (
        "not comparable: kind of intensity: densenet121 has Average, inceptionv3 has Marginal"
        in text
    )


def test_grams_of_direct_and_of_life_cycle_emissions_are_not_compared(
    densenet: Job, inception: Job
) -> None:
    """The cells of the grams say why, and the sentence names both runs."""
    densenet["status"]["carbon"]["factor"] = "life-cycle"
    inception["status"]["carbon"]["factor"] = "direct"

    text = render(compared(densenet, inception), width=200)

    assert "– (factor)" in next(x for x in text.splitlines() if x.startswith("inceptionv3"))
    assert (
        "not comparable: emissions that the intensity includes: densenet121 has life-cycle, "
        "inceptionv3 has direct" in text
    )
    assert "average intensity (direct emissions and life-cycle emissions), DE" in text


def test_another_number_of_epochs_is_named_beside_each_change(
    densenet: Job, inception: Job
) -> None:
    """It is also named in the answer."""
    densenet["status"]["training"]["epochs"] = 90
    inception["status"]["training"]["epochs"] = 9

    lines = render(compared(densenet, inception), width=300).splitlines()

    assert "-21.1 % (epochs)" in lines[1]
    assert "-10.4 % (epochs)" in lines[1]
    assert "differs: epochs: densenet121 has 90, inceptionv3 has 9" in lines
    assert lines[-1].endswith("(not known to be the same: epochs)")


def test_unknown_methods_are_never_called_the_same(tmp_path: Path) -> None:
    """A table without circumstances says which are not stated."""
    path = tmp_path / "runs.csv"
    path.write_text("name,accuracy,energy_joules\na,0.9,7200\nb,0.91,3600\n", encoding="utf-8")

    text = " ".join(run(str(path)).stdout.split())

    assert "same method" not in text
    assert "not stated: data set; how energy was measured; components in the boundary" in text
    assert text.endswith("b used 50.0 % less energy than a with 1.0 points more accuracy; "
                         "one run each, so no range")  # fmt: skip


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_seven_runs_fit_the_width(densenet: Job, inception: Job, width: int) -> None:
    """Columns that do not fit stand in a further table; no line is longer than the terminal."""
    jobs = [densenet]
    for number in range(6):
        other = json.loads(json.dumps(inception))
        other["metadata"]["name"] = f"inceptionv3-with-a-rather-long-name-and-seed-{number}"
        jobs.append(other)

    lines = render(compared(*jobs), width=width).splitlines()

    assert width < 80 or all(len(line) <= width for line in lines)
    assert sum(line.startswith("densenet121") for line in lines) >= 1


def test_runs_are_sorted_by_the_asked_quantity(densenet: Job, inception: Job) -> None:
    """The most accurate comes first by accuracy, the one that took longest last by time."""
    by_accuracy = render(compared(densenet, inception), by=quantity("accuracy"), width=200)
    by_time = render(compared(inception, densenet), by=quantity("time"), width=200)

    assert by_accuracy.splitlines()[1].startswith("inceptionv3")
    assert "inceptionv3 is 4.3 points more accurate than densenet121" in by_accuracy
    assert by_time.splitlines()[2].startswith("densenet121")


def test_a_job_that_is_not_finished_is_all_dashes_and_no_zeros(densenet: Job) -> None:
    """Absent figures are shown as absent."""
    waiting = {"kind": "TrainingJob", "metadata": {"name": "bert"}}

    lines = render(compared(densenet, waiting), width=300).splitlines()

    assert set(lines[2].split()) == {"bert", "–"}
    assert lines[-1] == "no verdict: no run can be compared with densenet121 in energy"


def test_json_has_base_units_and_result_objects(densenet: Job, inception: Job) -> None:
    """Machines get joules, seconds and grams, the order and the answer."""
    made = to_json(compared(densenet, inception), quantity("energy"))
    data = json.loads(json.dumps(made, allow_nan=False))

    assert data["jobs"][0]["energy_joules"] == 15516
    energy = data["differences"][0]["quantities"]["energy"]
    assert energy["value"] == pytest.approx((12240 - 15516) / 15516 * 100, rel=1e-12)
    assert (energy["unit"], energy["verdict"]) == ("%", "better")
    assert data["differences"][0]["accuracy_points"] == pytest.approx(4.3)
    assert data["order"] == ["inceptionv3", "densenet121"]
    assert data["verdict"].startswith("inceptionv3 used 21.1 % less energy")


def test_csv_has_one_line_per_job_and_units_in_its_header(densenet: Job, inception: Job) -> None:
    """A spreadsheet opens it, and takes no name for a formula."""
    inception["metadata"]["name"] = "=1+1"

    text = to_csv(compared(densenet, inception), quantity("energy"))
    rows = list(csv.DictReader(io.StringIO(text)))

    assert [row["run"] for row in rows] == ["'=1+1", "densenet121"]
    assert rows[1]["energy_joules_percent"] == ""
    assert float(rows[0]["duration_seconds_percent"]) == pytest.approx(-10.3773585)
    assert float(rows[0]["accuracy_points"]) == pytest.approx(4.3)
    assert rows[0]["cost_currency"] == "USD"


def test_latex_escapes_what_tex_would_read(densenet: Job, inception: Job) -> None:
    """A job called a_b & 50 % compiles, and so does one that pdfLaTeX has no letters for."""
    inception["metadata"]["name"] = "a_b & 50 %"
    densenet["metadata"]["name"] = "中^~\\"

    text = to_latex(compared(densenet, inception), quantity("energy"))

    assert r"a\_b \& 50 \% & \num{90.4} & \num{+4.3} points & \num{3.40}" in text
    assert r"U+4E2D\textasciicircum{}\textasciitilde{}\textbackslash{} &" in text
    assert r"energy (\unit{Wh})" in text
    assert r"\qty{" in text
    assert "e+" not in text, "no number is in exponent form"
    assert r"\cite{lowtide,gsf-sci,gowda2023watt}" in text


def test_every_citation_has_its_entry(densenet: Job, inception: Job) -> None:
    """The keys of the table are those of the entries, with the source of the data."""
    made = compared(densenet, inception)

    entries = to_bibtex(made.jobs, groups=False)
    cited = re.findall(r"\\cite\{([^}]*)\}", to_latex(made, quantity("energy")))

    assert "Measured and" not in to_latex(made, quantity("energy")), "others may have measured"
    keys = set(re.findall(r"@\w+\{([^,]+),", entries))
    assert {key for keys_ in cited for key in keys_.split(",")} <= keys
    assert "intensity1" in keys


def test_groups_are_compared_by_their_means(tmp_path: Path) -> None:
    """Means 10 and 8 kJ are -20 %; five runs each, the test and its assumption are named."""
    path = tmp_path / "seeds.csv"
    lines = [f"a{n},base,0.9,{9000 + 500 * n}" for n in range(5)]
    lines += [f"b{n},amp,0.9,{7800 + 100 * n}" for n in range(5)]
    path.write_text("name,model,accuracy,energy_joules\n" + "\n".join(lines), encoding="utf-8")

    result = run(str(path), "--group-by", "model")

    text = " ".join(result.stdout.split())
    assert result.exit_code == 0, result.stderr
    assert "-20.0 %" in text
    assert "Welch's t-test for p and the range (runs independent" in text
    assert "amp used 20.0 % less energy than base" in text
    assert "95 % range" in text.rsplit("amp used", 1)[1]


@pytest.mark.parametrize("output", ["json", "yaml", "csv", "latex", "bibtex", "table"])
def test_groups_are_printed_in_every_form(tmp_path: Path, output: str) -> None:
    """Nothing but data on standard output."""
    path = tmp_path / "seeds.csv"
    path.write_text(
        "name,model,energy_joules\na1,a,10\na2,a,11\nb1,b,8\nb2,b,9\n", encoding="utf-8"
    )

    result = run(str(path), "--group-by", "model", "--baseline", "b", "--output", output)

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.strip()


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_the_table_compiles(tmp_path: Path, densenet: Job, inception: Job) -> None:
    """With siunitx and booktabs, and a name of odd characters."""
    inception["metadata"]["name"] = "a_b & <50> % \u4e2d \u00fc"
    body = to_latex(compared(densenet, inception), quantity("energy"))
    (tmp_path / "t.tex").write_text(
        "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage{booktabs}"
        "\\usepackage{siunitx}\\begin{document}" + body + "\\end{document}",
        encoding="utf-8",
    )

    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"],
        cwd=tmp_path, capture_output=True, timeout=240, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]


def test_a_report_file_gives_the_same_figures_back(tmp_path: Path, densenet: Job) -> None:
    """read_path reads what to_report writes."""
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
    assert result.stdout.splitlines()[1].startswith("inceptionv3")


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
    assert "-50.0 %" in run(str(path)).stdout


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


def test_one_job_is_shown_and_asks_for_a_second(tmp_path: Path, densenet: Job) -> None:
    """Its figures, no changes, and the way on; also from a file with a byte order mark."""
    path = Path(save(tmp_path / "1.json", densenet))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())

    result = run(str(path))

    assert result.exit_code == 0, result.stderr
    assert "change" not in result.stdout
    assert "same method" not in result.stdout
    last = " ".join(result.stdout.split("\n\n")[-1].split())
    assert last == "densenet121 is the only run: name a second one to compare it with"


def test_runs_without_a_figure_are_one_sentence_and_no_table(tmp_path: Path) -> None:
    """Exit code 1, and nothing on standard output."""
    for name, figure in (("a", {"epochs": 3}), ("b", {"zone": "DE"})):
        report = {"kind": "JobFigures", "name": name, **figure}
        (tmp_path / f"{name}.json").write_text(json.dumps(report), encoding="utf-8")

    result = run(str(tmp_path))

    assert (result.exit_code, result.stdout) == (1, "")
    assert "nothing to compare: a, b hold no figure that runs are compared by" in result.stderr


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
    """The words of kubectl are passed on."""
    program = tmp_path / "kubectl"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    result = run("a", "b")

    assert result.exit_code == 1
    assert message in result.stderr


def test_a_file_that_is_not_here_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt file name is a possible job name too, so both are said."""
    program = tmp_path / "kubectl"
    program.write_text("#!/bin/sh\necho 'Error: not found' >&2; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    result = run("a.csv", "b.csv")

    assert result.exit_code == 1
    assert "no file a.csv is here; as a job: Error: not found" in result.stderr


def test_without_kubectl_the_message_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No traceback on a laptop without kubectl."""
    monkeypatch.setenv("PATH", str(tmp_path))

    result = run("a", "b")

    assert result.exit_code == 1
    assert "kubectl is not installed" in result.stderr


def test_what_was_not_made_alike_stands_beside_a_change_in_every_form(tmp_path: Path) -> None:
    """9 against 90 epochs: the energy's change is named so in the table, CSV, JSON and LaTeX."""
    path = tmp_path / "runs.csv"
    path.write_text(
        "name,accuracy,energy_joules,epochs\na,0.9,100,90\nb,0.9,10,9\n", encoding="utf-8"
    )
    texts = {form: run(str(path), "-o", form).stdout for form in ("table", "csv", "json", "latex")}

    assert "-90.0 % (epochs)" in texts["table"]
    assert texts["csv"].splitlines()[1].endswith(",energy: epochs")
    energy = json.loads(texts["json"])["differences"][0]["quantities"]["energy"]
    assert energy["differs"] == ["epochs"]
    assert r"\qty{-90.0}{\percent} (epochs)" in texts["latex"]
