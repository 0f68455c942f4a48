"""Every form of `lowtide export`, validated by its own schema or library."""

import csv
import dataclasses
import io
import json
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf import json_format
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from spdx_python_model import v3_0_1

from lowtide.export import (
    codecarbon,
    cyclonedx,
    github,
    hourly,
    huggingface,
    mlflow,
    openmetrics,
    spdx,
    wandb,
)
from lowtide.export.figures import MOCK_MARK, ExportError, Occasion, RunPeriod
from lowtide.metrics.job_figures import JobFigures
from lowtide.records.jobs import read_records

FORMS = (
    codecarbon, cyclonedx, github, hourly, huggingface, mlflow, openmetrics, spdx, wandb,
)  # fmt: skip
HOSTILE = 'a"b\\c</td>|<script> # EOF ☃'


def test_a_model_card_has_all_five_fields(job: JobFigures, occasion: Occasion) -> None:
    """Read back by Hugging Face's own library: grams, source, type, place and hardware."""
    card = ModelCard(huggingface.export(job, occasion) + "\n# DenseNet-121\n")

    emissions = card.data.to_dict()["co2_eq_emissions"]
    assert emissions["emissions"] == 600.0
    assert "Lowtide; energy of cpu, gpu: measured; average intensity of DE" in emissions["source"]
    assert "without embodied" in emissions["source"]
    assert emissions["training_type"] == "fine-tuning"
    assert emissions["geographical_location"] == "DE"
    assert emissions["hardware_used"] == "H200 x8"


def test_a_model_card_is_read_back_by_lowtide(
    job: JobFigures, occasion: Occasion, tmp_path: Path
) -> None:
    """The strict reader of cards finds the same grams."""
    path = tmp_path / "README.md"
    path.write_text(huggingface.export(job, occasion), encoding="utf-8")

    (read,) = read_records(path).jobs

    assert read.operational_grams == 600.0


@pytest.mark.slow  # importing MLflow takes seconds
def test_mlflow_takes_the_body_as_its_own_message(job: JobFigures, occasion: Occasion) -> None:
    """Every field of LogBatch, with the run's id added."""
    from mlflow.protos.service_pb2 import LogBatch
    from mlflow.utils.validation import _validate_metric_name, _validate_tag_name

    message = json_format.ParseDict(
        {**json.loads(mlflow.export(job, occasion)), "run_id": "r"}, LogBatch()
    )

    values = {metric.key: metric.value for metric in message.metrics}
    assert values["lowtide.energy_kwh"] == 2.0
    assert values["lowtide.avoided_grams"] == -50.0
    assert {param.key: param.value for param in message.params}["dataset"] == "digits"
    assert {tag.key: tag.value for tag in message.tags}["lowtide.signal"] == "Average"
    for metric in message.metrics:
        _validate_metric_name(metric.key)
    for tag in message.tags:
        _validate_tag_name(tag.key)


def test_wandb_gets_numbers_circumstances_and_short_tags(
    job: JobFigures, occasion: Occasion
) -> None:
    """Summary values are finite numbers; a tag has at most 64 characters."""
    parts = json.loads(wandb.export(replace(job, zone="x" * 200), occasion))

    assert parts["summary"]["lowtide/energy_kwh"] == 2.0
    assert parts["config"]["lowtide"]["model"] == "DenseNet-121"
    assert "method:Measured" in parts["tags"]
    assert all(1 <= len(tag) <= 64 for tag in parts["tags"])


@pytest.mark.slow
def test_wandb_s_public_run_has_the_same_attributes(
    job: JobFigures, occasion: Occasion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run of W&B's own public API, filled as its server would, reads like the file."""
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    public = pytest.importorskip("wandb.apis.public")
    parts = json.loads(wandb.export(job, occasion))
    answer = {
        "name": "1",
        "displayName": parts["name"],
        "state": "finished",
        "createdAt": parts["created_at"],
        "tags": parts["tags"],
        "config": json.dumps({key: {"value": part} for key, part in parts["config"].items()}),
        "summaryMetrics": json.dumps(parts["summary"]),
        "systemMetrics": "{}",
        "sweepName": None,
        "user": {"name": "u", "username": "u"},
    }

    run = public.Run(None, "e", "p", "1", attrs=answer, lazy=False)

    for name in ("name", "config", "tags", "created_at"):
        assert getattr(run, name) == parts[name], name
    assert dict(run.summary_metrics) == parts["summary"]


@pytest.mark.slow
def test_a_run_of_wandb_takes_the_parts(
    job: JobFigures, occasion: Occasion, tmp_path: Path
) -> None:
    """A real run, offline and in a process of its own: what was given is what it holds."""
    pytest.importorskip("wandb")
    (tmp_path / "run.json").write_text(wandb.export(job, occasion), encoding="utf-8")
    program = (
        "import json, wandb\n"
        "parts = json.load(open('run.json'))\n"
        "run = wandb.init(mode='offline', project='p', name=parts['name'])\n"
        "run.config.update(parts['config']); run.summary.update(parts['summary'])\n"
        "run.tags = tuple(parts['tags'])\n"
        "held = [run.config.as_dict(), dict(run.summary._as_dict()), list(run.tags)]\n"
        "run.finish()\n"
        "json.dump(held, open('held.json', 'w'))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True,
        timeout=120, check=False, env={**os.environ, "WANDB_SILENT": "true"},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr[-2000:]
    parts = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    config, summary, tags = json.loads((tmp_path / "held.json").read_text(encoding="utf-8"))
    assert config["lowtide"] == parts["config"]["lowtide"]
    assert {key: summary[key] for key in parts["summary"] if key != "_runtime"} == {
        key: value for key, value in parts["summary"].items() if key != "_runtime"
    }
    assert tags == parts["tags"]


def test_codecarbon_s_columns_are_codecarbon_s(job: JobFigures, occasion: Occasion) -> None:
    """All 38 fields of its record, in order; kWh, kg and watts by hand."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports, not ours
        from codecarbon.output_methods.emissions_data import EmissionsData

    rows = list(csv.DictReader(io.StringIO(codecarbon.export(job, occasion))))

    assert tuple(field.name for field in dataclasses.fields(EmissionsData)) == codecarbon.COLUMNS
    assert len(codecarbon.COLUMNS) == 38
    (row,) = rows
    assert float(row["energy_consumed"]) == 2.0
    assert float(row["gpu_energy"]) == 1.5
    assert float(row["cpu_energy"]) == 0.5
    assert float(row["gpu_power"]) == 750.0
    assert float(row["emissions"]) == 0.6
    assert float(row["emissions_rate"]) == pytest.approx(0.6 / 7200)
    assert row["ram_energy"] == row["codecarbon_version"] == ""


def test_codecarbon_s_energies_include_a_known_overhead(
    job: JobFigures, occasion: Occasion
) -> None:
    """2 kWh at a PUE of 1.25 are 2.5 kWh of the data centre."""
    text = codecarbon.export(replace(job, pue=1.25, pue_kind="Measured"), occasion)

    (row,) = csv.DictReader(io.StringIO(text))
    assert float(row["energy_consumed"]) == 2.5
    assert float(row["gpu_energy"]) == 1.875
    assert row["pue"] == "1.25"


def test_codecarbon_s_table_is_read_back_by_lowtide(
    job: JobFigures, occasion: Occasion, tmp_path: Path
) -> None:
    """The strict reader takes the same energy and emissions."""
    path = tmp_path / "emissions.csv"
    path.write_text(codecarbon.export(job, occasion), encoding="utf-8")

    (read,) = read_records(path).jobs

    assert read.energy_joules == pytest.approx(7.2e6)
    assert read.operational_grams == pytest.approx(600)


def test_cyclonedx_is_valid_by_its_strict_schema(job: JobFigures, occasion: Occasion) -> None:
    """Environmental considerations: 2 kWh and 600 g, which are 0.0006 t."""
    text = cyclonedx.export(job, occasion)

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    (component,) = json.loads(text)["components"]
    considerations = component["modelCard"]["considerations"]["environmentalConsiderations"]
    (consumption,) = considerations["energyConsumptions"]
    assert consumption["activity"] == "fine-tuning"
    assert consumption["activityEnergyCost"] == {"value": 2.0, "unit": "kWh"}
    assert consumption["co2CostEquivalent"]["value"] == pytest.approx(6e-4)
    assert {"name": "lowtide:embodied_grams", "value": "100.0"} in consumption["properties"]


def test_spdx_is_valid_by_its_model(job: JobFigures, occasion: Occasion) -> None:
    """SPDX 3.0.1's own bindings read it and check every property; 2 kWh of fine-tuning."""
    graph = v3_0_1.SHACLObjectSet()
    v3_0_1.JSONLDDeserializer().read(io.BytesIO(spdx.export(job, occasion).encode()), graph)

    (package,) = graph.foreach_type(v3_0_1.ai_AIPackage)
    (described,) = package.ai_energyConsumption.ai_finetuningEnergyConsumption
    assert described.ai_energyQuantity == 2.0
    assert described.ai_energyUnit.endswith("/kilowattHour")
    assert "operational emissions 600 g CO2eq" in package.ai_informationAboutTraining
    v3_0_1.JSONLDSerializer().write(graph, io.BytesIO())  # refuses what lacks a mandatory field


def test_github_s_summary_is_one_table(job: JobFigures, occasion: Occasion) -> None:
    """GitHub's Markdown finds a heading and a table with units."""
    tokens = MarkdownIt("commonmark").enable("table").parse(github.export(job, occasion))

    assert [token.type for token in tokens].count("table_open") == 1
    cells = [tokens[i + 1].content for i, t in enumerate(tokens) if t.type == "td_open"]
    pairs = dict(zip(cells[::2], cells[1::2], strict=True))
    assert pairs["energy"] == "2.00 kWh"
    assert pairs["operational carbon"] == "600 g CO2eq"
    assert pairs["SCI per job"] == "700 g CO2eq"


def test_openmetrics_is_parsed_by_prometheus_own_parser(
    job: JobFigures, occasion: Occasion
) -> None:
    """Base units, each family with its type, ended by EOF."""
    families = {
        family.name: family
        for family in text_string_to_metric_families(openmetrics.export(job, occasion))
    }

    energy = families["lowtide_run_energy_joules"]
    assert (energy.type, energy.unit, energy.samples[0].value) == ("gauge", "joules", 7.2e6)
    assert families["lowtide_run"].samples[0].labels["signal"] == "Average"


def test_hours_sum_to_the_job_and_split_at_the_clock(job: JobFigures, occasion: Occasion) -> None:
    """01:30 to 02:30 is half and half; 04:00 to 05:00 one hour; nothing while it paused."""
    rows = list(csv.DictReader(io.StringIO(hourly.export(job, occasion))))

    assert [row["hour_start"][11:16] for row in rows] == ["01:00", "02:00", "04:00"]
    assert [float(row["energy_kwh"]) for row in rows] == [0.5, 0.5, 1.0]
    assert [float(row["operational_grams_co2eq"]) for row in rows] == [200.0, 200.0, 200.0]
    assert {row["basis"] for row in rows} == {"attempt spread evenly over its time"}


def test_hours_of_a_run_whose_pauses_are_unknown_are_refused(
    job: JobFigures, occasion: Occasion
) -> None:
    """Two hours of running between times three and a half hours apart."""
    with pytest.raises(ExportError, match="does not say when it paused"):
        hourly.export(job, replace(occasion, attempts=()))


def test_hours_without_an_attempt_s_energy_are_refused(job: JobFigures, occasion: Occasion) -> None:
    """An unknown energy is not zero."""
    unknown = replace(occasion.attempts[1], energy_joules=None)
    with pytest.raises(ExportError, match="2026-12-01T04:00:00Z whose energy is unknown"):
        hourly.export(job, replace(occasion, attempts=(occasion.attempts[0], unknown)))


def test_an_hour_with_unknown_emissions_has_an_empty_cell(
    job: JobFigures, occasion: Occasion
) -> None:
    """The other hours keep theirs."""
    unknown = replace(occasion.attempts[1], operational_grams=None)
    text = hourly.export(job, replace(occasion, attempts=(occasion.attempts[0], unknown)))

    cells = [row["operational_grams_co2eq"] for row in csv.DictReader(io.StringIO(text))]
    assert cells == ["200.0", "200.0", ""]


def test_a_run_of_centuries_is_refused(job: JobFigures, occasion: Occasion) -> None:
    """A wrong clock must not fill the disk."""
    first = occasion.attempts[0]
    long = RunPeriod(
        start=first.start.replace(year=1026),
        end=first.end,
        energy_joules=1.0,
        operational_grams=1.0,
    )
    with pytest.raises(ExportError, match="more than 100000"):
        hourly.export(job, replace(occasion, attempts=(long,)))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__.rpartition(".")[2])
def test_a_stand_in_is_marked_in_every_form(
    form: object, job: JobFigures, occasion: Occasion
) -> None:
    """A reader of any form sees that nothing real was measured."""
    assert MOCK_MARK in form.export(replace(job, mock=True), occasion)  # type: ignore[attr-defined]
    assert MOCK_MARK not in form.export(job, occasion)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "form", [codecarbon, cyclonedx, spdx], ids=lambda form: form.__name__.rpartition(".")[2]
)
def test_a_form_without_energy_is_refused_in_a_sentence(
    form: object, job: JobFigures, occasion: Occasion
) -> None:
    """No zero takes the place of what is unknown."""
    unknown = replace(job, energy_joules=None, shares=())
    with pytest.raises(ExportError, match="densenet121 has no measured energy, which"):
        form.export(unknown, occasion)  # type: ignore[attr-defined]


def test_texts_of_a_report_cannot_break_a_form(job: JobFigures, occasion: Occasion) -> None:
    """Quotes, markup and formulas; control characters are refused where a report is read."""
    hostile = replace(
        job, name=HOSTILE, model=HOSTILE, dataset=HOSTILE, environment=HOSTILE, zone=HOSTILE
    )

    card = ModelCard(huggingface.export(hostile, occasion))
    assert card.data.to_dict()["co2_eq_emissions"]["hardware_used"] == HOSTILE
    assert (
        JsonStrictValidator(SchemaVersion.V1_6).validate_str(cyclonedx.export(hostile, occasion))
        is None
    )
    families = list(text_string_to_metric_families(openmetrics.export(hostile, occasion)))
    assert families[0].samples[0].labels["job"] == HOSTILE
    tokens = MarkdownIt("commonmark").enable("table").parse(github.export(hostile, occasion))
    assert [token.type for token in tokens].count("table_open") == 1
    assert not any(token.type.startswith("html") for token in tokens)
    (row,) = csv.DictReader(io.StringIO(codecarbon.export(hostile, occasion)))
    assert HOSTILE in row["project_name"]
    formula = replace(job, name="=1+1")
    assert "'=1+1" in hourly.export(formula, occasion)
