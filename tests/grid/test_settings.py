"""The zones section of the settings: defaults, refusals and what is built from it."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from lowtide.grid.providers.electricity_maps import ElectricityMaps
from lowtide.grid.providers.factory import Throttles, build_provider
from lowtide.grid.providers.file import FileProvider
from lowtide.grid.series import Factor, Signal
from lowtide.grid.settings import ZoneSettings

STARTED = datetime(2026, 3, 1, tzinfo=UTC)
MAPS = {"kind": "electricity-maps", "tokenEnv": "EM_TOKEN"}


def zone(*providers: dict[str, object], **more: object) -> ZoneSettings:
    return ZoneSettings.model_validate({"providers": list(providers), **more})


def test_a_zone_needs_nothing():
    """Without any provider a zone lives on its history."""
    assert zone().signal is Signal.AVERAGE
    assert zone().providers == ()


def test_providers_are_built_in_order():
    """The chain of the issue becomes two providers."""
    settings = zone(MAPS, {"kind": "file", "path": "/data/de.csv"})

    built = [
        build_provider(one, zone="DE", signal=settings.signal, started=STARTED)
        for one in settings.providers
    ]

    assert [type(one) for one in built] == [ElectricityMaps, FileProvider]
    assert [one.name for one in built] == ["electricity-maps", "file"]


def test_the_public_address_is_the_default():
    """Only a mirror or a stand-in needs an address."""
    (settings,) = zone(MAPS).providers

    provider = build_provider(settings, zone="DE", signal=Signal.AVERAGE, started=STARTED)

    assert isinstance(provider, ElectricityMaps)
    assert provider.client.base_url == "https://api.electricitymaps.com/v4"
    assert provider.origin.factor is Factor.LIFE_CYCLE


def test_clients_of_one_host_share_a_limit():
    """Ten zones do not ask ten times as often."""
    throttles = Throttles()
    (settings,) = zone(MAPS).providers

    both = [
        build_provider(
            settings, zone=name, signal=Signal.AVERAGE, started=STARTED, throttles=throttles
        )
        for name in ("DE", "FR")
    ]

    assert both[0].client.throttle is both[1].client.throttle


@pytest.mark.parametrize(
    ("provider", "message"),
    [
        pytest.param({"kind": "oracle"}, "oracle", id="unknown kind"),
        pytest.param({"kind": "electricity-maps"}, "tokenFile and tokenEnv", id="no token"),
        pytest.param({**MAPS, "tokenFile": "/t"}, "tokenFile and tokenEnv", id="two tokens"),
        pytest.param({**MAPS, "url": "ftp://host"}, "http or https", id="scheme"),
        pytest.param({**MAPS, "url": "https://u:pw@host"}, "credentials", id="password in URL"),
        pytest.param({**MAPS, "url": "https://host?token=pw"}, "credentials", id="query in URL"),
        pytest.param({**MAPS, "refreshSeconds": 60}, "too short for a public", id="impolite"),
        pytest.param({**MAPS, "horizonHours": 25}, "6, 24, 48 or 72", id="horizon"),
        pytest.param({"kind": "file"}, "path", id="file without path"),
        pytest.param(
            {"kind": "file", "path": "x", "replay": {"traceStart": "2021-07-20T06:00"}},
            "timezone",
            id="naive replay",
        ),
    ],
)
def test_wrong_settings_say_what_is_wrong(provider, message):
    """The message names the field or the rule."""
    with pytest.raises(ValidationError, match=message):
        zone(provider)


def test_a_token_in_the_settings_is_refused_without_showing_it():
    """The commonest mistake must not end in a log."""
    with pytest.raises(ValidationError) as caught:
        zone({**MAPS, "token": "hush-hush"})

    assert "hush" not in str(caught.value)
    assert "token" in str(caught.value)


def test_an_average_service_is_refused_in_a_marginal_zone():
    """A chain never mixes the two signals."""
    with pytest.raises(ValidationError, match="never mixed"):
        zone(MAPS, signal="Marginal")


def test_a_stand_in_may_be_asked_often():
    """The politeness rule is for the public host only."""
    settings = zone({**MAPS, "url": "http://127.0.0.1:8100/v4/", "refreshSeconds": 1})

    assert settings.providers[0].url == "http://127.0.0.1:8100/v4"
