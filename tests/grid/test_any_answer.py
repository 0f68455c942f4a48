"""Whatever a service sends: a provider returns a sound series or raises its own error."""

import copy
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lowtide.grid.credentials import Credential
from lowtide.grid.errors import BadAnswer, GridError
from lowtide.grid.providers.answers import Origin
from lowtide.grid.providers.carbon_aware_sdk import CarbonAwareSdk
from lowtide.grid.providers.electricity_maps import ElectricityMaps
from lowtide.grid.providers.energy_charts import EnergyCharts
from lowtide.grid.providers.http import HttpClient
from lowtide.grid.providers.neso import Neso
from lowtide.grid.providers.prometheus import PrometheusProvider
from lowtide.grid.providers.prometheus_queries import PrometheusQueries
from lowtide.grid.providers.watttime import Session, WattTime
from lowtide.grid.series import Signal

NOW = datetime(2026, 3, 1, 12, 2, tzinfo=UTC)
NOON = NOW.replace(minute=0)
TIMES = [f"{NOON + timedelta(hours=i):%Y-%m-%dT%H:%M:%SZ}" for i in range(4)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Canned(HttpClient):
    """A client whose every answer is the same content."""

    content: object = None

    def get_json(self, path, **_):
        return ({"token": "t"} if path == "/login" else self.content), False


def provider(kind, content, monkeypatch_token="PATH"):
    client = Canned(name=kind, base_url="http://nowhere.invalid", content=content)
    token = Credential(variable=monkeypatch_token)
    signal = Signal.MARGINAL if kind == "watttime" else Signal.AVERAGE
    common = {"client": client, "origin": Origin(name=kind, signal=signal)}
    return {
        "electricity-maps": lambda: ElectricityMaps(**common, credential=token),
        "neso": lambda: Neso(**common, zone_codes={"DE": "GB"}),
        "neso region": lambda: Neso(**common, zone_codes={"DE": "13"}),
        "energy-charts": lambda: EnergyCharts(**common),
        "watttime": lambda: WattTime(**common, session=Session(client, "u", token)),
        "carbon-aware-sdk": lambda: CarbonAwareSdk(**common),
        "prometheus": lambda: PrometheusProvider(
            **common,
            queries=PrometheusQueries(client=client, step=timedelta(hours=1)),
            query="q",
            forecast_query="f",
        ),
    }[kind]()


HALVES = [{"from": t, "to": t, "intensity": {"forecast": 70, "actual": 71}} for t in TIMES]
GOOD = {
    "electricity-maps": {
        "zone": "DE",
        "forecast": [{"carbonIntensity": 300, "datetime": t} for t in TIMES],
        "data": [{"carbonIntensity": 300, "datetime": t} for t in TIMES],
        "updatedAt": TIMES[0],
    },
    "neso": {"data": HALVES},
    "neso region": {"data": [{"data": HALVES}]},
    "energy-charts": {
        "unix_seconds": [int(NOON.timestamp()) + 900 * i for i in range(4)],
        "co2eq": [300] * 4,
        "co2eq_forecast": [310] * 4,
    },
    "watttime": {
        "data": [{"point_time": t, "value": 1000} for t in TIMES],
        "meta": {"units": "lbs_co2_per_mwh", "data_point_period_seconds": 300},
    },
    "carbon-aware-sdk": [
        {
            "generatedAt": TIMES[0],
            "forecastData": [{"timestamp": t, "value": 300, "duration": 60} for t in TIMES],
        }
    ],
    "prometheus": {
        "status": "success",
        "data": {"result": [{"metric": {"time": "+01:00"}, "value": [NOON.timestamp(), "300"]}]},
    },
}

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from(["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "NaN", "-1", ""]),
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


def places(content, path=()):
    """Return the path of everything inside `content`."""
    found = [path]
    items = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


def changed(content, path, value):
    """Return a copy of `content` with `value` at `path`."""
    if not path:
        return value
    whole = copy.deepcopy(content)
    inner = whole
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return whole


def check(kind, content):
    """Ask for both kinds of data; anything but a sound series or a GridError fails the test."""
    one = provider(kind, content)
    for ask in (
        lambda: one.forecast("DE", NOW),
        lambda: one.actuals("DE", NOON, NOON + timedelta(hours=4)),
    ):
        try:
            series = ask()
        except GridError:
            continue
        assert any(point.grams_per_kwh is not None for point in series.points)
        assert all(p.grams_per_kwh is None or p.grams_per_kwh >= 0 for p in series.points)


@pytest.mark.parametrize("kind", GOOD)
def test_the_good_answers_are_good(kind):
    """The starting points below are what the providers expect."""
    assert provider(kind, GOOD[kind]).forecast("DE", NOW).points


@pytest.mark.parametrize("kind", GOOD)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_one_wrong_thing_anywhere_is_survived(kind, data):
    """A single value of any type in any place of a good answer."""
    path = data.draw(st.sampled_from(places(GOOD[kind])))

    check(kind, changed(GOOD[kind], path, data.draw(anything)))


@pytest.mark.parametrize("kind", GOOD)
@settings(max_examples=8, deadline=None)
@given(content=anything)
def test_any_json_at_all_is_survived(kind, content):
    """The answer is valid JSON and nothing else is sure."""
    check(kind, json.loads(json.dumps(content)))


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"])
def test_times_at_the_end_of_time_are_refused(moment):
    """Adding a slot's length to them would overflow."""
    content = changed(GOOD["electricity-maps"], ("forecast", 3, "datetime"), moment)

    with pytest.raises(BadAnswer):
        provider("electricity-maps", content).forecast("DE", NOW)
