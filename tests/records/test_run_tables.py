"""Tables that people have, read with their units or refused with one true sentence."""

from pathlib import Path

import pytest

from lowtide.records.errors import ReportError
from lowtide.records.jobs import Records, read_records

KWH = 3.6e6
POUND = 453.59237


def read(folder: Path, content: str, name: str = "runs.csv") -> Records:
    path = folder / name
    path.write_bytes(content.encode("utf-8"))
    return read_records(path)


@pytest.mark.parametrize(
    ("header", "cell", "field", "value"),
    [
        ("energy_kwh", "1.5", "energy_joules", 1.5 * KWH),
        ("energy (kWh)", "1.5", "energy_joules", 1.5 * KWH),
        ("Energy [Wh]", "90", "energy_joules", 90 * 3600),
        ("energy (MWh)", "2", "energy_joules", 2000 * KWH),
        ("energy (mWh)", "2", "energy_joules", 7.2),
        ("kWh", "2", "energy_joules", 2 * KWH),
        ("training_energy_kwh", "2", "energy_joules", 2 * KWH),
        ("training_time_hours", "2", "duration_seconds", 7200),
        ("time (h)", "1.5", "duration_seconds", 5400),
        ("duration_min", "3", "duration_seconds", 180),
        ("Hours", "12", "duration_seconds", 43200),
        ("co2_kg", "0.7", "operational_grams", 700),
        ("CO2e (lbs)", "26", "operational_grams", 26 * POUND),
        ("CO₂ (gCO2eq)", "5", "operational_grams", 5),
        ("accuracy (%)", "91.2", "accuracy", 0.912),
        ("val_acc", "0.9", "accuracy", 0.9),
        ("accuracy_top1", "0.9", "accuracy", 0.9),
        ("cost (EUR)", "3.2", "cost_amount", 3.2),
        ("Power (kW)", "1.2", "stated_power_watts", 1200),
    ],
)
def test_a_header_with_its_unit_is_read_in_base_units(
    tmp_path: Path, header: str, cell: str, field: str, value: float
) -> None:
    """Factors by hand: 1 kWh is 3.6e6 J, a pound 453.59237 g."""
    (job,) = read(tmp_path, f"name,{header}\na,{cell}\n").jobs

    assert getattr(job, field) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("header", "cell", "millions"),
    [
        ("parameters", "25.6", 25.6),
        ("params", "25600000", 25.6),
        ("num_parameters", "2090", 0.00209),
    ],
)
def test_a_number_of_parameters_is_said_with_its_unit(
    tmp_path: Path, header: str, cell: str, millions: float
) -> None:
    """`parameters` is the property in millions; the usual words for a count are counts."""
    found = read(tmp_path, f"name,accuracy,{header}\na,0.9,{cell}\n")

    assert found.jobs[0].properties["parameters"] == pytest.approx(millions, rel=1e-12)
    assert any("parameters (million)" in note for note in found.notes)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("energy", "its unit is not named: write energy_kwh"),
        ("energy (BTU)", "its unit is not known"),
        ("energy_mwh", "no figure of a run"),
        ("emissions", "its unit is not named: write co2_kg"),
        ("time", "its unit is not named: write time (h)"),
        ("cost ($)", "no currency is named"),
        ("lr", "no figure of a run"),
    ],
)
def test_a_column_without_a_unit_is_left_out_and_said(
    tmp_path: Path, header: str, reason: str
) -> None:
    """`energy` could be anything, `mwh` a milliwatt-hour or a megawatt-hour, `$` many dollars."""
    found = read(tmp_path, f"name,accuracy,{header}\na,0.9,5\n")

    assert found.jobs[0].energy_joules is None
    assert found.jobs[0].cost_amount is None
    assert any(f"{header} ({reason}" in note for note in found.notes)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("name,energy_joules,energy_joules\na,6840000,1\n", "'energy_joules' twice"),
        ("name,energy_kwh,energy (Wh)\na,1,1000\n", "gives energy_joules twice"),
        ("run_id,accuracy,energy_kwh\na1,0,91,1,5\n", "a decimal comma needs a semicolon"),
        ("name,energy_joules\na,5\nb\n", "line 3 has 1 cells, fewer"),
        ('name,energy_kwh\na,"1,5"\n', "write the number with a decimal point"),
        ("name;energy_kwh;accuracy\na;1.234,5;0,9\n", "is not a number"),
        ("name,energy_joules\na,1_000\n", "is not a number"),
        ("name,energy_joules\na,１２\n", "is not a number"),
        ("name,coverage_ratio,energy_joules\na,5,5\n", "must be between 0 and 1"),
        ("name,sci_low,sci_high,sci_grams_per_unit\na,9,1,5\n", "range of the SCI is 9 to 1"),
        ("name,accuracy,parameters\na,0.9,-5\n", "parameters is -5"),
        ("name,accuracy,accuracy_top5\na,0.9,99\n", "accuracy_top5 is 99"),
        ("name,label,energy_joules\na,F,5\n", "label is 'F'"),
        ("name,energy_joules,started_at\na,5,2026-13-45T00:00:00Z\n", "not an RFC 3339 time"),
        ("name,cost_amount,cost_currency\na,5,dollars\n", "three capitals such as USD"),
        ("name,energy_joules,signal\na,5,green\n", "signal is 'Green'"),
        ("name,energy_joules,mock\na,5,perhaps\n", "expected true or false"),
        ("name,energy_joules\na\x1b[2J,5\n", "control character U+001B"),
        ("name,energy_joules,epochs_planned\na,5,1.5\n", "expected a whole number"),
        ("colour,taste\nred,sweet\n", "no column with a figure of a run"),
        ("", "is empty"),
        ("name,accuracy\n", "has columns but no rows"),
        ('name,accuracy\n"a,0.9\n', "unexpected end of data"),
        ("name,accuracy\n\0,0.9\n", "NUL"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_sentence(
    tmp_path: Path, content: str, sentence: str
) -> None:
    """The place, the value, and what would be right."""
    with pytest.raises(ReportError) as refused:
        read(tmp_path, content)

    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_figures_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    """(720 + 20) / 1 is 740, not 5."""
    with pytest.raises(ReportError, match=r"sci_grams_per_unit is 5, but \(O \+ M\) / R is 740"):
        read(
            tmp_path,
            "name,operational_grams,embodied_grams,functional_units,sci_grams_per_unit\n"
            "a,720,20,1,5\n",
        )


@pytest.mark.parametrize("mark", ["\ufeff", ""])
@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_spreadsheet_of_another_country_is_read(
    tmp_path: Path, mark: str, separator: str
) -> None:
    """Byte order mark, semicolon or tab, decimal comma, and Windows' line ends."""
    content = f"{mark}name;accuracy;energy_kwh\r\na;0,91;1,5\r\nb;0,9;2\r\n"

    a, b = read(tmp_path, content.replace(";", separator)).jobs

    assert (a.accuracy, a.energy_joules, b.energy_joules) == (0.91, 1.5 * KWH, 2 * KWH)


def test_accuracies_that_can_only_be_percent_are_read_so_and_said(tmp_path: Path) -> None:
    """One value of 91 may be a slip; a column in which all are above 1 is not."""
    found = read(tmp_path, "run,accuracy,energy (kWh)\nA,91.2,1.9\nB,91.8,1.8\n")

    assert [job.accuracy for job in found.jobs] == pytest.approx([0.912, 0.918])
    assert any("read as percent" in note for note in found.notes)


def test_emissions_of_codecarbon_are_kilograms_and_kilowatt_hours(tmp_path: Path) -> None:
    """0.7239 kg are 723.9 g; of one run that was written twice the last state counts."""
    head = (
        "timestamp,project_name,run_id,duration,emissions,energy_consumed,country_iso_code,"
        "gpu_count,gpu_model,pue\n"
    )
    first = "2026-03-01T10:00:00,resnet,u1,2700,0.3,0.9,DEU,1,1 x NVIDIA A100,1.0\n"
    last = "2026-03-01T11:00:00,resnet,u1,5400,0.7239,1.9,DEU,1,1 x NVIDIA A100,1.0\n"

    found = read(tmp_path, head + first + last, "emissions.csv")

    (job,) = found.jobs
    assert (job.name, job.zone, job.environment) == ("resnet", "DEU", "NVIDIA A100 x1")
    assert (job.operational_grams, job.duration_seconds) == (pytest.approx(723.9), 5400)
    assert job.energy_joules == pytest.approx(1.9 * KWH)
    assert not job.energy_includes_pue
    assert any("an earlier state of run 'u1'" in note for note in found.notes)


def test_codecarbon_with_an_overhead_is_energy_of_the_data_centre(tmp_path: Path) -> None:
    """CodeCarbon multiplies the energy by its factor before writing it."""
    found = read(
        tmp_path,
        "project_name,run_id,duration,emissions,energy_consumed,pue\na,u,60,0.1,1,1.58\n",
    )

    assert found.jobs[0].energy_includes_pue
    assert (found.jobs[0].pue, found.jobs[0].pue_kind) == (1.58, "Assumed")


def test_the_download_of_mlflows_page_is_read(tmp_path: Path) -> None:
    """Its columns have no prefix, and it rounds the time to a tenth of its unit."""
    found = read(
        tmp_path,
        "Start Time,Duration,Run ID,Name,Source Type,User,Status,epochs,accuracy,energy_kwh\n"
        "2026-03-01 10:00:00,1.5h,a,run-0,LOCAL,me,FINISHED,3,0.9,1.5\n"
        "2026-03-01 12:00:00,2.0min,b,run-1,LOCAL,me,FAILED,3,0.91,1.4\n",
    )

    (job,) = found.jobs
    assert (job.name, job.duration_seconds, job.energy_joules) == ("run-0", 5400, 1.5 * KWH)
    assert any("run-1 is FAILED" in note for note in found.notes)
    assert any("rounds" in note for note in found.notes)


def test_runs_of_wandb_are_read(tmp_path: Path) -> None:
    """Runtime is in seconds; runs that crashed are left out by name."""
    found = read(
        tmp_path,
        "Name,State,Runtime,epochs,energy_kwh,val_accuracy\n"
        "a,finished,3600,3,1.5,0.9\nb,crashed,12,1,0.1,0.2\n",
    )

    (job,) = found.jobs
    assert (job.name, job.duration_seconds, job.accuracy) == ("a", 3600, 0.9)
    assert any("b is crashed" in note for note in found.notes)


def test_a_table_of_a_paper_is_read_with_its_dashes_pounds_and_ranges(tmp_path: Path) -> None:
    """26 lb are 11.79 kg; a range has no single value; the energy includes the overhead."""
    found = read(
        tmp_path,
        "Model,Hardware,Power (W),Hours,kWh·PUE,CO2e (lbs),Cost (USD)\n"
        "Transformer,P100x8,1415.78,12,27,26,41–140\nGPT-2,TPUv3x32,—,168,—,—,43008\n",
    )

    first, second = found.jobs
    assert (first.name, first.environment) == ("Transformer", "P100x8")
    assert first.operational_grams == pytest.approx(26 * POUND)
    assert (first.energy_joules, first.energy_includes_pue) == (27 * KWH, True)
    assert (first.cost_amount, second.cost_amount) == (None, 43008)
    assert second.energy_joules is None
    assert any("1 range has no single value" in note for note in found.notes)
