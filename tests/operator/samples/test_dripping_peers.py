"""A peer that drips its headers holds neither the reading of samples nor a scrape."""

from datetime import UTC, datetime
from urllib.parse import urlsplit

import aiohttp
import pytest
from standins.peers import dripping

from lowtide_operator.sample_settings import PrometheusSettings, ScrapingSettings
from lowtide_operator.samples.prometheus import Prometheus, PrometheusError
from lowtide_operator.samples.scraping import Exporters
from lowtide_operator.samples.store import SampleStore

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
HEADER = b"HTTP/1.1 200 OK\r\nX-Long: "
"""What is sent at once; the rest of the header drips for ever."""


async def test_a_prometheus_that_drips_is_given_up_at_the_deadline() -> None:
    """One deadline for the whole exchange."""
    with dripping(HEADER) as url:
        settings = PrometheusSettings.model_validate({"url": url, "timeoutSeconds": 0.5})
        async with aiohttp.ClientSession() as session:
            with pytest.raises(PrometheusError, match="no answer within"):
                await Prometheus(session, settings).pod_joules(NOON)


async def test_an_exporter_that_drips_is_given_up_at_the_deadline() -> None:
    """The same for a scrape without Prometheus."""
    store = SampleStore(None, keep_seconds=3600, maximum_samples=1000)
    with dripping(HEADER) as url:
        port = urlsplit(url).port

        async def resolve(_host: str, _port: int) -> list[str]:
            return ["127.0.0.1"]

        settings = ScrapingSettings.model_validate(
            {"url": f"http://exporters.test:{port}/metrics", "timeoutSeconds": 0.5}
        )
        async with aiohttp.ClientSession() as session:
            exporters = Exporters(session, settings, store, lambda: NOON, resolve)
            await exporters.scrape()
    store.close()
    (state,) = exporters.exporters.values()
    assert state.failure == "no answer within 0.5 s"
