"""The calculators answer in result objects and refuse in sentences."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lowtide.cli.main import main
from lowtide.metrics.properties import TASK_PROPERTIES, Task
from lowtide.records.imagenet import environments, measurements, published_reference


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["calc", *arguments])


def value(*arguments: str) -> dict[str, Any]:
    result = run(*arguments, "--output", "json")
    assert result.exit_code == 0, result.stderr
    data: dict[str, Any] = json.loads(result.stdout)
    return data


def words(text: str) -> list[str]:
    return text.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("sam --accuracy 0.8 --energy 100 --unit Wh", 0.8192, id="SAM, reference"),
        pytest.param(
            "sci --energy-kwh 450 --intensity 250 --embodied-grams 800 --functional-units 100000",
            1.133,
            id="SCI, guidance of SCI for AI",
        ),
        pytest.param(
            "sci --energy-kwh 1 --energy-kwh 2 --energy-kwh 3 --intensity 100 --intensity 400 "
            "--intensity 200 --embodied-grams 0",
            1500,
            id="SCI resolved in time",
        ),
        pytest.param(
            "sci --operational-grams 8500 --embodied-grams 1200 --functional-units 25000",
            0.388,
            id="SCI from O and M",
        ),
        pytest.param(
            "apc --accuracy 0.9056 --consumption 10.4 --per hour", 0.7595031829356005, id="APC"
        ),
        pytest.param("apc --accuracy 0.9 --consumption 0 --a 0.1 --b 1", 0.9, id="APC, no energy"),
        pytest.param(
            "apec --accuracy 0.9056 --consumption 10.4 --per hour --price-per-wh 0.0305 "
            "--currency cent",
            0.23022954617932845,
            id="APEC",
        ),
        pytest.param(
            "embodied --total-grams 1000000 --hours 1", 28.538812785388128, id="embodied by share"
        ),
        pytest.param(
            "embodied --method components --hours 1 --vcpus 4", 37.10045662100457, id="by parts"
        ),
        pytest.param(
            "predict --textbook --epoch 153 --epoch 151 --epoch 157 --epoch 159 --epoch 157"
            " --planned 15",
            2331.0,
            id="prediction by epochs",
        ),
        pytest.param("predict --share 0.25 30 --share 0.5 55", 105, id="prediction by shares"),
        pytest.param(
            "ttcapc --checkpoint 60,.52,8.9 --checkpoint 360,.944,8.9 --checkpoint 420,.9454,8.9",
            360,
            id="TTCAPC",
        ),
    ],
)
def test_calculators_give_the_reference_values(line: str, expected: float) -> None:
    """Published examples and vectors of the reference, through the command line."""
    assert value(*words(line))["value"] == pytest.approx(expected, rel=1e-12)


def test_a_trace_file_gives_its_time(tmp_path: Path) -> None:
    """Columns by name, in any order."""
    trace = tmp_path / "run.csv"
    trace.write_text("accuracy,seconds,cost\n.52,60,0.0271\n.944,360,0.0271\n", encoding="utf-8")

    data = value("ttcapec", "--trace", str(trace))

    assert (data["name"], data["value"], data["parameters"]["b"]) == ("TTCAPEC", 360, 50)


def test_a_trace_without_a_column_names_it(tmp_path: Path) -> None:
    """Exit code 2 and the names that the first line must have."""
    trace = tmp_path / "run.csv"
    trace.write_text("seconds,accuracy\n60,0.5\n", encoding="utf-8")

    result = run("ttcapc", "--trace", str(trace))

    assert result.exit_code == 2
    assert "has no column consumption" in result.stderr


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("sam --accuracy 0.8 --energy 1 --unit kWh", "energy_not_above_one_unit"),
        ("sam --accuracy 0.8 --energy 0 --unit kWh", "no_energy"),
        ("sci --energy-kwh 1 --embodied-grams 5", "intensity_missing"),
        ("sci --energy-kwh 1 --intensity 100", "embodied_missing"),
        (
            "sci --operational-grams 1 --embodied-grams 1 --functional-units 0",
            "functional_unit_zero",
        ),
        ("predict --epoch 1 --epoch 2 --planned 5", "too_few_samples"),
        ("ttcapc --checkpoint 60,0.5,1 --target 0.99", "target_not_reached"),
        ("rating --value training_energy=17", "value_missing"),
    ],
)
def test_undefined_figures_are_results_with_a_reason(line: str, reason: str) -> None:
    """Exit code 0, value null; the table says it in a sentence."""
    data = value(*words(line))
    table = run(*words(line)).stdout

    assert (data["value"], data["reason"]) == (None, reason)
    assert f"is undefined ({reason}): " in table


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("sam --accuracy 80 --energy 100 --unit Wh", "write 0.8 for 80 %"),
        ("sam --accuracy 0.8 --energy -1 --unit Wh", "energy is -1"),
        ("sam --accuracy nan --energy 100 --unit Wh", "accuracy is nan"),
        ("sam --accuracy 0.8 --energy 100", "Missing option '--unit'"),
        ("sam --accuracy 0.8 --energy 100 --unit J", "'J' is not one of 'Wh', 'kWh'"),
        ("apc --accuracy 0.9 --consumption 1", "b has no default without the unit"),
        ("apc --accuracy 0.9 --consumption -1 --b 1", "consumption is -1"),
        ("sci --energy-kwh -1 --intensity 1 --embodied-grams 1", "energy_kwh is -1"),
        (
            "sci --energy-kwh 1 --intensity 1 --embodied-grams 1 --scope market-based",
            "certificates, contracts and offsets do not enter SCI",
        ),
        ("sci --energy-kwh 1 --operational-grams 1 --embodied-grams 1", "not both"),
        ("sci --energy-kwh 1 --energy-kwh 1 --energy-kwh 1 --intensity 1 --intensity 1", "3 energ"),
        ("embodied --hours 1", "needs --total-grams"),
        ("embodied --total-grams 1 --hours 1 --reserved 9 --total 8", "reserve at most all"),
        ("predict --planned 5", "give --epoch values"),
        ("predict --epoch 1", "--planned is missing"),
        ("predict --epoch 1 --epoch 2 --epoch 3 --planned 2", "fewer than the 3"),
        ("predict --epoch 1 --epoch 2 --planned 9 --drop-first", "--drop-first is for --textbook"),
        ("ttcapc --checkpoint 60,0.5", "must be seconds,accuracy,consumption"),
        ("ttcapc --checkpoint x,0.5,1", "seconds is 'x'"),
        ("rating --value colour=3", "'colour' is not a property"),
        ("rating --value training_energy=much", "training_energy: 'much' is not a number"),
        ("rating --value training_energy=1 --environment Abacus", "starts with 'Abacus'"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_code_2(line: str, text: str) -> None:
    """Nothing on standard output, so nothing wrong can be piped on."""
    result = run(*words(line))

    assert result.exit_code == 2
    assert result.stdout == ""
    assert text in result.stderr


def test_a_range_is_carried_into_the_score() -> None:
    """O = 100 ± 5 g and M = 20 g between 10 and 40 g: 108.8 to 140.6 g by root of squares."""
    data = value(
        *words("sci --operational-grams 100 --embodied-grams 20 --energy-error 0.05"),
        *words("--embodied-range 10 40"),
    )

    assert data["uncertainty"]["low"] == pytest.approx(120 - 125**0.5, rel=1e-12)
    assert data["uncertainty"]["high"] == pytest.approx(120 + 425**0.5, rel=1e-12)


def test_warnings_are_in_both_outputs() -> None:
    """SAM below ten units."""
    line = words("sam --accuracy 0.8 --energy 2 --unit Wh")

    assert value(*line)["warnings"] == ["near_singular"]
    assert "warning  near_singular: the energy is below ten units" in run(*line).stdout


def full_rating(task: Task, environment: str, model: str) -> list[str]:
    row = next(
        r
        for r in measurements()["rows"]
        if (r["task"], r["environment"], r["model"]) == (task, environment, model)
    )
    pairs = [f"{k}={v}" for k, v in row["values"].items() if v is not None]
    return [part for pair in pairs for part in ("--value", pair)]


def test_rating_shows_the_published_and_the_correct_letter() -> None:
    """MobileNetV2, inference, A100 x8 TensorFlow: compatible A, as on the label; correct B."""
    environment = "A100 x8 - TensorFlow 2.8.0"
    values = full_rating(Task.INFERENCE, environment, "MobileNetV2")
    common = ["rating", "--task", "inference", "--environment", environment, *values]

    compatible = value(*common, "--mode", "mlee")
    correct = value(*common)

    assert (compatible["parameters"]["letter"], compatible["mode"]) == ("A", "mlee")
    assert correct["parameters"]["letter"] == "B"
    assert run(*common).stdout.startswith("rating = B")


def test_rating_uses_a_team_s_own_reference(tmp_path: Path) -> None:
    """A file in the form of ReferenceSet.to_json."""
    reference = published_reference(Task.TRAINING, environments(Task.TRAINING)[0]).to_json()
    reference["name"] = "our runs"
    path = tmp_path / "reference.json"
    path.write_text(json.dumps(reference), encoding="utf-8")

    data = value("rating", "--reference", str(path), "--value", "training_energy=1")

    assert data["parameters"]["reference_set"] == "our runs"


@pytest.mark.parametrize(("content", "code"), [("{", 1), ("[]", 1), ("{}", 2)])
def test_a_broken_reference_is_one_sentence(tmp_path: Path, content: str, code: int) -> None:
    """Unreadable files fail, incomplete sets are wrong use."""
    path = tmp_path / "reference.json"
    path.write_text(content, encoding="utf-8")

    result = run("rating", "--reference", str(path))

    assert result.exit_code == code
    assert "reference" in result.stderr


def test_every_shipped_environment_has_its_reference() -> None:
    """197 rows of two tasks; each environment can be rated."""
    assert len(measurements()["rows"]) == 197
    for task in Task:
        for environment in environments(task):
            assert published_reference(task, environment).keys == TASK_PROPERTIES[task]


def test_every_calculator_shows_an_example_first() -> None:
    """People read the example before the options."""
    for name in words("sci embodied sam apc apec ttcapc ttcapec rating predict"):
        text = run(name, "--help").stdout
        assert "Example" in text.split("Options:")[0], name
