"""`lowtide backtest`: files in, a table or JSON out."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from lowtide.backtest.files import read_trace
from lowtide.cli.backtest import command
from lowtide.planning import BacktestError
from lowtide.report.drawing import Polygon, Text
from lowtide.report.lettering import text_width
from lowtide.report.pareto import BEST, OURS, CurvePoint, pareto_drawing

SHIPPED = Path(__file__).parents[2] / "examples" / "traces" / "DE.csv"


def run(*arguments):
    return CliRunner().invoke(command, [*map(str, arguments), "--processes", "1"])


def write(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_prints_one_object_per_trace_and_class():
    """The objects have the shape that other programs read."""
    result = run(SHIPPED, "--length", "4h", "--slack", "24h", "--forecast", "none", "-o", "json")

    assert result.exit_code == 0
    (entry,) = json.loads(result.stdout)
    assert {key: entry[key] for key in ("trace", "length_hours", "slack_hours", "forecast")} == {
        "trace": "DE",
        "length_hours": 4.0,
        "slack_hours": 24.0,
        "forecast": "none",
    }
    assert entry["interruptible"] is False
    # 1344 rows: 720, 731, ... below 1344 - 193.
    assert entry["jobs"] == len(range(720, 1344 - 193, 11))
    assert list(entry["policies"]) == [
        "run-now",
        "best-window",
        "threshold",
        "lowtide",
        "clairvoyant",
    ]
    for score in entry["policies"].values():
        assert set(score) == {
            "saving_percent",
            "money_saving_percent",
            "objective_saving_percent",
            "reach_percent",
            "restarts_per_job",
            "mean_delay_hours",
            "missed_deadlines",
            "mean_replicas",
        }
    assert entry["policies"]["clairvoyant"]["reach_percent"] == pytest.approx(100)


def test_prints_a_table_for_people():
    """One line per class, with every policy."""
    result = run(SHIPPED, "--length", "2h", "--slack", "6h", "--interruptible")

    assert result.exit_code == 0
    assert "best-window" in result.stdout
    assert "2 h" in result.stdout
    assert "strict" in result.stdout


def test_a_wrong_duration_is_wrong_use():
    """Exit code 2, and what would be right."""
    result = run(SHIPPED, "--length", "4 hours")

    assert result.exit_code == 2
    assert "4 hours" in result.stderr


def test_a_short_trace_is_a_failure(tmp_path):
    """Exit code 1 and one sentence."""
    rows = [f"2021-07-01T{hour:02}:00Z,{300 + hour}" for hour in range(24)]
    path = write(tmp_path / "short.csv", "time,g_per_kwh", *rows)

    result = run(path)

    assert result.exit_code == 1
    assert "24 h are too few" in result.stderr
    assert "no forecast column" in result.stderr
    assert result.stdout == ""


def test_times_without_an_offset_are_taken_as_utc_and_said(tmp_path):
    """Half of the published files mark their times with Z, half do not."""
    marked = write(
        tmp_path / "a.csv", "time,actual", "2021-07-01T05:00:00Z,1", "2021-07-01T06:00:00Z,2"
    )
    naive = write(
        tmp_path / "b.csv", "time,actual", "2021-07-01T05:00:00,1", "2021-07-01T06:00:00,2"
    )

    assert read_trace(marked).trace.first_slot_of_day == 5
    file = read_trace(naive)
    assert (file.trace.first_slot_of_day, file.trace.actual.tolist()) == (5, [1, 2])
    assert "b: times have no offset and are taken as UTC" in file.notes
    assert not any("offset" in note for note in read_trace(naive, times_are_utc=True).notes)


def test_finer_traces_are_averaged_and_say_so(tmp_path):
    """Quarters become half-hours."""
    rows = [
        f"2021-07-01T00:{minute:02}Z,{value}"
        for minute, value in ((0, 1), (15, 3), (30, 5), (45, 7))
    ]
    path = write(tmp_path / "fine.csv", "time,actual", *rows)

    file = read_trace(path)

    assert file.trace.actual.tolist() == [2, 6]
    assert file.trace.slots_per_hour == 2
    assert any("averaged to 30 min" in note for note in file.notes)


def test_short_gaps_are_filled_and_counted(tmp_path):
    """A null between 1 and 3 becomes 2; a negative value counts as missing."""
    rows = [
        "2021-07-01T00:00Z,1",
        "2021-07-01T01:00Z,",
        "2021-07-01T02:00Z,3",
        "2021-07-01T03:00Z,-1",
        "2021-07-01T04:00Z,5",
    ]
    path = write(tmp_path / "gap.csv", "time,actual", *rows)

    file = read_trace(path)

    assert file.trace.actual.tolist() == [1, 2, 3, 4, 5]
    assert any("2 missing actuals" in note for note in file.notes)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param(
            ["time,price", "2021-07-01T00:00Z,1", "2021-07-01T01:00Z,2"],
            "has none of the columns g_per_kwh, actual_g_per_kwh, value",
            id="no actuals",
        ),
        pytest.param(
            ["time,actual", "yesterday,1", "2021-07-01T01:00Z,2"],
            "line 2: 'yesterday' is not an ISO 8601 time",
            id="no time",
        ),
        pytest.param(
            ["time,actual", "2021-07-01T00:00Z,dirty", "2021-07-01T01:00Z,2"],
            "line 2: 'dirty' is not a number",
            id="no number",
        ),
        pytest.param(
            ["time,actual", "2021-07-01T01:00Z,1", "2021-07-01T00:00Z,2"],
            "line 3: .* is earlier than the line before",
            id="backwards",
        ),
        pytest.param(
            [
                "time,actual",
                "2021-07-01T00:00Z,1",
                "2021-07-01T01:00Z,1",
                "2021-07-01T02:00Z,1",
                "2021-07-03T05:00Z,1",
            ],
            "50 h in a row",
            id="long gap",
        ),
        pytest.param(["time,actual"], "no rows below the header", id="empty"),
        pytest.param(
            ["time,actual", "2021-07-01T00:00Z,1", "2021-07-02T00:00Z,1"],
            "an hour is the most",
            id="daily",
        ),
    ],
)
def test_a_file_that_is_not_a_trace_is_refused_with_its_row(tmp_path, rows, message):
    """The message says what is wrong, where, and what would be right."""
    with pytest.raises(BacktestError, match=message):
        read_trace(write(tmp_path / "bad.csv", *rows))


def price_file(folder: Path) -> Path:
    """Write prices for the shipped trace that fall from day to day and are low at noon."""
    trace = read_trace(SHIPPED).trace
    hours = (trace.start + timedelta(hours=n) for n in range(len(trace.actual)))
    rows = [f"{hour:%Y-%m-%dT%H:00Z},{60 - 20 * (hour.hour in (11, 12, 13))}" for hour in hours]
    return write(folder / "prices.csv", "time,eur_per_mwh", *rows)


def test_prices_add_savings_in_money_and_two_rivals(tmp_path):
    """The JSON says what is minimised, and every policy has all three savings."""
    result = run(
        SHIPPED, "--prices", price_file(tmp_path), "--length", "2h", "--slack", "6h",
        "--objective", "both", "--price-per-tonne", "100", "--output", "json",
    )  # fmt: skip

    assert result.exit_code == 0, result.stderr
    (entry,) = json.loads(result.stdout)
    assert (entry["objective"], entry["price_per_tonne"], entry["currency"]) == ("both", 100, "EUR")
    assert {"price-only", "carbon-only"} < set(entry["policies"])
    assert all(score["money_saving_percent"] is not None for score in entry["policies"].values())


def test_a_table_with_prices_shows_grams_and_money(tmp_path):
    """Both stand beside the saving of the objective."""
    result = run(
        SHIPPED, "--prices", price_file(tmp_path), "--length", "2h", "--slack", "6h",
        "--objective", "cost",
    )  # fmt: skip

    assert result.exit_code == 0, result.stderr
    assert "saving of money against running at once" in result.stdout
    assert "grams" in result.stdout.splitlines()[0]


def test_draws_the_curve_between_grams_and_money(tmp_path):
    """One point for each price per tonne, from money alone to grams alone."""
    picture = tmp_path / "curve.svg"

    result = run(
        SHIPPED, "--prices", price_file(tmp_path), "--length", "2h", "--slack", "6h",
        "--output", picture,
    )  # fmt: skip

    assert result.exit_code == 0, result.stderr
    drawn = picture.read_text()
    assert all(words in drawn for words in ("money alone", "/t", "grams alone", "DE: 2 h"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(["--objective", "cost"], "need --prices", id="no prices"),
        pytest.param(["--objective", "both"], "--price-per-tonne", id="no price per tonne"),
        pytest.param(["--output", "curve.gif"], "curve.gif", id="no picture"),
        pytest.param(["--output", "curve.svg"], "need --prices", id="curve without prices"),
    ],
)
def test_options_that_need_each_other_are_asked_for(options, message):
    """Exit code 2 and the option that is missing."""
    result = run(SHIPPED, *options)

    assert result.exit_code == 2
    assert message in result.stderr


def test_labels_cover_neither_each_other_nor_the_points():
    """Eight points on a steep curve."""
    points = [
        CurvePoint(f"{n} EUR/t", (10.0 + n, 40 - n * n / 2), (10.5 + n, 41 - n * n / 2))
        for n in range(8)
    ]

    shapes = pareto_drawing("t", points).shapes

    texts = [one for one in shapes if isinstance(one, Text) and one.text.endswith("/t")]
    boxes = [(t.x, t.y - 7, t.x + text_width(t.text, t.size), t.y) for t in texts]
    boxes += [
        (one.points[0][0], one.points[0][1], one.points[2][0], one.points[2][1])
        for one in shapes
        if isinstance(one, Polygon) and one.fill in (OURS, BEST)
    ]
    assert len(texts) == 8
    for place, one in enumerate(boxes[: len(texts)]):
        for other in boxes[place + 1 :]:
            apart = (
                one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
            )
            assert apart, (one, other)


def test_a_curve_of_prices_that_are_paid_for_is_refused(tmp_path):
    """No percentage says what is saved of nothing."""
    free = price_file(tmp_path).read_text().replace(",60", ",-60").replace(",40", ",-40")
    path = write(tmp_path / "free.csv", *free.splitlines())

    result = run(
        SHIPPED, "--prices", path, "--length", "2h", "--slack", "6h",
        "--output", tmp_path / "curve.svg",
    )  # fmt: skip

    assert result.exit_code == 1
    assert "running at once costs nothing or is paid for" in result.stderr


def test_points_in_one_place_share_a_label():
    """Labels that would cover each other are one, from the lowest price to the highest."""
    near = [CurvePoint(name, (-15.0 + n, 54.0), (-14.0, 54.0)) for n, name in enumerate("abc")]
    far = CurvePoint("grams alone", (25.0, -40.0), (26.0, -41.0))

    texts = [one.text for one in pareto_drawing("t", [*near, far]).shapes if isinstance(one, Text)]

    assert "a to c" in texts
    assert "grams alone" in texts
    assert not {"a", "b", "c"} & set(texts)
