"""`lowtide plan` and `lowtide where` with prices: grams, money, and both."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from lowtide.cli.main import main

SHIPPED = Path(__file__).parents[2] / "examples" / "traces" / "DE.csv"
AT = "2021-08-31T06:00Z"


def run(*arguments):
    return CliRunner().invoke(main, [str(one) for one in arguments])


def price_file(folder: Path, name: str, cheap_hour: int, currency: str = "eur") -> Path:
    """Write hourly prices of 100 per MWh for all of August and September, 10 in one hour."""
    start = datetime(2021, 8, 1, tzinfo=UTC)
    hours = (start + timedelta(hours=n) for n in range(61 * 24))
    rows = [f"{hour:%Y-%m-%dT%H:00Z},{10 if hour.hour == cheap_hour else 100}" for hour in hours]
    path = folder / f"{name}.csv"
    path.write_text("\n".join([f"time,{currency}_per_mwh", *rows]) + "\n")
    return path


def plan(*options):
    result = run(
        "plan", "--zone", "DE", "--duration", "1h", "--trace", SHIPPED, "--at", AT, *options,
        "--output", "json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_cost_takes_the_cheap_hour_and_says_what_carbon_alone_would_do(tmp_path):
    """10 instead of 100 per MWh at 15 o'clock: 90 % less money."""
    found = plan("--prices", price_file(tmp_path, "de", 15), "--objective", "cost")

    assert found["segments"][0]["start"] == "2021-08-31T15:00:00Z"
    assert found["money_saving_ratio"] == pytest.approx(0.9)
    assert (found["currency"], found["objective"]) == ("EUR", "cost")
    carbon, cost = found["alternatives"]
    assert carbon["start"] == plan()["segments"][0]["start"]
    assert cost["start"] == found["segments"][0]["start"]
    assert carbon["money_saving_ratio"] < cost["money_saving_ratio"]


def test_a_dear_tonne_brings_both_to_the_plan_of_carbon(tmp_path):
    """At a million a tonne prices do not matter."""
    found = plan(
        "--prices", price_file(tmp_path, "de", 15),
        "--objective", "both", "--price-per-tonne", "1000000",
    )  # fmt: skip

    assert found["segments"] == plan()["segments"]


def test_a_replay_knows_no_price_before_it_was_published(tmp_path):
    """At six o'clock the prices of the next day are a profile of the past."""
    path = price_file(tmp_path, "de", 15)
    other = tmp_path / "other.csv"
    lines = path.read_text().splitlines()
    changed = [f"{line[:17]},-500" if "2021-09-01" in line else line for line in lines]
    other.write_text("\n".join(changed) + "\n")
    options = "--objective", "cost", "--slack", "40h"

    assert plan("--prices", path, *options) == plan("--prices", other, *options)


def test_people_read_price_and_alternatives(tmp_path):
    """Both stand in the table beside the grams."""
    result = run(
        "plan", "--zone", "DE", "--duration", "1h", "--trace", SHIPPED, "--at", AT,
        "--prices", price_file(tmp_path, "de", 15), "--objective", "both",
        "--price-per-tonne", "100",
    )  # fmt: skip

    assert "EUR/kWh" in result.stdout
    assert "carbon alone would start at" in result.stdout


def where(folder: Path, *options, currency: str = "eur"):
    prices = [
        f"A={price_file(folder, 'a', 15)}", f"B={price_file(folder, 'b', 6, currency)}"
    ]  # fmt: skip
    arguments = [part for one in prices for part in ("--prices", one)]
    traces = [part for zone in "AB" for part in ("--trace", f"{zone}={SHIPPED}")]
    return run(
        "where", "--zone", "A", "--zone", "B", "--duration", "1h", "--slack", "2h", "--at", AT,
        *traces, *arguments, *options,
    )  # fmt: skip


def test_where_puts_the_cheapest_zone_first(tmp_path):
    """B has its cheap hour inside the window, A has not."""
    result = where(tmp_path, "--objective", "cost", "--output", "json")

    assert result.exit_code == 0, result.output
    first, second = json.loads(result.stdout)
    assert (first["zone"], first["planned_price_per_kwh"]) == ("B", pytest.approx(0.01))
    assert second["objective_per_kwh"] == pytest.approx(0.1)


def test_prices_of_two_currencies_do_not_compare(tmp_path):
    """None is converted."""
    result = where(tmp_path, "--objective", "cost", currency="usd")

    assert result.exit_code == 1
    assert "EUR, USD" in result.stderr


@pytest.mark.parametrize("verb", ["plan", "where"])
def test_money_needs_prices(verb):
    """Exit code 2."""
    trace = SHIPPED if verb == "plan" else f"DE={SHIPPED}"
    result = run(
        verb, "--zone", "DE", "--duration", "1h", "--trace", trace, "--at", AT,
        "--objective", "cost",
    )  # fmt: skip

    assert result.exit_code == 2
    assert "--prices" in result.stderr


def test_a_plan_that_emits_more_says_how_much(tmp_path):
    """Prices that are low at 20:00 only lead away from the clean noon."""
    result = run(
        "plan", "--zone", "DE", "--duration", "1h", "--trace", SHIPPED, "--at", "2021-08-11T10:00Z",
        "--prices", price_file(tmp_path, "de", 20), "--objective", "cost",
    )  # fmt: skip

    planned = next(line for line in result.stdout.splitlines() if line.startswith("  planned"))
    assert planned.endswith("% more")
    assert "cost alone would start at 2021-08-11 20:00Z with" in result.stdout
    assert "% more grams and 90 % less money" in result.stdout
