"""Energy-Charts: parallel arrays, their nulls and their lengths."""

from datetime import UTC, datetime, timedelta

import pytest

from lowtide.grid.errors import BadAnswer, NoData
from lowtide.grid.providers.answers import Origin
from lowtide.grid.providers.energy_charts import EnergyCharts
from lowtide.grid.providers.http import HttpClient
from lowtide.grid.series import Signal

START = datetime(2026, 3, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
SECONDS = [int(START.timestamp()) + 900 * i for i in range(4)]


@pytest.fixture
def provider(server) -> EnergyCharts:
    client = HttpClient(name="Energy-Charts", base_url=server.url, sleep=lambda _: None)
    return EnergyCharts(client=client, origin=Origin(name="energy-charts", signal=Signal.AVERAGE))


def answer(actual, expected, seconds=SECONDS):
    return {
        "unix_seconds": seconds,
        "co2eq": actual,
        "co2eq_forecast": expected,
        "deprecated": False,
    }


def test_reads_both_arrays(server, provider):
    """co2eq is what was, co2eq_forecast what is expected; the country goes in small letters."""
    server.gives_json(answer([300, 310, None, None], [305, 315, 325, 335]))

    actual = provider.actuals("DE", START, START + 4 * QUARTER)
    expected = provider.forecast("DE", START + 2 * QUARTER)

    assert [p.grams_per_kwh for p in actual.points] == [300, 310, None, None]
    assert [p.grams_per_kwh for p in expected.points] == [325, 335]
    assert server.asked[0].path == "/co2eq"
    assert server.asked[0].query["country"] == "de"


def test_nulls_at_the_end_are_missing(server, provider):
    """The forecast ends at midnight; what follows is unknown."""
    server.gives_json(answer([None] * 4, [305, 315, None, None]))

    assert [p.grams_per_kwh for p in provider.forecast("DE", START).points] == [
        305,
        315,
        None,
        None,
    ]


@pytest.mark.parametrize("length", [3, 5])
def test_arrays_of_unequal_length_are_refused(server, provider, length):
    """Nothing says at which end values are missing, and a shifted forecast is worse than none."""
    server.gives_json(answer([300] * 4, [305] * length))

    with pytest.raises(BadAnswer, match=f"4 times and {length} values"):
        provider.forecast("DE", START)


def test_milliseconds_are_refused(server, provider):
    """A time in other units would land in another millennium."""
    server.gives_json(answer([300] * 4, [305] * 4, [s * 1000 for s in SECONDS]))

    with pytest.raises(BadAnswer, match="not Unix seconds"):
        provider.forecast("DE", START)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        pytest.param({}, NoData, id="empty object"),
        pytest.param(answer([], [], []), NoData, id="empty arrays"),
        pytest.param(answer([None] * 4, [None] * 4), NoData, id="all null"),
        pytest.param(answer([0] * 4, [0] * 4), NoData, id="all zero"),
        pytest.param(answer([1] * 4, [1] * 4, SECONDS[::-1]), BadAnswer, id="reversed"),
        pytest.param([1, 2], BadAnswer, id="list"),
    ],
)
def test_an_unusable_answer_is_an_error(server, provider, content, error):
    """Nothing of the kind looks clean."""
    server.gives_json(content)

    with pytest.raises(error):
        provider.forecast("DE", START)
