"""Asking once, leaving alone after failures, and keeping answers over restarts."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from lowtide.grid.cache import CachedProvider, SeriesCache
from lowtide.grid.errors import RateLimited, Unauthorized, Unavailable

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
REFRESH = 5 * MINUTE


@pytest.fixture
def inner(fake, hourly):
    provider = fake()
    provider.expected = hourly(NOW, [300, 310, 320])
    return provider


def cached(inner, folder=None):
    return CachedProvider(inner, SeriesCache(folder), refresh=REFRESH)


def test_an_answer_is_used_until_it_is_due(inner):
    """Within five minutes the service is asked once."""
    provider = cached(inner)

    for minutes in (0, 1, 4):
        provider.forecast("DE", NOW + minutes * MINUTE)
    assert inner.forecasts_asked == 1

    provider.forecast("DE", NOW + REFRESH)
    assert inner.forecasts_asked == 2


def test_zones_are_kept_apart(inner, hourly):
    """France is not answered with Germany."""
    provider = cached(inner)
    provider.forecast("DE", NOW)
    inner.expected = hourly(NOW, [50], zone="FR")

    assert provider.forecast("FR", NOW).points[0].grams_per_kwh == 50


def test_slots_that_ended_meanwhile_are_left_out(inner):
    """A cached forecast begins now, not when it was fetched."""
    provider = CachedProvider(inner, SeriesCache(), refresh=timedelta(hours=3))
    provider.forecast("DE", NOW)

    later = provider.forecast("DE", NOW + timedelta(hours=1))

    assert [p.grams_per_kwh for p in later.points] == [310, 320]


def test_a_restart_uses_the_copy_on_disk(inner, tmp_path):
    """A crash loop does not become a storm of requests."""
    cached(inner, tmp_path).forecast("DE", NOW)

    again = cached(inner, tmp_path).forecast("DE", NOW + MINUTE)

    assert [p.grams_per_kwh for p in again.points] == [300, 310, 320]
    assert inner.forecasts_asked == 1


def test_a_damaged_copy_is_ignored(inner, tmp_path):
    """A file cut off by a crash costs one request."""
    cached(inner, tmp_path).forecast("DE", NOW)
    (file,) = tmp_path.glob("*.json")
    file.write_text(file.read_text()[:40])

    cached(inner, tmp_path).forecast("DE", NOW + MINUTE)

    assert inner.forecasts_asked == 2


def test_a_clock_that_was_set_back_does_not_freeze_the_cache(inner):
    """An answer from the future is not trusted to be fresh."""
    provider = cached(inner)
    provider.forecast("DE", NOW + timedelta(hours=1))

    provider.forecast("DE", NOW)

    assert inner.forecasts_asked == 2


def test_files_are_bounded(hourly, tmp_path):
    """The oldest files go first."""
    cache = SeriesCache(tmp_path, entries_max=3)
    for i in range(6):
        cache.put(f"key {i}", hourly(NOW, [300 + i]))

    assert len(list(tmp_path.glob("*.json"))) == 3
    assert cache.get("key 0") is None
    assert cache.get("key 5") == hourly(NOW, [305])


def test_a_folder_that_cannot_be_written_costs_only_the_copy(hourly, tmp_path):
    """A read-only disk does not stop planning."""
    (tmp_path / "file").write_text("")
    cache = SeriesCache(tmp_path / "file")

    cache.put("key", hourly(NOW, [300]))

    assert cache.get("key") == hourly(NOW, [300])


@pytest.mark.parametrize(
    ("error", "pause"),
    [
        pytest.param(Unavailable("down"), MINUTE, id="outage"),
        pytest.param(Unauthorized("refused"), 5 * MINUTE, id="refusal"),
        pytest.param(
            RateLimited("slow down", retry_after_seconds=600), 10 * MINUTE, id="its own wish"
        ),
    ],
)
def test_a_failed_provider_is_left_alone(inner, hourly, error, pause):
    """The same error is raised without a request until the pause is over."""
    good, inner.expected = inner.expected, error
    provider = cached(inner)

    for moment in (NOW, NOW + pause - timedelta(seconds=1)):
        with pytest.raises(type(error), match=str(error)):
            provider.forecast("DE", moment)
    assert inner.forecasts_asked == 1

    inner.expected = good
    assert provider.forecast("DE", NOW + pause).points
    assert inner.forecasts_asked == 2


def test_the_last_forecast_stays_within_reach(inner):
    """It is not returned in place of an error, but it can be asked for, for a day at most."""
    provider = cached(inner)
    provider.forecast("DE", NOW)
    inner.expected = Unavailable("down")

    with pytest.raises(Unavailable):
        provider.forecast("DE", NOW + timedelta(hours=2))

    old = provider.last_forecast("DE", NOW + timedelta(hours=2))
    assert [p.grams_per_kwh for p in old.points] == [320]
    assert old.fetched_at == NOW
    assert provider.last_forecast("DE", NOW + timedelta(hours=3)) is None
    assert provider.last_forecast("FR", NOW) is None


def test_changed_settings_do_not_find_old_answers(inner, tmp_path):
    """Another address or another file is another answer."""
    cache = SeriesCache(tmp_path)
    CachedProvider(inner, cache, refresh=REFRESH, identity="a").forecast("DE", NOW)

    CachedProvider(inner, cache, refresh=REFRESH, identity="b").forecast("DE", NOW)

    assert inner.forecasts_asked == 2


def test_threads_that_ask_at_once_wait_for_one_request(inner):
    """Eight reconciliations of one zone are one request."""
    provider = cached(inner)
    release, plain = threading.Event(), inner.forecast

    def slowly(zone, now):
        release.wait(60)
        return plain(zone, now)

    inner.forecast = slowly
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(provider.forecast, "DE", NOW) for _ in range(8)]
        release.set()
        answers = [one.result(60) for one in asked]

    assert inner.forecasts_asked == 1
    assert all(answer == answers[0] for answer in answers)
