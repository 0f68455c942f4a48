"""Settings of the operator: what holds for all jobs, and the sections of its parts.

Pydantic stays here: the rest of the operator gets these frozen objects and never a raw dict.
Every field has a default that works without an account, a key or a Prometheus; every number says
its unit. Secrets are never settings: a field names the file or variable that holds one.
"""

from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, model_validator

from lowtide.accounts.settings import (
    DEFAULT_EMBODIED,
    EmbodiedSettings,
    RatingSettings,
    UncertaintySettings,
)
from lowtide.grid.overhead_settings import OverheadSettings
from lowtide.grid.settings import ZoneSettings
from lowtide.prices.settings import ZonePriceSettings
from lowtide.trainingjob.base import ApiModel
from lowtide.trainingjob.schedule_settings import ScheduleSettings
from lowtide.trainingjob.spec import Price
from lowtide_operator.dispatch_settings import DispatcherSettings
from lowtide_operator.process_settings import (
    ClusterSettings,
    ForecastSettings,
    PredictionSettings,
    QueueSettings,
    ServerSettings,
)
from lowtide_operator.sample_settings import (
    MeasurementSettings,
    PrometheusSettings,
    ScrapingSettings,
)
from lowtide_operator.workload_settings import WorkloadSettings


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
    dispatcher: DispatcherSettings = Field(default_factory=DispatcherSettings)
    """Clusters for the workloads of a MultiKueue."""
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

    @model_validator(mode="after")
    def _dispatches_for_all(self) -> "OperatorSettings":
        if self.dispatcher.enabled and self.cluster.namespaces:
            raise ValueError(
                "dispatcher.enabled is true and cluster.namespaces set: Kueue has one dispatcher "
                "for all namespaces, and workloads of the others would wait for ever; leave out "
                "cluster.namespaces, or dispatcher.enabled"
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
