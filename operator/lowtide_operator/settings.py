"""Settings of the operator: one YAML file, single fields overridden by the environment.

Pydantic stays here: the rest of the operator gets these frozen objects and never a raw dict.
Every field has a default that works without an account, a key or a Prometheus; every number says
its unit. Secrets are never settings: a field names the file or variable that holds one.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import yaml
from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator

from lowtide.accounts.settings import (
    DEFAULT_EMBODIED,
    EmbodiedSettings,
    RatingSettings,
    UncertaintySettings,
)
from lowtide.grid.headers import PlainHeaders
from lowtide.grid.overhead_settings import OverheadSettings
from lowtide.grid.settings import ZoneSettings
from lowtide.names import OPERATOR_HEALTH_PORT, OPERATOR_METRICS_PORT, TRAINER_METRICS_PORT
from lowtide.prices.settings import ZonePriceSettings
from lowtide.trainingjob.base import ApiModel
from lowtide.trainingjob.schedule_settings import PositiveSeconds, ScheduleSettings, Seconds
from lowtide.trainingjob.spec import Price
from lowtide_operator.workload_settings import WorkloadSettings

ENV_SETTINGS: Final = "LOWTIDE_SETTINGS"
ENV_PREFIX: Final = "LOWTIDE_OPERATOR_"
SECTION_SEPARATOR: Final = "__"


class OperatorSettingsError(Exception):
    """The settings cannot be used; the message names the field, the value and what is allowed."""


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


class ForecastSettings(ApiModel):
    """How zones are asked for their intensity."""

    refresh_seconds: PositiveSeconds = 300
    """Distance between two fetches of a zone's forecast and newest actual values."""
    retry_seconds: PositiveSeconds = 30
    """Distance to the next try after a failed fetch; doubles up to refreshSeconds."""
    fetch_timeout_seconds: PositiveSeconds = 60
    """Longest time for one fetch of a zone, all its providers together."""
    compare_seconds: PositiveSeconds = 3_600
    """Distance between two comparisons of a zone's providers by what plans based on their forecasts
    would have saved; a clearly better one is asked first after 14 days of evidence."""


class QueueSettings(ApiModel):
    """The work queue."""

    workers: Annotated[int, Field(ge=1, le=200)] = 20
    """Jobs that are planned, started and followed at the same time."""
    measuring_workers: Annotated[int, Field(ge=1, le=50)] = 4
    """Ended jobs whose energy is read at the same time; they never delay the others."""
    backoff_first_seconds: PositiveSeconds = 1
    """Upper bound of the first wait after an error; doubles, with full jitter."""
    backoff_maximum_seconds: PositiveSeconds = 300
    """Upper bound of all further waits after errors."""
    resync_seconds: PositiveSeconds = 1_200
    """Every job is looked at again within this time, spread evenly."""
    stuck_seconds: PositiveSeconds = 300
    """The operator calls itself unhealthy when a job has waited in the queue for this long."""


class ClusterSettings(ApiModel):
    """Talking to the API server."""

    namespaces: Annotated[tuple[str, ...], Field(max_length=256)] = ()
    """Namespaces to serve; empty: all."""
    request_timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 30
    """Longest time for one request."""
    pod_poll_seconds: PositiveSeconds = 15
    """Distance between two looks at the pods of a started job that does not run yet."""
    running_look_seconds: PositiveSeconds = 300
    """Distance between two looks at a running job, for its energy so far and its deadline."""
    lease_namespace: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Namespace of the Lease without which the operator writes nothing; absent: no Lease, right
    only where one operator runs. The chart sets it."""
    lease_name: Annotated[str, Field(min_length=1, max_length=253)] = "lowtide-operator"
    """Name of the Lease; operators that serve the same namespaces share one."""
    lease_seconds: Annotated[int, Field(ge=3, le=300)] = 12
    """How long a Lease lasts after its last renewal: the longest time without a leader after
    one died, plus leaseRetrySeconds."""
    lease_retry_seconds: Annotated[float, Field(ge=1, le=60)] = 2
    """Distance between two renewals, and between two looks of a standby."""

    @model_validator(mode="after")
    def _renewed_in_time(self) -> "ClusterSettings":
        if self.lease_seconds * 2 / 3 <= 1.2 * self.lease_retry_seconds:
            raise ValueError(
                f"leaseSeconds {self.lease_seconds} is too short for leaseRetrySeconds "
                f"{self.lease_retry_seconds:g}: it must be more than 1.8 times as long"
            )
        return self


class PredictionSettings(ApiModel):
    """Predictions of running jobs, from what their pods report."""

    report_port: Annotated[int, Field(ge=0, le=65535)] = TRAINER_METRICS_PORT
    """Port of the training's own page in its pod; 0: no pod is asked."""
    period_seconds: Annotated[float, Field(ge=0.1, le=3_600)] = 30
    """Distance between two questions to a running training, and for the energy so far."""
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 2
    """Longest time for one answer."""


class ServerSettings(ApiModel):
    """The operator's own HTTP servers."""

    metrics_port: Annotated[int, Field(ge=0, le=65535)] = OPERATOR_METRICS_PORT
    """Port of /metrics; 0 takes any free one."""
    metrics_authentication: bool = False
    """Show /metrics only for a bearer token whose owner may `get` the path /metrics by the API
    server's word; the chart's operator.metricsAuthentication sets it."""
    health_port: Annotated[int, Field(ge=0, le=65535)] = OPERATOR_HEALTH_PORT
    """Port of /healthz."""
    loop_lag_seconds: PositiveSeconds = 10
    """The operator calls itself unhealthy when its event loop is late by this much."""
    job_series_seconds: PositiveSeconds = 86_400
    """How long an ended job keeps series of its own on /metrics; afterwards it is in the sums."""
    log_level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = "info"
    """Least severity of log lines."""
    log_format: Annotated[str, Field(pattern="^(text|json)$")] = "text"
    """Form of log lines."""


class OperatorSettings(ApiModel):
    """All settings of the operator."""

    default_zone: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Zone of jobs that name none; default: the only zone there is."""
    zones: Annotated[dict[str, ZoneSettings], Field(max_length=64)] = Field(default_factory=dict)
    """Grid zones by name, with their providers."""
    prices: Annotated[dict[str, ZonePriceSettings], Field(max_length=64)] = Field(
        default_factory=dict
    )
    """What electricity costs in these zones, by name."""
    pue: Annotated[dict[str, OverheadSettings], Field(max_length=64)] = Field(default_factory=dict)
    """Overhead of the data centre (PUE) behind these zones, by name; absent: not included."""
    capacity_gpus: Annotated[int, Field(ge=0)] | None = None
    """GPUs that planned jobs may use at the same time; absent: not limited."""
    capacity_from_nodes: bool = False
    """Without capacityGpus: as many as the nodes offer (allocatable) and other pods do not hold,
    by resource name, counted once a minute; needs the right to list nodes and pods, which the
    chart gives with it."""
    schedule: ScheduleSettings = Field(default_factory=ScheduleSettings)
    """Defaults of jobs."""
    forecast: ForecastSettings = Field(default_factory=ForecastSettings)
    """Fetching of grid data."""
    prometheus: PrometheusSettings = Field(default_factory=PrometheusSettings)
    """Source of the energy samples."""
    exporters: ScrapingSettings = Field(default_factory=ScrapingSettings)
    """The same without Prometheus, for small clusters: the operator scrapes for itself."""
    measurement: MeasurementSettings = Field(default_factory=MeasurementSettings)
    """Reading of energy after the end."""
    embodied: Annotated[dict[str, EmbodiedSettings], Field(max_length=256)] = Field(
        default_factory=lambda: dict(DEFAULT_EMBODIED)
    )
    """Embodied emissions by GPU model as the exporter names it; `default` is for all others."""
    price: Price | None = None
    """Price of jobs that state none."""
    rating: RatingSettings = Field(default_factory=RatingSettings)
    """Letters A to E."""
    uncertainty: UncertaintySettings = Field(default_factory=UncertaintySettings)
    """The range of the score."""
    workloads: WorkloadSettings = Field(default_factory=WorkloadSettings)
    """Workloads of other controllers that TrainingJobs may name."""
    prediction: PredictionSettings = Field(default_factory=PredictionSettings)
    """Predictions of running jobs."""
    queue: QueueSettings = Field(default_factory=QueueSettings)
    """The work queue."""
    cluster: ClusterSettings = Field(default_factory=ClusterSettings)
    """Talking to the API server."""
    server: ServerSettings = Field(default_factory=ServerSettings)
    """The operator's own HTTP servers."""
    history_directory: Path | None = None
    """Directory where seen intensity, and samples that the operator scraped itself, are kept across
    restarts; absent: in memory only."""

    @model_validator(mode="after")
    def _default_zone_exists(self) -> "OperatorSettings":
        if self.default_zone is not None and self.default_zone not in self.zones:
            known = ", ".join(sorted(self.zones)) or "none"
            raise ValueError(
                f"defaultZone {self.default_zone!r} is not among the zones ({known}): add it there"
            )
        return self

    @model_validator(mode="after")
    def _prices_and_overheads_have_a_zone(self) -> "OperatorSettings":
        for what, given in (("prices are", self.prices), ("pue is", self.pue)):
            strange = sorted(set(given) - set(self.zones))
            if strange:
                raise ValueError(
                    f"{what} given for {strange[0]!r}, which is not among the zones "
                    f"({', '.join(sorted(self.zones)) or 'none'}): add it there"
                )
        return self

    @model_validator(mode="after")
    def _one_source_of_samples(self) -> "OperatorSettings":
        if self.prometheus.url is not None and self.exporters.url is not None:
            raise ValueError(
                "prometheus.url and exporters.url are both set: samples come from one of them, "
                "leave out exporters.url where there is a Prometheus"
            )
        return self

    @property
    def scrape_interval_seconds(self) -> float:
        """Return the distance between two samples of an exporter."""
        if self.exporters.url is not None:
            return self.exporters.scrape_interval_seconds
        return self.prometheus.scrape_interval_seconds

    @property
    def zone_of_unmarked_jobs(self) -> str | None:
        """Return the zone of jobs that name none."""
        if self.default_zone is None and len(self.zones) == 1:
            return next(iter(self.zones))
        return self.default_zone


RELOADABLE: Final = frozenset(
    {
        "default_zone",
        "schedule",
        "measurement",
        "embodied",
        "price",
        "pue",
        "capacity_gpus",
        "rating",
        "uncertainty",
    }
)
"""Fields that take effect without a restart; a warning names the others."""


def load_settings(
    path: Path | None, environment: Mapping[str, str] = os.environ
) -> OperatorSettings:
    """Return the settings in the file at `path`, overridden by the environment.

    A variable `LOWTIDE_OPERATOR_PROMETHEUS__URL` sets `prometheus.url`; values are read as YAML.

    Raises:
        OperatorSettingsError: the file cannot be read, is no YAML mapping, or a field is wrong.
    """
    document: dict[str, Any] = {}
    if path is not None:
        document = _read(path)
    for variable in sorted(environment):
        if variable.startswith(ENV_PREFIX):
            _override(document, variable, environment[variable])
    try:
        return OperatorSettings.model_validate(document)
    except ValidationError as error:
        raise OperatorSettingsError("; ".join(_sentences(error))) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OperatorSettingsError(f"settings file {path}: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise OperatorSettingsError(f"settings file {path} is not YAML: {reason}") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise OperatorSettingsError(
            f"settings file {path} holds no mapping: it must begin with field names"
        )
    return document


def _override(document: dict[str, Any], variable: str, text: str) -> None:
    """Set the field that `variable` names; both spellings of a field are the same field."""
    *sections, field = variable.removeprefix(ENV_PREFIX).lower().split(SECTION_SEPARATOR)
    place = document
    for section in sections:
        place = place.setdefault(_spelling(place, section), {})
        if not isinstance(place, dict):
            raise OperatorSettingsError(
                f"{variable} names a field inside {section}, which is no section"
            )
    try:
        place[_spelling(place, field)] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise OperatorSettingsError(f"{variable}: {' '.join(str(error).split())}") from None


def _spelling(place: Mapping[str, Any], snake: str) -> str:
    """Return the key of `place` that means `snake`: its camelCase twin if that is there."""
    first, *rest = snake.split("_")
    camel = first + "".join(part.capitalize() for part in rest)
    return camel if camel in place else snake


def _sentences(error: ValidationError) -> list[str]:
    clauses = []
    for fault in error.errors(include_url=False)[:8]:
        path = ".".join(str(part) for part in fault["loc"]) or "settings"
        if fault["type"] == "extra_forbidden":
            clauses.append(f"{path} is not a setting")
            continue
        message = fault["msg"].removeprefix("Value error, ")
        value = "" if isinstance(fault["input"], dict) else f" (value {fault['input']!r:.80})"
        clauses.append(f"{path}: {message}{value}")
    return clauses
