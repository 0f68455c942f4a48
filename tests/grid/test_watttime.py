"""WattTime v3: pounds, two signals, and tokens that end in the middle of a plan."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lowtide.grid.credentials import Credential
from lowtide.grid.errors import BadAnswer, Unauthorized
from lowtide.grid.providers.answers import Origin
from lowtide.grid.providers.http import HttpClient
from lowtide.grid.providers.watttime import Session, WattTime
from lowtide.grid.series import AverageSeries, Factor, MarginalSeries, Signal

NOW = datetime(2026, 3, 1, 12, 2, tzinfo=UTC)
FIVE = timedelta(minutes=5)


def answer(values, *, units="lbs_co2_per_mwh", signal_type="co2_moer"):
    first = datetime(2026, 3, 1, 12, tzinfo=UTC)
    return {
        "data": [
            {"point_time": (first + i * FIVE).isoformat(), "value": value}
            for i, value in enumerate(values)
        ],
        "meta": {
            "data_point_period_seconds": 300,
            "region": "CAISO_NORTH",
            "signal_type": signal_type,
            "units": units,
            "generated_at": "2026-03-01T12:00:00+00:00",
            "warnings": [],
        },
    }


@pytest.fixture
def seconds() -> list[float]:
    """The clock of the session."""
    return [0.0]


@pytest.fixture
def provider(server, monkeypatch, seconds) -> WattTime:
    monkeypatch.setenv("WT_PASSWORD", "pw")
    client = HttpClient(name="WattTime", base_url=server.url, sleep=lambda _: None)
    session = Session(client, "user", Credential(variable="WT_PASSWORD"), clock=lambda: seconds[0])
    origin = Origin(
        name="watttime", signal=Signal.MARGINAL, factor=Factor.DIRECT, zero_possible=True
    )
    return WattTime(client=client, session=session, origin=origin)


def test_pounds_per_megawatt_hour_become_grams_per_kilowatt_hour(server, provider):
    """1000 lb/MWh are 453.59237 g/kWh, in slots of five minutes."""
    server.gives(server.reply({"token": "t1"}), server.reply(answer([1000, 0])))

    series = provider.forecast("CAISO_NORTH", NOW)

    assert isinstance(series, MarginalSeries)
    assert [p.grams_per_kwh for p in series.points] == pytest.approx([453.59237, 0])
    assert {p.end - p.start for p in series.points} == {FIVE}
    assert series.generated_at == datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_logs_in_with_basic_and_asks_with_bearer(server, provider):
    """user:pw is dXNlcjpwdw== in base64."""
    server.gives(server.reply({"token": "t1"}), server.reply(answer([1000])))

    provider.forecast("CAISO_NORTH", NOW)

    login, forecast = server.asked
    assert (login.path, login.headers["authorization"]) == ("/login", "Basic dXNlcjpwdw==")
    assert (forecast.path, forecast.headers["authorization"]) == ("/v3/forecast", "Bearer t1")
    assert forecast.query == {
        "region": "CAISO_NORTH",
        "signal_type": "co2_moer",
        "horizon_hours": "72",
    }


def test_a_token_is_renewed_before_it_ends(server, provider, seconds):
    """After 25 of its 30 minutes the next question begins with a login."""
    server.gives(
        server.reply({"token": "t1"}),
        server.reply(answer([1000])),
        server.reply(answer([1000])),
        server.reply({"token": "t2"}),
        server.reply(answer([1000])),
    )

    provider.forecast("X", NOW)
    seconds[0] = 24 * 60
    provider.forecast("X", NOW)
    seconds[0] = 25 * 60
    provider.forecast("X", NOW)

    assert [a.headers["authorization"] for a in server.asked[1:]] == [
        "Bearer t1",
        "Bearer t1",
        "Basic dXNlcjpwdw==",
        "Bearer t2",
    ]


def test_a_token_that_ends_early_is_renewed_once(server, provider):
    """A 401 in mid-plan leads to one login and one more question."""
    server.gives(
        server.reply({"token": "t1"}),
        server.reply({}, status=401),
        server.reply({"token": "t2"}),
        server.reply(answer([1000])),
    )

    assert provider.forecast("X", NOW).points


def test_a_wrong_password_is_tried_once(server, provider):
    """A refused login is final."""
    server.gives_json({}, status=401)

    with pytest.raises(Unauthorized):
        provider.forecast("X", NOW)

    assert [a.path for a in server.asked] == ["/login"]


def test_a_region_outside_the_plan_is_named(server, provider):
    """403 on a free account has one usual cause, and the message says it."""
    server.gives(server.reply({"token": "t1"}), server.reply("Invalid scope", status=403))

    with pytest.raises(Unauthorized, match="may not cover region PJM"):
        provider.forecast("PJM", NOW)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(answer([1000], units="lb_per_kwh"), id="other units"),
        pytest.param(answer([1000], signal_type="co2_aoer"), id="other signal"),
        pytest.param({"data": []}, id="no meta"),
        pytest.param({}, id="empty"),
    ],
)
def test_an_answer_in_other_units_or_of_another_signal_is_refused(server, provider, content):
    """Pounds are not grams, and average is not marginal."""
    server.gives(server.reply({"token": "t1"}), server.reply(content))

    with pytest.raises(BadAnswer):
        provider.forecast("X", NOW)


def test_average_rates_are_asked_for_by_their_name(server, provider):
    """An average zone gets co2_aoer as an average series."""
    average = replace(provider, origin=replace(provider.origin, signal=Signal.AVERAGE))
    server.gives(server.reply({"token": "t1"}), server.reply(answer([1], signal_type="co2_aoer")))

    series = average.forecast("X", NOW)

    assert isinstance(series, AverageSeries)
    assert server.asked[1].query["signal_type"] == "co2_aoer"


def test_negative_and_missing_rates_are_missing(server, provider):
    """-1 and null never become the cleanest slot."""
    server.gives(server.reply({"token": "t1"}), server.reply(answer([1000, -1, None])))

    values = [p.grams_per_kwh for p in provider.forecast("X", NOW).points]

    assert values[1:] == [None, None]


def test_reads_the_past(server, provider):
    """The historical route has the same shape."""
    server.gives(server.reply({"token": "t1"}), server.reply(answer([1000, 2000])))
    start = datetime(2026, 3, 1, 12, tzinfo=UTC)

    series = provider.actuals("X", start, start + 2 * FIVE)

    assert [p.grams_per_kwh for p in series.points] == pytest.approx([453.59237, 907.18474])
    assert server.asked[1].path == "/v3/historical"
    assert server.asked[1].query["start"] == "2026-03-01T12:00:00Z"


def test_no_representation_shows_token_or_password(server, provider):
    """A debugger or a log may print the provider without harm."""
    server.gives(server.reply({"token": "hush"}), server.reply(answer([1000])))
    provider.forecast("X", NOW)

    assert "hush" not in repr(provider)
    assert "pw" not in repr(provider).replace("WT_PASSWORD", "")
