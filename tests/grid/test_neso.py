"""NESO: the documented shapes of nation and regions, and their traps."""

from datetime import UTC, datetime, timedelta

import pytest

from lowtide.grid.errors import BadAnswer, NoData, NotOffered
from lowtide.grid.providers.answers import Origin
from lowtide.grid.providers.http import HttpClient
from lowtide.grid.providers.neso import Neso
from lowtide.grid.series import Signal

NOW = datetime(2023, 3, 14, 3, 31, tzinfo=UTC)
HALF = timedelta(minutes=30)


def half_hours(values, *, first=datetime(2023, 3, 14, 3, tzinfo=UTC)):
    """The documented list; the service begins with the half-hour that ends at the time asked."""
    return [
        {
            "from": f"{first + i * HALF:%Y-%m-%dT%H:%MZ}",
            "to": f"{first + (i + 1) * HALF:%Y-%m-%dT%H:%MZ}",
            "intensity": {"forecast": forecast, "actual": actual, "index": "low"},
        }
        for i, (forecast, actual) in enumerate(values)
    ]


def provider(server, *, zero_possible=False, **codes) -> Neso:
    client = HttpClient(name="NESO", base_url=server.url, sleep=lambda _: None)
    origin = Origin(name="neso", signal=Signal.AVERAGE, zero_possible=zero_possible)
    return Neso(client=client, origin=origin, zone_codes=codes)


def test_reads_the_national_forecast(server):
    """Half-hours from the present one on; the one that is over is left out."""
    server.gives_json({"data": half_hours([(70, 78), (72, None), (75, None)])})

    series = provider(server).forecast("GB", NOW)

    assert server.asked[0].path == "/intensity/2023-03-14T03:31Z/fw48h"
    assert [p.grams_per_kwh for p in series.points] == [72, 75]
    assert {p.end - p.start for p in series.points} == {HALF}


@pytest.mark.parametrize(
    ("code", "place"), [("13", "regionid/13"), ("OX1", "postcode/OX1"), ("N/1", "postcode/N%2F1")]
)
@pytest.mark.parametrize("as_list", [False, True], ids=["object", "one-element list"])
def test_reads_a_region_in_both_shapes(server, code, place, as_list):
    """`data` is an object or a list of one, and the code is escaped in the path."""
    region = {"regionid": 13, "data": half_hours([(70, None), (72, None)])}
    server.gives_json({"data": [region] if as_list else region})

    series = provider(server, LONDON=code).forecast("LONDON", NOW)

    assert server.asked[0].path == f"/regional/intensity/2023-03-14T03:31Z/fw48h/{place}"
    assert [p.grams_per_kwh for p in series.points] == [72]


def test_several_regions_are_not_one(server):
    """Which of two regions would be meant is not guessed."""
    region = {"data": half_hours([(70, None), (72, None)])}
    server.gives_json({"data": [region, region]})

    with pytest.raises(BadAnswer, match="2 regions"):
        provider(server, X="1").forecast("X", NOW)


def test_actual_values_of_the_last_hour_are_not_known_yet(server):
    """A null stays missing."""
    server.gives_json({"data": half_hours([(70, 78), (72, 82), (75, None)])})
    start = datetime(2023, 3, 14, 3, tzinfo=UTC)

    points = provider(server).actuals("GB", start, start + 3 * HALF).points

    assert [p.grams_per_kwh for p in points] == [78, 82, None]


def test_ranges_of_a_fortnight_are_joined_without_their_border(server):
    """The second answer repeats the half-hour before its start; it is counted once."""
    start = datetime(2023, 3, 1, tzinfo=UTC)
    border = start + timedelta(days=14)
    server.gives(
        server.reply({"data": half_hours([(1, 50), (1, 60)], first=border - 2 * HALF)}),
        server.reply({"data": half_hours([(1, 60), (1, 70)], first=border - HALF)}),
    )

    points = provider(server).actuals("GB", start, start + timedelta(days=15)).points

    assert [p.grams_per_kwh for p in points] == [50, 60, 70]
    assert server.asked[1].path == "/intensity/2023-03-15T00:00Z/2023-03-16T00:00Z"


def test_regions_have_no_actual_values(server):
    """The service publishes none, so it is not asked."""
    with pytest.raises(NotOffered):
        provider(server, X="13").actuals("X", NOW - HALF, NOW)

    assert server.asked == []


@pytest.mark.parametrize(
    ("content", "error"),
    [
        pytest.param({}, NoData, id="empty object"),
        pytest.param({"data": []}, NoData, id="empty list"),
        pytest.param({"error": {"code": "400", "message": "x"}}, BadAnswer, id="error with 200"),
        pytest.param({"data": [{"from": "2023-03-14T03:30Z"}]}, NoData, id="no intensity"),
        pytest.param({"data": [{"intensity": {"forecast": 3}}]}, BadAnswer, id="no time"),
    ],
)
def test_nothing_with_status_200_is_never_clean(server, content, error):
    """A missing forecast read as zero once made another project wait for ever."""
    server.gives_json(content)

    with pytest.raises(error):
        provider(server).forecast("GB", NOW)


def test_a_zero_is_missing_unless_the_region_can_be_at_zero(server):
    """The north of Scotland can; the nation cannot."""
    server.gives_json({"data": half_hours([(0, None), (0, None), (75, None)])})

    nation = provider(server).forecast("GB", NOW)
    windy = provider(server, zero_possible=True).forecast("GB", NOW)

    assert [p.grams_per_kwh for p in nation.points] == [None, 75]
    assert [p.grams_per_kwh for p in windy.points] == [0, 75]
