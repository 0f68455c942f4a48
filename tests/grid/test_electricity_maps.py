"""Electricity Maps v4: documented shapes, and what a client of the service stumbles over."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lowtide.grid.credentials import Credential
from lowtide.grid.errors import BadAnswer, NoData, StaleAnswer, Unauthorized
from lowtide.grid.providers.answers import Origin
from lowtide.grid.providers.electricity_maps import ElectricityMaps
from lowtide.grid.providers.http import HttpClient
from lowtide.grid.series import AverageSeries, Factor, Signal

NOW = datetime(2026, 3, 1, 12, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
ORIGIN = Origin(name="electricity-maps", signal=Signal.AVERAGE, factor=Factor.LIFE_CYCLE)


@pytest.fixture
def provider(server, tmp_path: Path) -> ElectricityMaps:
    token = tmp_path / "token"
    token.write_text("tok-123\n")
    client = HttpClient(name="Electricity Maps", base_url=server.url, sleep=lambda _: None)
    return ElectricityMaps(
        client=client, origin=ORIGIN, credential=Credential(file=token), horizon_hours=6
    )


def forecast_answer(values, *, first=datetime(2026, 3, 1, 12, tzinfo=UTC), updated=None):
    return {
        "zone": "DE",
        "forecast": [
            {"carbonIntensity": value, "datetime": f"{first + i * HOUR:%Y-%m-%dT%H:%M:%S.000Z}"}
            for i, value in enumerate(values)
        ],
        "updatedAt": updated or "2026-03-01T12:05:00.000Z",
        "temporalGranularity": "hourly",
    }


def test_reads_the_documented_forecast(server, provider):
    """Values, times, zone, factor, signal and the moment of generation arrive."""
    server.gives_json(forecast_answer([300, 290, 280, 270, 260, 250, 240]))

    series = provider.forecast("DE", NOW)

    assert isinstance(series, AverageSeries)
    assert [p.grams_per_kwh for p in series.points] == [300, 290, 280, 270, 260, 250]
    assert series.points[0].start == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert series.generated_at == datetime(2026, 3, 1, 12, 5, tzinfo=UTC)
    assert (series.zone, series.factor, series.fetched_at) == ("DE", Factor.LIFE_CYCLE, NOW)


def test_the_inclusive_last_point_is_not_a_slot(server, provider):
    """Six hours come as seven points; the seventh would be an hour without a forecast."""
    server.gives_json(forecast_answer([300, 290, 280, 270, 260, 250, 1]))

    assert provider.forecast("DE", NOW).points[-1].end == datetime(2026, 3, 1, 18, tzinfo=UTC)


def test_asks_with_token_zone_and_horizon(server, provider):
    """The request is the documented one and the token travels in its header only."""
    server.gives_json(forecast_answer([300] * 7))

    provider.forecast("DE", NOW)

    asked = server.asked[0]
    assert asked.path == "/carbon-intensity/forecast"
    assert asked.headers["auth-token"] == "tok-123"
    assert asked.query == {
        "zone": "DE",
        "horizonHours": "6",
        "temporalGranularity": "hourly",
        "emissionFactorType": "lifecycle",
        "disableCallerLookup": "true",
    }


def test_a_zone_name_is_escaped(server, provider):
    """A zone can never add a parameter of its own."""
    server.gives_json(forecast_answer([300] * 7))

    provider.forecast("DE&horizonHours=72#", NOW)

    assert server.asked[0].query["zone"] == "DE&horizonHours=72#"
    assert server.asked[0].query["horizonHours"] == "6"


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(None, id="null"),
        pytest.param(-1, id="minus one"),
        pytest.param(0, id="zero"),
        pytest.param(float("nan"), id="NaN"),
        pytest.param(float("inf"), id="infinity"),
        pytest.param("12", id="text"),
        pytest.param(True, id="boolean"),
        pytest.param({}, id="object"),
    ],
)
def test_a_value_that_says_nothing_is_missing_and_never_clean(server, provider, bad):
    """One bad value leaves its slot unknown and its neighbours alone."""
    server.gives_json(forecast_answer([300, bad, 280, 270, 260, 250, 240]))

    points = provider.forecast("DE", NOW).points

    assert [p.grams_per_kwh for p in points] == [300, None, 280, 270, 260, 250]


@pytest.mark.parametrize("bad", [None, 0, -1])
def test_a_forecast_without_one_value_is_not_a_forecast(server, provider, bad):
    """All null, all zero and all -1 mean no data, whatever the status says."""
    server.gives_json(forecast_answer([bad] * 7))

    with pytest.raises(NoData, match="no usable forecast for zone DE"):
        provider.forecast("DE", NOW)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        pytest.param({}, BadAnswer, id="empty object"),
        pytest.param([], BadAnswer, id="list"),
        pytest.param(None, BadAnswer, id="null"),
        pytest.param({"zone": "DE", "forecast": []}, NoData, id="empty forecast"),
        pytest.param({"forecast": [{"carbonIntensity": 3}]}, BadAnswer, id="no time"),
        pytest.param(
            {"forecast": [{"carbonIntensity": 3, "datetime": "2026-03-01T12:00:00"}]},
            BadAnswer,
            id="time without offset",
        ),
        pytest.param(
            {"forecast": [{"carbonIntensity": 3, "datetime": 1772366400}]},
            BadAnswer,
            id="time as a number",
        ),
    ],
)
def test_another_shape_is_refused(server, provider, content, error):
    """An answer that is not the documented one is an error and never an empty, clean forecast."""
    server.gives_json(content)

    with pytest.raises(error):
        provider.forecast("DE", NOW)


def test_shuffled_times_are_refused(server, provider):
    """Where times run backwards nothing says which value belongs to which hour."""
    answer = forecast_answer([300, 290, 280, 270, 260, 250, 240])
    answer["forecast"][2], answer["forecast"][4] = answer["forecast"][4], answer["forecast"][2]
    server.gives_json(answer)

    with pytest.raises(BadAnswer, match="out of order"):
        provider.forecast("DE", NOW)


def test_a_doubled_hour_with_two_values_is_missing(server, provider):
    """A repeated hour, as local clocks have in autumn, is unknown and the others stay."""
    answer = forecast_answer([300, 290, 280, 270, 260, 250, 240])
    answer["forecast"].insert(2, {**answer["forecast"][1], "carbonIntensity": 100})
    server.gives_json(answer)

    points = provider.forecast("DE", NOW).points

    assert [p.grams_per_kwh for p in points] == [300, None, 280, 270, 260, 250]


def test_a_missing_hour_stays_a_gap(server, provider):
    """Nothing is filled in where the service left an hour out."""
    answer = forecast_answer([300, 290, 280, 270, 260, 250, 240])
    del answer["forecast"][2]
    server.gives_json(answer)

    series = provider.forecast("DE", NOW)

    assert series.at(datetime(2026, 3, 1, 14, 30, tzinfo=UTC)) is None
    assert series.at(datetime(2026, 3, 1, 15, 30, tzinfo=UTC)) == 270


@pytest.mark.parametrize(
    ("updated", "usable"),
    [
        pytest.param("2026-02-28T23:20:00Z", True, id="13 hours old"),
        pytest.param("2026-02-28T11:20:00Z", False, id="25 hours old"),
        pytest.param("2026-03-01T12:30:00Z", True, id="clock 10 min ahead"),
    ],
)
def test_a_forecast_is_used_for_a_day(server, provider, updated, usable):
    """13 h is old and usable, 25 h is dropped, a clock slightly ahead does no harm."""
    server.gives_json(forecast_answer([300] * 7, updated=updated))

    if usable:
        assert provider.forecast("DE", NOW).at(NOW) == 300
    else:
        with pytest.raises(StaleAnswer, match="made 1 d 1 h ago"):
            provider.forecast("DE", NOW)


def test_slots_that_are_over_are_left_out(server, provider):
    """A first point in the past is not part of a forecast."""
    first = datetime(2026, 3, 1, 9, tzinfo=UTC)
    server.gives_json(forecast_answer([1, 2, 3, 4, 5, 6, 7], first=first))

    assert [p.grams_per_kwh for p in provider.forecast("DE", NOW).points] == [4, 5, 6]


def test_a_forecast_that_ended_is_stale(server, provider):
    """A feed that stopped yesterday offers no window at all."""
    first = datetime(2026, 3, 1, 1, tzinfo=UTC)
    server.gives_json(forecast_answer([50] * 7, first=first))

    with pytest.raises(StaleAnswer, match="ended at 2026-03-01 07:00Z"):
        provider.forecast("DE", NOW)


def past_answer(key, values):
    return {
        "zone": "DE",
        key: [
            {
                "zone": "DE",
                "carbonIntensity": value,
                "datetime": f"2026-03-01T{i:02d}:00:00.000Z",
                "isEstimated": i == 2,
                "estimationMethod": "TIME_SLICER_AVERAGE" if i == 2 else None,
                "emissionFactorType": "lifecycle",
            }
            for i, value in enumerate(values)
        ],
    }


def test_estimates_are_marked(server, provider):
    """An estimated hour is usable and known to be provisional."""
    server.gives_json(past_answer("data", [300, 310, 320, None]))

    start = datetime(2026, 3, 1, tzinfo=UTC)
    points = provider.actuals("DE", start, start + 4 * HOUR).points

    assert [p.grams_per_kwh for p in points] == [300, 310, 320, None]
    assert [p.estimated for p in points] == [False, False, True, False]


def test_a_long_past_is_asked_for_in_parts(server, provider):
    """15 days need two requests, because one range holds at most 10 days; both are kept."""
    later = past_answer("data", [400, 410])
    for i, point in enumerate(later["data"]):
        point["datetime"] = f"2026-03-11T{i:02d}:00:00Z"
    server.gives(server.reply(past_answer("data", [300, 310])), server.reply(later))
    start = datetime(2026, 3, 1, tzinfo=UTC)

    series = provider.actuals("DE", start, start + timedelta(days=15))

    assert [(a.query["start"], a.query["end"]) for a in server.asked] == [
        ("2026-03-01T00:00:00Z", "2026-03-11T00:00:00Z"),
        ("2026-03-11T00:00:00Z", "2026-03-16T00:00:00Z"),
    ]
    assert [p.grams_per_kwh for p in series.points] == [300, 310, 400, 410]


def test_without_a_plan_for_past_ranges_the_last_day_is_used(server, provider):
    """A free account may ask for history; that is enough to begin a profile."""
    server.gives(server.reply({}, status=403), server.reply(past_answer("history", [300, 310])))
    start = datetime(2026, 3, 1, tzinfo=UTC)

    series = provider.actuals("DE", start, start + 2 * HOUR)

    assert [p.grams_per_kwh for p in series.points] == [300, 310]
    assert server.asked[1].path == "/carbon-intensity/history"


def test_a_missing_token_is_named_without_a_request(server, tmp_path):
    """The message names the file, and no anonymous request goes out."""
    client = HttpClient(name="Electricity Maps", base_url=server.url)
    credential = Credential(file=tmp_path / "nowhere")
    provider = ElectricityMaps(client=client, origin=ORIGIN, credential=credential)

    with pytest.raises(Unauthorized, match="nowhere cannot be read"):
        provider.forecast("DE", NOW)

    assert server.asked == []
