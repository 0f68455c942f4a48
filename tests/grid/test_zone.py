"""A zone as the operator holds it: with providers, without, after outages and restarts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lowtide.grid.cache import CachedProvider, SeriesCache
from lowtide.grid.chain import Chain
from lowtide.grid.errors import Unauthorized, Unavailable
from lowtide.grid.forecast import Source
from lowtide.grid.history import HistoryStore
from lowtide.grid.series import Factor, Point, Signal, series_type
from lowtide.grid.settings import ZoneSettings
from lowtide.grid.vintages import VintageStore
from lowtide.grid.zone import ZoneGrid, build_zones, known_seconds

NOW = datetime(2026, 3, 20, 12, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOON = NOW.replace(minute=0)
DAYS = 20


def daily(day: int, hour: int) -> float:
    """A profile that repeats every day."""
    return 200.0 + 10 * hour


@pytest.fixture
def provider(fake, hourly):
    """A provider with 20 days of the past and a day ahead, 5 g/kWh too high."""
    one = fake("maps")
    begin = NOON - DAYS * 24 * HOUR
    hours = [(begin + i * HOUR).hour for i in range(DAYS * 24 + 24)]
    one.seen = hourly(begin, [daily(0, h) for h in hours])
    one.expected = hourly(NOON, [daily(0, h) + 5 for h in hours[-24:]])
    return one


def zone(*providers, folder: Path | None = None) -> ZoneGrid:
    cache = SeriesCache()
    return ZoneGrid(
        "DE",
        Signal.AVERAGE,
        Chain([CachedProvider(one, cache, refresh=5 * HOUR / 60) for one in providers]),
        history=HistoryStore(folder),
        vintages=VintageStore(folder and folder / "vintages"),
        refresh=5 * HOUR / 60,
    )


def test_a_healthy_zone_knows_past_and_future(provider):
    """15 days of finished hours, a day ahead, and a fused forecast near the provider's."""
    state = zone(provider).refresh(NOW)

    assert state.actual.points[0].start == NOON - 15 * 24 * HOUR
    assert state.actual.points[-1].end == NOON
    assert (state.provider, state.failures, state.is_old) == ("maps", (), False)
    fused = state.forecast(NOW)
    assert fused.sources[:24] == (Source.PROVIDER,) * 24
    assert fused.sources[24] is Source.PROFILE
    assert fused.start == NOON


def test_without_providers_the_zone_is_unknown(fake):
    """Nothing raises; planning then runs at once."""
    state = zone().refresh(NOW)

    assert (state.actual, state.expected, state.failures) == (None, None, ())
    assert state.forecast(NOW) is None


def test_without_forecasts_the_profile_carries_on(provider):
    """Past values alone give a forecast of the zone's own: 14 equal days repeat exactly."""
    provider.expected = Unauthorized("Maps answered 401 for zone DE")

    state = zone(provider).refresh(NOW)

    assert [f.reason for f in state.failures] == ["Unauthorized"]
    fused = state.forecast(NOW)
    assert set(fused.sources) == {Source.PROFILE}
    assert fused.grams_per_kwh[0] == pytest.approx(daily(0, 12))
    assert fused.grams_per_kwh[24 + 6] == pytest.approx(daily(0, 18))


def test_nothing_is_asked_more_often_than_the_refresh_time(provider):
    """Ten reconciliations in a minute cost one request of each kind."""
    grid = zone(provider)

    for second in range(10):
        grid.refresh(NOW + timedelta(seconds=second))

    assert (provider.forecasts_asked, len(provider.actuals_asked)) == (1, 1)


def test_later_only_the_last_day_is_asked_for(provider):
    """Estimates become final within a day; the fortnight before is known."""
    grid = zone(provider)
    grid.refresh(NOW)

    grid.refresh(NOW + HOUR)

    first, second = provider.actuals_asked
    assert first == (NOW - 15 * 24 * HOUR, NOW)
    assert second == (NOON - 24 * HOUR, NOW + HOUR)


def test_an_outage_uses_the_last_forecast_and_says_so(provider):
    """The state is degraded, labelled and complete."""
    grid = zone(provider)
    grid.refresh(NOW)
    provider.expected, provider.seen = Unavailable("down"), Unavailable("down")

    state = grid.refresh(NOW + 2 * HOUR)

    assert state.is_old
    assert [f.reason for f in state.failures] == ["Unavailable"]
    assert state.generated_at == NOW
    assert state.expected.at(NOW + 2 * HOUR) == daily(0, 14) + 5
    assert state.actual.points[-1].end == NOON
    assert state.forecast(NOW + 2 * HOUR).sources[0] is Source.PROVIDER


def test_what_was_expected_of_past_slots_comes_first(provider, hourly):
    """The vintage of noon tells at two what had been expected of noon and one o'clock."""
    grid = zone(provider)
    grid.refresh(NOW)
    provider.expected = hourly(NOON + 2 * HOUR, [500, 510])

    state = grid.refresh(NOW + 2 * HOUR)

    assert state.expected.at(NOON + HOUR) == daily(0, 13) + 5
    assert state.expected.at(NOON + 2 * HOUR) == 500


def test_a_restart_remembers(provider, tmp_path):
    """With every provider down a restarted program still has its profile."""
    zone(provider, folder=tmp_path).refresh(NOW)
    provider.expected, provider.seen = Unavailable("down"), Unavailable("down")

    fused = zone(provider, folder=tmp_path).refresh(NOW + HOUR).forecast(NOW + HOUR)

    assert fused.sources[0] is Source.PROFILE
    assert fused.grams_per_kwh[0] == pytest.approx(daily(0, 13))


def test_prices_from_history_without_asking(provider):
    """A finished run inside the history costs no request."""
    grid = zone(provider)
    grid.refresh(NOW)
    asked = len(provider.actuals_asked)

    series = grid.actual_between(NOON - 3 * HOUR, NOON - HOUR, NOW)

    assert [p.grams_per_kwh for p in series.points] == [daily(0, 9), daily(0, 10)]
    assert len(provider.actuals_asked) == asked


def test_asks_for_what_history_lacks(provider):
    """A run before the history's beginning is looked up."""
    grid = zone(provider)
    grid.refresh(NOW)
    start = NOON - 18 * 24 * HOUR

    series = grid.actual_between(start, start + 2 * HOUR, NOW)

    assert [p.grams_per_kwh for p in series.points] == [daily(0, 12), daily(0, 13)]


def test_the_future_has_no_actual_values(provider):
    """Neither the running hour nor later ones are priced."""
    grid = zone(provider)
    grid.refresh(NOW)

    series = grid.actual_between(NOON - HOUR, NOON + 5 * HOUR, NOW)

    assert [p.start for p in series.points] == [NOON - HOUR]
    assert grid.actual_between(NOW + HOUR, NOW + 2 * HOUR, NOW) is None


def test_known_time_counts_values_only(hourly):
    """A missing hour and what lies outside do not count."""
    series = hourly(NOON, [300, None, 320])

    assert known_seconds(series, NOON + HOUR / 2, NOON + 10 * HOUR) == 1800 + 3600


def test_settings_become_zones(tmp_path, fake):
    """Two files in one chain get two labels; zones share one history store."""
    text = "time,g_per_kwh,forecast\n2026-03-20T11:00Z,300,290\n2026-03-20T12:00Z,,310\n"
    (tmp_path / "a.csv").write_text(text)
    settings = ZoneSettings.model_validate(
        {
            "providers": [
                {"kind": "file", "path": str(tmp_path / "missing.csv")},
                {"kind": "file", "path": str(tmp_path / "a.csv")},
            ]
        }
    )

    zones = build_zones({"DE": settings, "FR": ZoneSettings()}, started=NOW, folder=tmp_path / "s")
    state = zones["DE"].refresh(NOW)

    assert state.provider == "file-2"
    assert [f.provider for f in state.failures] == ["file"]
    assert state.expected.at(NOW) == 310
    assert state.expected.at(NOW - HOUR) == 290
    assert state.actual.at(NOW - HOUR) == 300
    assert zones["FR"].refresh(NOW).forecast(NOW) is None


def test_providers_are_compared_and_reordered_by_what_they_would_have_saved(fake, hourly):
    """After 14 days the one that knows the clean hours goes before the one that has them wrong."""
    wrong, right = fake("wrong"), fake("right")
    grid = zone(wrong, right)
    begin = NOON - 20 * 24 * HOUR
    true = [100.0 if (begin + i * HOUR).hour == 14 else 300.0 for i in range(22 * 24)]
    scores = ()
    for day in range(16):
        noon = begin + (4 + day) * 24 * HOUR
        wrong.seen = hourly(begin, true)
        right.expected = hourly(noon, [100.0 if i == 2 else 300.0 for i in range(6)])
        wrong.expected = hourly(noon, [100.0 if i == 4 else 300.0 for i in range(6)])
        grid.refresh(noon)
        scores = grid.compare(noon)
        labels = [one.label for one in grid.chain.providers]
        # The vintage of a day can be judged the day after, so 14 judged days are there on day 14.
        assert labels == (["wrong", "right"] if day < 14 else ["right", "wrong"])

    reach = {one.provider: one.reach for one in scores}
    assert reach == {"right": 1.0, "wrong": 0.0}


def test_the_history_can_live_elsewhere(hourly):
    """A caller with a ConfigMap fills the store itself, and the zone uses it."""
    store = HistoryStore()
    store.add(hourly(NOON - 4 * 24 * HOUR, [250.0] * 96, zone="FR"), NOW)

    zones = build_zones({"FR": ZoneSettings()}, started=NOW, history=store)

    assert zones["FR"].refresh(NOW).forecast(NOW).grams_per_kwh[0] == pytest.approx(250)


def test_an_accelerated_replay_has_a_profile_at_once(healthy_stand_in, monkeypatch):
    """The whole path over HTTP: 24 slots of a minute make a day, and 15 of these are known."""
    monkeypatch.setenv("STANDIN_TOKEN", healthy_stand_in.token)
    settings = ZoneSettings.model_validate(
        {
            "slotsPerDay": 24,
            "providers": [
                {
                    "kind": "electricity-maps",
                    "url": f"{healthy_stand_in.url}/v4",
                    "tokenEnv": "STANDIN_TOKEN",
                    "refreshSeconds": 1,
                }
            ],
        }
    )
    while True:
        now = datetime.now(UTC)
        state = build_zones({"DE": settings}, started=now)["DE"].refresh(now)
        if datetime.now(UTC).minute == now.minute:  # the stand-in's slots are minutes
            break

    fused = state.forecast(now)
    assert fused.slot_seconds == 60
    assert fused.sources[:72] == (Source.PROVIDER,) * 72
    assert fused.sources[72] is Source.PROFILE
    assert len(state.actual.points) >= 14 * 24
    healthy_stand_in.control("401")
    later = build_zones({"DE": settings}, started=now)["DE"].refresh(now)
    assert [f.reason for f in later.failures] == ["Unauthorized"]
    healthy_stand_in.control("ok")


def test_life_cycle_and_direct_emissions_never_meet(provider, fake):
    """A forecast of direct emissions is not corrected by a history of life-cycle ones."""
    provider.expected = Unavailable("Maps is away")
    provider.seen = replace(provider.seen, factor=Factor.LIFE_CYCLE)
    direct = fake("direct")
    direct.expected = replace(fake_forecast(), factor=Factor.DIRECT)

    state = zone(provider, direct).refresh(NOW)

    assert (state.actual, state.provider) == (None, "direct")
    assert state.forecast(NOW).factor is Factor.DIRECT


def fake_forecast():
    points = tuple(Point(NOON + i * HOUR, NOON + (i + 1) * HOUR, 100.0) for i in range(24))
    return series_type(Signal.AVERAGE)(zone="DE", source="direct", points=points)
