"""Documents that a lenient parser would change without a word are refused with one sentence."""

import json
from pathlib import Path

import pytest

from lowtide.records.documents import parse_json, parse_yaml
from lowtide.records.errors import ReportError
from lowtide.records.jobs import read_path, read_records


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("a: &x [*x]", "alias", id="a list that holds itself"),
        pytest.param("a: &x 1\nb: *x", "alias", id="an alias"),
        pytest.param("[" * 100 + "]" * 100, "levels deep", id="deep"),
        pytest.param("a: 1\na: 2", "twice", id="repeated"),
        pytest.param("? [1, 2]\n: 3", "a name must be a text", id="a list as a name"),
        pytest.param("a: !!python/object:os.system x", "neither JSON nor YAML", id="an object"),
        pytest.param("a: b: c", "line 1", id="broken"),
        pytest.param("a: " + "9" * 5000, "more than 4300 digits", id="a number of 5000 digits"),
        pytest.param("a: \x00", "neither JSON nor YAML", id="a control character"),
    ],
)
def test_a_yaml_text_that_is_not_plain_is_refused(text: str, sentence: str) -> None:
    """The sentence names the place."""
    with pytest.raises(ReportError) as refused:
        parse_yaml(text, "x.yaml")

    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_yaml_texts_stay_texts() -> None:
    """YAML 1.1 would read a date, an hour of 90 seconds, an octal number."""
    assert parse_yaml("{a: 2026-13-45, b: 1:30, c: 010, d: 12, e: 1.5, f: 1.0e+3}", "x") == {
        "a": "2026-13-45",
        "b": "1:30",
        "c": "010",
        "d": 12,
        "e": 1.5,
        "f": 1000.0,
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param('{"a": NaN}', "NaN is not a JSON number", id="NaN"),
        pytest.param('{"a": 1, "a": 2}', "stands twice", id="repeated"),
        pytest.param("[" * 100_000, "levels deep", id="deep"),
        pytest.param('{"a": ' + "9" * 5000 + "}", "more than 4300 digits", id="5000 digits"),
        pytest.param("[" * 70 + "]" * 70, "levels deep", id="deeper than any report"),
    ],
)
def test_a_json_text_that_is_not_plain_is_refused(text: str, sentence: str) -> None:
    """No number is lost, and no depth ends the program."""
    with pytest.raises(ReportError, match=sentence):
        parse_json(text, "x.json")


def test_norway_is_a_zone_and_not_a_flag(tmp_path: Path) -> None:
    """YAML reads NO as false; the message says how to write it."""
    path = tmp_path / "run.yaml"
    path.write_text("kind: JobFigures\nname: a\nzone: NO\n", encoding="utf-8")

    with pytest.raises(ReportError, match="zone is False, expected a text: quote it"):
        read_path(path)


@pytest.mark.parametrize("name", ["run.json", "runs.csv"])
def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path, name: str) -> None:
    """Excel saves "CSV UTF-8" with one."""
    content = '{"kind": "JobFigures", "name": "a", "energy_joules": 5}'
    path = tmp_path / name
    text = content if name.endswith("json") else "name,energy_joules\na,5\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())

    assert read_path(path)[0].energy_joules == 5


def test_a_trainers_report_is_joined_with_the_energy_beside_it(tmp_path: Path) -> None:
    """Accuracy of the trainer, energy and time of CodeCarbon: 1.9 kWh are 6.84 MJ."""
    report = {"schemaVersion": 1, "epochs": 3, "accuracy": 0.9, "model": "r", "trainingSeconds": 9}
    (tmp_path / "report.json").write_text(json.dumps(report), encoding="utf-8")
    (tmp_path / "emissions.csv").write_text(
        "project_name,run_id,duration,emissions,energy_consumed\nx,u1,100,0.7,1.9\n",
        encoding="utf-8",
    )

    found = read_records(tmp_path)

    (job,) = found.jobs
    assert (job.name, job.accuracy, job.epochs) == ("report", 0.9, 3)
    assert (job.energy_joules, job.duration_seconds) == (pytest.approx(6.84e6), 100)
    assert any("joined" in note for note in found.notes)


def test_the_measured_block_of_a_carbontracker_log_is_read(tmp_path: Path) -> None:
    """The prediction above it is not; 0.5 kWh are 1.8 MJ, 1:02:03 are 3723 s."""
    path = tmp_path / "run_carbontracker_output.log"
    path.write_text(
        "2026-03-01 10:00:00 - CarbonTracker: \nPredicted consumption for 100 epoch(s):\n"
        "\tTime:\t9:00:00\n\tEnergy:\t9.9 kWh\n\tCO2eq:\t999.0 g\n"
        "2026-03-01 11:00:00 - CarbonTracker: \nActual consumption for 3 epoch(s):\n"
        "\tTime:\t1:02:03\n\tEnergy:\t0.500000000000 kWh\n\tCO2eq:\t140.25 g\n",
        encoding="utf-8",
    )

    (job,) = read_path(path)

    assert (job.energy_joules, job.operational_grams) == (1.8e6, 140.25)
    assert (job.duration_seconds, job.epochs) == (3723, 3)


def test_a_model_card_gives_grams_and_accuracy(tmp_path: Path) -> None:
    """The format defines emissions in grams."""
    path = tmp_path / "README.md"
    path.write_text(
        "---\nmodel-index:\n- name: bert\n  results:\n  - dataset:\n      name: imdb\n"
        "    metrics:\n    - type: accuracy\n      value: 0.93\n"
        "co2_eq_emissions:\n  emissions: 149.2\n  source: CodeCarbon\n"
        "  hardware_used: 1 x V100\n---\n# Card\n",
        encoding="utf-8",
    )

    (job,) = read_path(path)

    assert (job.name, job.dataset, job.accuracy) == ("bert", "imdb", 0.93)
    assert (job.operational_grams, job.environment) == (149.2, "1 x V100")
