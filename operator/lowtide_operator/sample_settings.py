"""Settings of the samples: where they are stored, how they are read and what is made of them."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, field_validator

from lowtide.grid.headers import PlainHeaders
from lowtide.trainingjob.base import ApiModel
from lowtide.trainingjob.schedule_settings import PositiveSeconds, Seconds


def _plain_url(url: str | None, example: str) -> str | None:
    """Return a URL without a slash at its end, `None` for an empty one.

    Raises:
        ValueError: it is not an http(s) URL, or holds more than an address and a path.
    """
    if url is None or not url:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"must be an http or https URL, for example {example}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must not contain credentials, a query or a fragment")
    return url.rstrip("/")


class PrometheusSettings(ApiModel):
    """Where the exporter's samples are stored."""

    # A token pasted in the wrong place must not reach a log.
    model_config = ConfigDict(hide_input_in_errors=True)

    url: str | None = None
    """Base URL, http or https; absent: jobs complete without energy figures."""
    timeout_seconds: Annotated[float, Field(gt=0, le=120)] = 10
    """Longest time for one query."""
    maximum_body_bytes: Annotated[int, Field(ge=1024)] = 64 * 1024 * 1024
    """Answers larger than this are refused instead of filling the memory."""
    chunk_seconds: PositiveSeconds = 21_600
    """Samples are fetched in ranges of this length; 6 h."""
    scrape_interval_seconds: PositiveSeconds = 30
    """Distance between two scrapes of the exporter; judges gaps in the samples."""
    exporter_labels: Annotated[dict[str, str], Field(max_length=16)] = Field(default_factory=dict)
    """Labels that Prometheus gives to the exporters' targets, for example `job`; series of other
    targets are not taken. Absent: all targets are."""
    token_file: Path | None = None
    """File with a bearer token, read at every query; absent: none is sent."""
    ca_file: Path | None = None
    """PEM certificates that its https is checked against; default: the system's."""
    headers: PlainHeaders = Field(default_factory=dict)
    """Sent with every query, such as X-Scope-OrgID for Mimir and Cortex; nothing secret."""

    @field_validator("url")
    @classmethod
    def _plain_url(cls, url: str | None) -> str | None:
        return _plain_url(url, "http://prometheus:9090")


class ScrapingSettings(ApiModel):
    """The exporters, scraped by the operator itself where there is no Prometheus."""

    url: str | None = None
    """Metrics page, http or https; every address of its host name is an exporter."""
    timeout_seconds: Annotated[float, Field(gt=0, le=120)] = 5
    """Longest time for one exporter's page."""
    maximum_body_bytes: Annotated[int, Field(ge=1024)] = 4 * 1024 * 1024
    """Pages larger than this are refused; 1,000 ended pods need about half of it."""
    scrape_interval_seconds: Annotated[float, Field(ge=0.1, le=300)] = 15
    """Distance between two scrapes of an exporter."""
    keep_seconds: PositiveSeconds = 1_209_600
    """Samples of a pod are kept this long after it was last seen; 14 days."""
    maximum_samples: Annotated[int, Field(ge=1_000)] = 2_000_000
    """Samples kept at most, about 30 bytes each; then the timing of long runs becomes coarser."""
    credentials_file: Path | None = None
    """File with one line `user:password` for exporters that ask for it."""
    ca_file: Path | None = None
    """PEM certificates that exporters with https are checked against; default: the system's."""

    @field_validator("url")
    @classmethod
    def _plain_url(cls, url: str | None) -> str | None:
        return _plain_url(url, "http://lowtide-exporter.lowtide.svc:9400/metrics")


class MeasurementSettings(ApiModel):
    """When the energy of a finished job is read."""

    poll_seconds: PositiveSeconds = 10
    """Distance between two looks for the end markers of the pods."""
    settle_seconds: PositiveSeconds = 180
    """Longest wait for the end markers; then the samples that exist are taken."""
    reprice_seconds: PositiveSeconds = 1_800
    """Distance between two tries to replace estimated grid values by actual ones."""
    reprice_until_seconds: Seconds = 21_600
    """How long after the end estimated values are replaced; 6 h."""
