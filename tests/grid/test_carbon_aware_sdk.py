"""The Carbon Aware SDK's WebAPI: written shapes, its traps, and the stand-in's routes."""

from datetime import UTC, datetime, timedelta

import pytest

from lowtide.grid.errors import BadAnswer, NoData, NotOffered
from lowtide.grid.providers.answers import Origin
from lowtide.grid.providers.carbon_aware_sdk import CarbonAwareSdk
from lowtide.grid.providers.http import HttpClient
from lowtide.grid.series import MarginalSeries, Signal

NOW = datetime(2026, 3, 1, 12, 2, tzinfo=UTC)
FIVE = timedelta(minutes=5)


def forecast(values):
    first = datetime(2026, 3, 1, 12, tzinfo=UTC)
    return [
        {
            "generatedAt": "2026-03-01T12:00:00+00:00",
            "location": "eastus",
            "dataStartAt": "2026-03-01T12:00:00+00:00",
            "dataEndAt": "2026-03-01T13:00:00+00:00",
            "windowSize": 5,
            "optimalDataPoints": [{"value": 1, "timestamp": "2026-03-01T12:05:00+00:00"}],
            "forecastData": [
                {
                    "location": "PJM_ROANOKE",
                    "timestamp": (first + i * FIVE).isoformat(),
                    "duration": 5,
                    "value": value,
                }
                for i, value in enumerate(values)
            ],
        }
    ]


def provider(url, signal=Signal.AVERAGE, **codes) -> CarbonAwareSdk:
    client = HttpClient(name="Carbon Aware SDK", base_url=url, sleep=lambda _: None)
    origin = Origin(name="carbon-aware-sdk", signal=signal)
    return CarbonAwareSdk(client=client, origin=origin, zone_codes=codes)


def test_takes_the_raw_points_and_no_window(server):
    """A window outside the forecast would be answered with 400, so none is sent."""
    server.gives_json(forecast([300, 310]))

    series = provider(server.url, US="eastus").forecast("US", NOW)

    assert [p.grams_per_kwh for p in series.points] == [300, 310]
    assert server.asked[0].query == {"location": "eastus"}
    assert (series.zone, series.generated_at) == ("US", datetime(2026, 3, 1, 12, tzinfo=UTC))


def test_the_signal_is_that_of_the_source_behind_it(server):
    """In front of WattTime everything is marginal; only the setting knows."""
    server.gives_json(forecast([300, 310]))

    series = provider(server.url, Signal.MARGINAL).forecast("US", NOW)

    assert isinstance(series, MarginalSeries)


def test_minus_one_and_zero_do_not_win(server):
    """The SDK turns a null into -1, which would be the best window of all."""
    server.gives_json(forecast([300, -1, 0, 310]))

    points = provider(server.url).forecast("US", NOW).points

    assert [p.grams_per_kwh for p in points] == [300, None, None, 310]


def test_a_source_without_forecasts_is_not_an_outage(server):
    """501 is final: the service will never have one, and is asked once."""
    server.gives_json({}, status=501)

    with pytest.raises(NotOffered):
        provider(server.url).forecast("US", NOW)

    assert len(server.asked) == 1


def test_asks_for_the_past_with_time_and_to_time(server):
    """StartTime and endTime would be ignored without a word."""
    server.gives_json(
        [
            {"location": "P", "time": "2026-03-01T12:00:00Z", "rating": 1, "duration": "00:05:00"},
            {"location": "P", "time": "2026-03-01T12:05:00Z", "rating": -1, "duration": "00:05:00"},
        ]
    )
    start = datetime(2026, 3, 1, 12, tzinfo=UTC)

    points = provider(server.url).actuals("US", start, start + 2 * FIVE).points

    assert [p.grams_per_kwh for p in points] == [1, None]
    assert server.asked[0].path == "/emissions/bylocation"
    assert server.asked[0].query == {
        "location": "US",
        "time": "2026-03-01T12:00:00Z",
        "toTime": "2026-03-01T12:10:00Z",
    }


def test_a_single_point_lasts_as_long_as_it_says(server):
    """With one point only its own duration can tell."""
    server.gives_json(
        [{"location": "P", "time": "2026-03-01T12:00:00Z", "rating": 9, "duration": "00:30:00"}]
    )
    start = datetime(2026, 3, 1, 12, tzinfo=UTC)

    (point,) = provider(server.url).actuals("US", start, start + FIVE).points

    assert point.end - point.start == timedelta(minutes=30)


def test_no_content_is_no_data(server):
    """204 has no body and no intensity."""
    server.gives(server.reply(status=204, raw=b""))

    with pytest.raises(NoData):
        provider(server.url).actuals("US", NOW - FIVE, NOW)


@pytest.mark.parametrize(
    "content",
    [{}, [], [{"generatedAt": "x"}], forecast([1]) * 2],
    ids=["object", "no forecast", "no points", "two forecasts"],
)
def test_another_shape_is_refused(server, content):
    """One location was asked for, so one forecast is expected."""
    server.gives_json(content)

    with pytest.raises(BadAnswer):
        provider(server.url).forecast("US", NOW)


def test_reads_the_stand_in_like_electricity_maps(healthy_stand_in):
    """The stand-in's second dialect tells the same trace."""
    now = datetime.now(UTC)
    sdk = provider(healthy_stand_in.url)

    assert sdk.forecast("DE", now).source == "carbon-aware-sdk (stand-in)"
    past = sdk.actuals("DE", now - timedelta(minutes=30), now)
    assert 29 <= len(past.points) <= 31

    healthy_stand_in.control("nulls")
    with pytest.raises(NoData):
        sdk.forecast("DE", now)
    healthy_stand_in.control("empty")
    with pytest.raises(NoData):
        sdk.actuals("DE", now - timedelta(minutes=30), now)
