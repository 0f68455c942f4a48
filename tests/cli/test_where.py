"""`lowtide where`: the cleanest of several zones, from traces."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lowtide.cli.main import main

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def write(path: Path, grams: list[float], *, around: datetime = NOW) -> Path:
    """Write a trace with a forecast: two days of `grams` before a time and two after it."""
    lines = ["time,g_per_kwh,forecast"]
    for hour in range(-48, 48):
        value = grams[hour % len(grams)]
        lines.append(f"{around + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ},{value},{value}")
    path.write_text("\n".join(lines) + "\n")
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["where", "--duration", "2h", *arguments])


@pytest.fixture
def traces(tmp_path: Path) -> list[str]:
    """North is steady at 200; south is 400 by day and 100 in the last four hours of a day."""
    north = write(tmp_path / "north.csv", [200.0] * 24)
    south = write(tmp_path / "south.csv", [400.0] * 20 + [100.0] * 4)
    return [
        "--zone", "north", "--trace", f"north={north}",
        "--zone", "south", "--trace", f"south={south}", "--at", "2026-03-02T12:00Z",
    ]  # fmt: skip


def test_the_cleanest_zone_comes_first_with_its_start(traces: list[str]) -> None:
    """A job that can wait goes south, one that cannot goes north."""
    patient = json.loads(run(*traces, "--output", "json").stdout)
    hasty = json.loads(run(*traces, "--slack", "0h", "--output", "json").stdout)

    assert [place["zone"] for place in patient] == ["south", "north"]
    assert patient[0]["planned_grams_per_kwh"] == pytest.approx(100)
    assert patient[0]["start"] == "2026-03-03T08:00:00Z"
    assert [place["zone"] for place in hasty] == ["north", "south"]
    assert hasty[1]["run_now_grams_per_kwh"] == pytest.approx(400)


def test_the_table_names_the_winner_and_the_kind(traces: list[str]) -> None:
    """The table is for people."""
    result = run(*traces)

    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[1].startswith("south    100  2026-03-03 08:00Z  400 g/kWh")
    assert result.stdout.splitlines()[-1] == (
        "south is the cleanest; average intensity (direct or life-cycle is not stated), "
        "as expected now"
    )


def test_a_zone_that_cannot_be_planned_stays_in_the_list(traces: list[str], tmp_path: Path) -> None:
    """It stands after the others with the reason; alone it is a failure."""
    empty = tmp_path / "empty.csv"
    empty.write_text("time,g_per_kwh\n")
    lost = ["--zone", "lost", "--trace", f"lost={empty}"]

    among_others = run(*traces, *lost)
    alone = run(*lost, "--at", "2026-03-02T12:00Z")

    assert among_others.exit_code == 0, among_others.stderr
    assert among_others.stdout.splitlines()[3].startswith("lost       –")
    assert alone.exit_code == 1
    assert "no zone can be planned: lost:" in alone.stderr


def test_a_trace_without_a_zone_is_wrong_use() -> None:
    """Exit code 2."""
    result = run("--zone", "DE", "--trace", "DE.csv")

    assert result.exit_code == 2
    assert "give ZONE=FILE" in result.stderr


def test_average_and_marginal_are_never_in_one_order(tmp_path: Path) -> None:
    """Two kinds of intensity in the settings of two zones."""
    path = tmp_path / "settings.yaml"
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    file = write(tmp_path / "trace.csv", [200.0] * 24, around=hour)
    zones = "".join(
        f"  {zone}: {{signal: {signal}, providers: [{{kind: file, path: {file}}}]}}\n"
        for zone, signal in (("one", "Average"), ("two", "Marginal"))
    )
    path.write_text("zones:\n" + zones)

    result = run("--zone", "one", "--zone", "two", "--settings", str(path))

    assert result.exit_code == 1
    assert "do not compare: one Average, two Marginal" in result.stderr


def test_a_zone_without_a_trace_cannot_be_planned_at_another_time(traces: list[str]) -> None:
    """Now in one zone and a day of the past in the other do not compare."""
    result = run(*traces, "--zone", "GB")

    assert result.exit_code == 2
    assert "--at needs a --trace of every zone" in result.stderr


def test_the_price_of_a_plan_has_a_column_of_its_own(traces: list[str], tmp_path: Path) -> None:
    """It is the price of the planned start and not the one at once."""
    prices = tmp_path / "prices.csv"
    hours = [f"2026-03-{2 + n // 24:02d}T{n % 24:02d}:00:00Z,80\n" for n in range(72)]
    prices.write_text("time,eur_per_mwh\n" + "".join(hours))
    given = [part for zone in ("north", "south") for part in ("--prices", f"{zone}={prices}")]

    head, first, *_ = run(*traces, *given).stdout.splitlines()

    assert head.split() == ["zone", "g/kWh", "start", "at", "once", "price"]
    assert first[head.index("at once") :].split("  ") == ["400 g/kWh", "0.08 EUR/kWh"]


def test_times_without_an_offset_and_two_factors_are_read_as_asked(tmp_path: Path) -> None:
    """The column of direct emissions is taken, and its zone is the cleaner one by it."""
    for name, direct, whole in (("DE", 100, 400), ("FR", 200, 300)):
        lines = ["time,direct g/kWh,lifecycle g/kWh"]
        lines += [
            f"{NOW + timedelta(hours=hour):%Y-%m-%dT%H:%M:%S},{direct},{whole}"
            for hour in range(-96, 48)
        ]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
    words = [f"--trace={zone}={tmp_path / zone}.csv" for zone in ("DE", "FR")]
    words += ["--zone", "DE", "--zone", "FR", "--at", f"{NOW:%Y-%m-%dT%H:%M:%SZ}", "--utc"]

    direct = run(*words, "--factor", "direct")
    usual = run(*words)

    assert direct.exit_code == 0, direct.output
    assert "DE is the cleanest" in direct.output
    assert "FR is the cleanest" in usual.output
    assert "no offset" not in direct.stderr


@pytest.mark.parametrize(
    ("columns", "exit_code", "words"),
    [
        (
            ("direct g/kWh", "lifecycle g/kWh"), 1,
            "the zones' emission factors do not compare: DE direct, FR life-cycle",
        ),
        (
            ("direct g/kWh", "g/kWh"), 0,
            "average intensity (direct emissions; not stated for FR), as expected now",
        ),
    ],
)  # fmt: skip
def test_zones_meet_only_by_emissions_of_one_kind(
    tmp_path: Path, columns: tuple[str, str], exit_code: int, words: str
) -> None:
    """Direct and life-cycle are refused; where a zone states none, the zone is named."""
    options = ["--at", f"{NOW:%Y-%m-%dT%H:%M:%SZ}"]
    for zone, column in zip(("DE", "FR"), columns, strict=True):
        lines = [f"time,{column}"]
        lines += [f"{NOW + timedelta(hours=h):%Y-%m-%dT%H:%M:%SZ},100" for h in range(-96, 48)]
        (tmp_path / f"{zone}.csv").write_text("\n".join(lines) + "\n")
        options += ["--zone", zone, f"--trace={zone}={tmp_path / zone}.csv"]

    result = run(*options)

    assert result.exit_code == exit_code, result.output
    assert words in result.output


def test_a_description_of_a_trace_needs_one() -> None:
    """Exit code 2 names the options."""
    result = run("--zone", "DE", "--utc")

    assert result.exit_code == 2
    assert "--utc and --factor describe a --trace" in result.stderr


MOVED = ["--data", "50", "--data-at", "north", "--energy", "10"]


@pytest.mark.parametrize(
    ("grams_per_gb", "first"),
    [
        # 100 g/kWh less for 10 kWh are 1000 g: 50 GB may cost 20 g each and no more.
        pytest.param("19", "south", id="cheap moving"),
        pytest.param("21", "north", id="dear moving"),
    ],
)
def test_moving_the_data_counts_against_a_cleaner_zone(
    traces: list[str], grams_per_gb: str, first: str
) -> None:
    """The data are in the north, where nothing is moved."""
    arguments = [*traces, *MOVED, "--grams-per-gb", grams_per_gb, "--output", "json"]

    places = json.loads(run(*arguments).stdout)

    assert places[0]["zone"] == first
    moved = {place["zone"]: place["moving_grams"] for place in places}
    assert moved == {"north": 0, "south": pytest.approx(50 * float(grams_per_gb))}


def test_the_table_says_what_moving_costs(traces: list[str]) -> None:
    """Only where something is moved."""
    result = run(*traces, *MOVED, "--grams-per-gb", "19")

    assert result.exit_code == 0, result.stderr
    south, north = result.stdout.splitlines()[1:3]
    assert south.endswith("  + 950 g for moving 50 GB")
    assert "moving" not in north


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "50", "--data-at", "north"], "--data needs --data-at and --energy"),
        (["--data", "50", "--data-at", "east", "--energy", "1"], "east is not among the zones"),
        (["--energy", "1"], "describe --data"),
        (MOVED, "--objective carbon needs --grams-per-gb"),
    ],
)
def test_data_without_what_their_moving_costs_is_wrong_use(
    traces: list[str], arguments: list[str], words: str
) -> None:
    """No figure per gigabyte is guessed."""
    result = run(*traces, *arguments)

    assert result.exit_code == 2
    assert words in result.stderr
