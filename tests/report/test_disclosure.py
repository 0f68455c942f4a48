"""The SCI disclosure in the published form, and what keeps a job from being disclosed."""

import csv
import io
import json
import zipfile
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from lowtide.cli.main import main
from lowtide.records.jobs import from_trainingjob
from lowtide.report.disclosure import (
    DisclosureError,
    Publisher,
    completeness,
    document,
    sci_report,
)

Job = dict[str, Any]
DAY = date(2026, 12, 1)
PUBLISHER = Publisher(
    contact_name="ML platform",
    contact_email="ml@example.org",
    organization="Example",
    entity_version="1.4",
    report_url="https://example.org/r/7",
)
WHO = ["--contact-name", "ML", "--contact-email", "ml@example.org", "--entity-version", "1.4"]


def report_of(job: Job) -> Job:
    return sci_report(from_trainingjob(job), PUBLISHER, calculated=DAY)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["disclose", *arguments])


@pytest.fixture
def saved(tmp_path: Path, densenet: Job) -> str:
    path = tmp_path / "job.json"
    path.write_text(json.dumps(densenet), encoding="utf-8")
    return str(path)


def test_report_has_the_fields_of_the_form_in_order(densenet: Job) -> None:
    """SCI specification 1.0, Appendix A."""
    report = report_of(densenet)

    assert list(report) == ["sci", "metadata"]
    assert list(report["sci"]) == ["software-boundary", "sci", "r", "r-source"]
    assert list(report["metadata"]) == [
        "name", "contact-name", "contact-email", "organization", "guid", "entity-version",
        "sci-version", "calculation-date", "workload-start-time", "calculation-period",
        "calculation-information", "report-information-url",
    ]  # fmt: skip


def test_report_carries_the_job_s_figures(densenet: Job) -> None:
    """0.59 g per training job, R = 1, 212 s for one R."""
    report = report_of(densenet)

    assert (report["sci"]["sci"], report["sci"]["r"]) == (0.59, 1)
    assert report["sci"]["r-source"] == "completed training job; gCO2eq per training job"
    metadata = report["metadata"]
    assert metadata["guid"] == densenet["metadata"]["uid"]
    assert (metadata["calculation-period"], metadata["calculation-date"]) == (212, "2026-12-01")
    assert metadata["workload-start-time"] == "2026-03-02T01:00:00Z"


def test_exclusions_and_methods_are_named(densenet: Job) -> None:
    """Boundary with reasons; E, I and M with kind, source and policy; the stand-in first."""
    report = report_of(densenet)

    boundary = report["sci"]["software-boundary"]
    assert boundary.startswith("in: gpu of densenet121; out: cpu (no meter), dram (no meter)")
    information = report["metadata"]["calculation-information"]
    assert information.startswith("STAND-IN GPU, NUMBERS ARE NOT REAL; E: measured by counter")
    for part in ("PUE not included", "location-based, zone DE", "failed attempts"):
        assert part in information


@pytest.mark.parametrize(
    ("section", "field", "sentence"),
    [
        ("sci", "gramsPerUnit", "the score is undefined"),
        ("sci", "functionalUnitCount", "functional unit or its count"),
        ("energy", "components", "software boundary is not known"),
    ],
)
def test_a_missing_mandatory_figure_fails_the_export(
    densenet: Job, section: str, field: str, sentence: str
) -> None:
    """Nothing is filled in for completeness' sake."""
    del densenet["status"][section][field]

    with pytest.raises(DisclosureError, match=sentence):
        report_of(densenet)


def test_all_missing_fields_are_named_at_once(densenet: Job) -> None:
    """The publisher sees the whole list, not one field per try."""
    densenet["metadata"]["uid"] = "not-a-uuid"
    densenet["status"]["energy"]["final"] = False

    missing = completeness(from_trainingjob(densenet), Publisher(contact_email="nobody"))

    assert [text.split()[0].rstrip(":") for text in missing] == [
        "guid", "contact-name", "contact-email", "entity-version", "the",
    ]  # fmt: skip


def test_the_document_shows_what_is_missing_instead_of_failing(densenet: Job) -> None:
    """Readable before everything is there."""
    del densenet["status"]["sci"]["gramsPerUnit"]

    text = document(from_trainingjob(densenet), Publisher(), calculated=DAY)

    assert "**undefined**" in text
    assert "- missing: the score is undefined" in text
    assert "these numbers are not real" in text


def test_what_the_document_does_not_know_is_no_number(densenet: Job) -> None:
    """Neither a functional unit of zero nor an empty address."""
    del densenet["status"]["sci"]
    del densenet["status"]["carbon"]["signal"]

    text = document(from_trainingjob(densenet), Publisher(), calculated=DAY)

    assert "| R | not known | completed only |" in text
    assert "sum of E × I over time, intensity of a kind that is not stated |" in text
    assert "Contact: not stated" in text


def test_the_document_says_which_emissions_the_intensity_includes(densenet: Job) -> None:
    """Direct and life-cycle figures do not compare; where none is stated, that is written."""
    job = from_trainingjob(densenet)
    life_cycle = document(replace(job, factor="life-cycle"), Publisher(), calculated=DAY)
    unknown = document(replace(job, factor=None), Publisher(), calculated=DAY)

    assert "average intensity, life-cycle emissions |" in life_cycle
    assert "average intensity, direct or life-cycle is not stated |" in unknown


def test_a_count_is_written_in_full(densenet: Job) -> None:
    """A million images are no power of ten, and one training job has no decimals."""
    one = from_trainingjob(densenet)
    many = replace(one, functional_units=1281167.0)

    assert "| R | 1 training job | completed only |" in document(one, Publisher(), calculated=DAY)
    assert "| R | 1281167 training job |" in document(many, Publisher(), calculated=DAY)


def test_the_document_has_boundary_method_and_coefficients(densenet: Job) -> None:
    """What a reader needs next to each score (SCI specification 1.0, Appendix A)."""
    text = document(from_trainingjob(densenet), PUBLISHER, calculated=DAY)

    for heading in ("Boundary", "Score", "Energy by component", "Coefficients", "Completeness"):
        assert f"## {heading}" in text
    assert "| gpu | active | exclusive | counter | 4.31 Wh |" in text
    # 0.48 g over 15516 J = 0.00431 kWh is 111.4 g/kWh.
    assert "| I | 111.4 g/kWh" in text
    assert "All mandatory fields are there." in text


def test_command_prints_yaml_that_reads_back(saved: str) -> None:
    """The published form."""
    result = run(saved, *WHO, "--date", "2026-12-01")

    assert result.exit_code == 0, result.stderr
    assert yaml.safe_load(result.stdout)["sci"]["sci"] == 0.59


def test_command_writes_json_and_markdown_to_a_file(saved: str, tmp_path: Path) -> None:
    """Nothing on standard output then."""
    for form, name in (("json", "r.json"), ("markdown", "r.md")):
        result = run(saved, *WHO, "--output", form, "--file", str(tmp_path / name))
        assert (result.exit_code, result.stdout) == (0, "")
    assert json.loads((tmp_path / "r.json").read_text())["metadata"]["name"] == "densenet121"
    assert (tmp_path / "r.md").read_text().startswith("# SCI disclosure: densenet121")


def test_command_fails_with_everything_that_is_missing(saved: str) -> None:
    """Exit code 1."""
    result = run(saved)

    assert result.exit_code == 1
    for field in ("contact-name", "contact-email", "entity-version"):
        assert field in result.stderr


def test_check_lists_what_is_missing(saved: str) -> None:
    """Exit code 0 if nothing is."""
    assert run(saved, "--check").exit_code == 1
    assert run(saved, "--check", *WHO).exit_code == 0


def test_a_manifest_for_the_impact_framework_gives_the_same_score(saved: str) -> None:
    """Hand calculation of its pipeline: (E * I + M) / R = .48 + .11 = .59 g."""
    result = run(saved, "--output", "impact-framework")

    manifest = yaml.safe_load(result.stdout)
    (observation,) = manifest["tree"]["children"]["densenet121"]["inputs"]
    operational = observation["energy"] * observation["grid/carbon-intensity"]
    assert (operational + observation["carbon-embodied"]) == pytest.approx(0.59)
    assert observation["functional-units"] == 1
    methods = [plugin["method"] for plugin in manifest["initialize"]["plugins"].values()]
    assert methods == ["Multiply", "Sum", "Sci"]
    assert manifest["description"].startswith("STAND-IN GPU")


def test_no_manifest_without_embodied_emissions(tmp_path: Path, densenet: Job) -> None:
    """The Framework would take an absent figure for zero."""
    del densenet["status"]["carbon"]["embodiedGrams"]
    path = tmp_path / "job.json"
    path.write_text(json.dumps(densenet), encoding="utf-8")

    result = run(str(path), "--output", "impact-framework")

    assert result.exit_code == 1
    assert "embodied emissions not known" in result.stderr


def test_the_report_file_is_read_back_by_the_other_commands(saved: str, tmp_path: Path) -> None:
    """A job leaves the cluster as one small file."""
    target = tmp_path / "report.json"
    assert run(saved, "--output", "report", "--file", str(target)).exit_code == 0

    compared = CliRunner().invoke(main, ["compare", saved, str(target), "--output", "json"])

    assert compared.exit_code == 0, compared.stderr
    difference = json.loads(compared.stdout)["differences"][0]["quantities"]["energy"]
    assert difference["value"] == 0


def test_the_observations_are_also_a_table(saved: str) -> None:
    """For the Impact Framework's CSV plugins: the manifest's inputs, one line each."""
    result = run(saved, "--output", "impact-framework-csv")

    (row,) = csv.DictReader(io.StringIO(result.stdout))
    assert list(row) == [
        "timestamp", "duration", "energy", "grid/carbon-intensity", "carbon-embodied",
        "functional-units",
    ]  # fmt: skip
    assert float(row["energy"]) * float(row["grid/carbon-intensity"]) == pytest.approx(0.48)


def test_an_archive_holds_every_form(saved: str, tmp_path: Path) -> None:
    """And is the same to the byte when it is written again for the same day."""
    first, second = tmp_path / "a.zip", tmp_path / "b.zip"
    for target in (first, second):
        options = ["--output", "archive", "--file", str(target), "--date", "2026-12-01"]
        assert run(saved, *options, *WHO).exit_code == 0

    with zipfile.ZipFile(first) as archive:
        names = archive.namelist()
        report = json.loads(archive.read("report.json"))
    assert names == [
        "sci.yaml", "sci.json", "disclosure.md", "manifest.yml", "observations.csv",
        "report.json",
    ]  # fmt: skip
    assert report["name"] == "densenet121"
    assert first.read_bytes() == second.read_bytes()


def test_an_archive_names_the_forms_that_the_job_does_not_allow(saved: str, tmp_path: Path) -> None:
    """Without a contact there is no published form; the other files are there."""
    target = tmp_path / "job.zip"

    result = run(saved, "--output", "archive", "--file", str(target))

    assert result.exit_code == 0, result.stderr
    with zipfile.ZipFile(target) as archive:
        assert "sci.yaml" not in archive.namelist()
        assert "contact-name is missing" in archive.read("missing.txt").decode()
    assert run(saved, "--output", "archive").exit_code == 2


def test_the_lifespan_and_the_embodied_total_are_those_that_were_used(densenet: Job) -> None:
    """Six years of 8,760 hours are 52,560 h; a GPU of 150 kg."""
    densenet["status"]["carbon"] |= {
        "embodiedGramsPerGpu": "150000",
        "embodiedLifespanSeconds": 189216000,
    }

    text = document(from_trainingjob(densenet), Publisher(), calculated=date(2026, 3, 3))

    assert "| TE | 150 kg per GPU |" in text
    assert "| EL | 52560 h |" in text
    assert "35040" not in text


@pytest.mark.parametrize("kind", ["Measured", "Assumed"])
def test_the_overhead_is_said_with_its_kind(densenet: Job, kind: str) -> None:
    """Measured and assumed factors are told apart; without one it is not included."""
    densenet["status"]["carbon"] |= {"pue": "1.25", "pueKind": kind}

    text = document(from_trainingjob(densenet), Publisher(), calculated=date(2026, 3, 3))

    assert f"| PUE | 1.25 | {kind.lower()} |" in text
    assert "overhead" not in text.split("## Score")[0]
