"""Calculators say what they computed with, and refuse what they would otherwise leave out."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lowtide.cli.main import main

ImageNet = "A100 x8 - TensorFlow 2.8.0"


def calc(*words: str) -> Result:
    return CliRunner().invoke(main, ["calc", *words])


@pytest.mark.parametrize("value", ["accuracy_top1=70", "accuracy_top5=99", "parameters=-5"])
def test_a_value_outside_its_domain_has_no_letter(value: str) -> None:
    """70 would be better than any fraction."""
    result = calc("rating", "--value", value)

    assert (result.exit_code, result.stdout) == (2, "")
    assert value.split("=")[1] in result.stderr


def test_a_rating_names_its_set_data_set_and_environment() -> None:
    """A reader of the letter sees what it was rated against."""
    result = calc("rating", "--value", "accuracy_top1=0.7", "--missing", "worst")

    assert f"ImageNet in {ImageNet}" in result.stdout
    assert "rows" in result.stdout


def test_an_environment_is_never_chosen_silently() -> None:
    """The same energy is a C on a Xeon and a D on an A100."""
    result = calc("rating", "--task", "inference", "--value", "inference_energy=1")

    assert result.exit_code == 2
    assert "give --environment with one of" in result.stderr


@pytest.mark.parametrize("extra", [("--pue", "1.5"), ("--intensity", "300"), ("--energy-kwh", "4")])
def test_a_given_o_is_not_combined_with_what_would_change_it(extra: tuple[str, str]) -> None:
    """The factor would be ignored otherwise."""
    result = calc("sci", "--operational-grams", "5", "--embodied-grams", "1", *extra)

    assert result.exit_code == 2
    assert "which is O itself" in result.stderr


def test_a_market_based_o_is_refused_too() -> None:
    """Certificates do not enter the score by another door."""
    result = calc("sci", "--operational-grams", "5", "--embodied-grams", "1", "--scope",
                  "market-based")  # fmt: skip

    assert result.exit_code == 2
    assert "do not enter SCI" in result.stderr


def test_an_error_that_is_not_stated_is_not_zero() -> None:
    """Only the embodied part was given a range."""
    result = calc("sci", "--energy-kwh", "1", "--intensity", "100", "--embodied-grams", "10",
                  "--embodied-range", "5", "20")  # fmt: skip

    assert "energy's error not stated, intensity's error not stated" in result.stdout
    assert "± 0" not in result.stdout


def test_a_missing_intensity_is_not_called_a_missing_energy() -> None:
    """The energy was all measured."""
    result = calc("sci", "--energy-kwh", "1", "--embodied-grams", "1", "--output", "json")

    found = json.loads(result.stdout)
    assert (found["reason"], found["warnings"]) == ("intensity_missing", ["pue_not_included"])


def test_without_energy_it_is_the_energy_that_is_missing() -> None:
    """The message does not blame the intensity."""
    result = calc("sci", "--embodied-grams", "1")

    assert result.exit_code == 2
    assert "the energy is missing" in result.stderr


@pytest.mark.parametrize("number", ["1e9999999", "1e-9999999", "9" * 5000])
def test_a_number_beyond_all_measure_ends_at_once(number: str) -> None:
    """As an exact fraction it would have millions of digits."""
    result = calc("ttcapc", "--checkpoint", f"60,0.5,{number}")

    assert result.exit_code == 2
    assert "must be a decimal number" in result.stderr


def test_a_trace_with_decimal_commas_is_read_or_refused(tmp_path: Path) -> None:
    """With semicolons it is read; with commas the rows have too many cells."""
    right, wrong = tmp_path / "right.csv", tmp_path / "wrong.csv"
    right.write_text("seconds;accuracy;consumption\n60;0,52;8,9\n", encoding="utf-8")
    wrong.write_text("seconds,accuracy,consumption\n60,0,52,8,9\n", encoding="utf-8")

    read, refused = calc("ttcapc", "--trace", str(right)), calc("ttcapc", "--trace", str(wrong))

    assert "TTCAPC = 60" in read.stdout
    assert refused.exit_code == 1
    assert "a decimal comma needs a semicolon" in refused.stderr
