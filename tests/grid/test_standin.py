"""The grid stand-in, asked by the real provider: it tells the truth, and fails on request."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from lowtide.grid.credentials import Credential
from lowtide.grid.errors import (
    BadAnswer,
    NoData,
    RateLimited,
    StaleAnswer,
    Unauthorized,
    Unavailable,
)
from lowtide.grid.providers.answers import Origin
from lowtide.grid.providers.electricity_maps import ElectricityMaps
from lowtide.grid.providers.http import HttpClient
from lowtide.grid.series import Signal

SLOT = timedelta(seconds=60)


@pytest.fixture
def provider(healthy_stand_in, monkeypatch) -> ElectricityMaps:
    monkeypatch.setenv("STANDIN_TOKEN", healthy_stand_in.token)
    client = HttpClient(
        name="Stand-in",
        base_url=f"{healthy_stand_in.url}/v4",
        read_seconds=10,
        sleep=lambda _: None,
    )
    return ElectricityMaps(
        client=client,
        origin=Origin(name="electricity-maps", signal=Signal.AVERAGE),
        credential=Credential(variable="STANDIN_TOKEN"),
    )


def test_says_that_it_is_a_stand_in(healthy_stand_in):
    """Its root, its Server header and the series made from it all say so."""
    with urlopen(f"{healthy_stand_in.url}/", timeout=60) as answer:
        assert b"stand-in" in answer.read()
        assert "stand-in" in answer.headers["Server"]


def test_series_carry_the_mark(provider):
    """A replayed trace cannot be taken for a live grid."""
    assert provider.forecast("DE", datetime.now(UTC)).source == "electricity-maps (stand-in)"


def test_replays_the_trace_in_shorter_slots(provider):
    """Slots are aligned, 60 s long, and rise by 10 g/kWh per trace hour within a day."""
    points = provider.forecast("DE", datetime.now(UTC)).points

    assert len(points) == 72
    assert {p.end - p.start for p in points} == {SLOT}
    assert points[0].start.timestamp() % 60 == 0
    steps = [b.grams_per_kwh - a.grams_per_kwh for a, b in itertools.pairwise(points)]
    assert set(steps) == {10.0, 1.0 - 230.0}


def test_actual_values_end_now_and_forecasts_differ_from_them(provider):
    """No slot that is not over has an actual value; the day-ahead column is 5 g/kWh higher."""
    now = datetime.now(UTC)
    expected = provider.forecast("DE", now).points[0]

    known = provider.actuals("DE", now - 14 * 24 * SLOT, now + timedelta(hours=1)).points

    assert 14 * 24 <= len(known) <= 14 * 24 + 1
    assert known[-1].end <= datetime.now(UTC)
    before = known[-1].grams_per_kwh
    assert expected.grams_per_kwh in (before + 15, before + 5, before - 230 + 1 + 5)


def test_refuses_a_wrong_token(provider, monkeypatch):
    """The token is checked, as the real service does."""
    monkeypatch.setenv("STANDIN_TOKEN", "wrong")

    with pytest.raises(Unauthorized, match="401"):
        provider.forecast("DE", datetime.now(UTC))


def test_knows_only_its_zone(provider):
    """Another zone is an unknown one."""
    with pytest.raises(BadAnswer, match="404"):
        provider.forecast("FR", datetime.now(UTC))


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ("down", Unavailable),
        ("401", Unauthorized),
        ("403", Unauthorized),
        ("429", RateLimited),
        ("500", Unavailable),
        ("503", Unavailable),
        ("empty", NoData),
        ("nulls", NoData),
        ("zeros", NoData),
        ("garbage", BadAnswer),
        ("html", BadAnswer),
        ("slow", Unavailable),
        ("stale", StaleAnswer),
        ("shuffled", BadAnswer),
    ],
)
def test_every_fault_mode_is_the_error_it_imitates(healthy_stand_in, provider, mode, error):
    """Each mode leads the real provider to the error that a condition will show."""
    healthy_stand_in.control(mode)
    patience = 0.3 if mode == "slow" else 10.0
    impatient = replace(provider, client=replace(provider.client, read_seconds=patience))

    with pytest.raises(error):
        impatient.forecast("DE", datetime.now(UTC))

    healthy_stand_in.control("ok")
    assert provider.forecast("DE", datetime.now(UTC)).points


def test_counts_what_it_was_asked(healthy_stand_in, provider):
    """Tests of retries and caches can count requests."""
    route = "/v4/carbon-intensity/forecast"
    before = healthy_stand_in.control()["asked"].get(route, 0)

    provider.forecast("DE", datetime.now(UTC))

    assert healthy_stand_in.control()["asked"][route] == before + 1


def test_an_unknown_mode_is_refused(healthy_stand_in):
    """A misspelt fault must not make a test pass by accident."""
    request = Request(f"{healthy_stand_in.url}/control", data=b'{"mode": "dwon"}')

    with pytest.raises(HTTPError, match="400") as caught:
        urlopen(request, timeout=60)

    caught.value.close()
