"""Settings of the dispatcher of a MultiKueue: whether it runs, what it knows of the clusters."""

from typing import Annotated

from pydantic import Field

from lowtide.trainingjob.base import ApiModel
from lowtide.trainingjob.schedule_settings import PositiveSeconds

ClusterName = Annotated[str, Field(min_length=1, max_length=256)]
ZoneName = Annotated[str, Field(min_length=1, max_length=63)]
CostPerGigabyte = Annotated[float, Field(ge=0, le=1e9)]


class DispatcherSettings(ApiModel):
    """Nomination of clusters for the workloads of a MultiKueue."""

    enabled: bool = False
    """Nominate clusters, as the dispatcher lowtide.dev/dispatcher that Kueue's configuration names;
    the chart's dispatcher.enabled sets it with the rights."""
    widen_seconds: PositiveSeconds = 300
    """How long a workload waits for quota in the nominated clusters before one more is nominated;
    as long as Kueue's own incremental dispatcher."""
    zones: Annotated[dict[ClusterName, ZoneName], Field(max_length=1024)] = Field(
        default_factory=dict
    )
    """Grid zones of MultiKueueClusters by name; they go before the annotation lowtide.dev/zone."""
    grams_per_gigabyte: CostPerGigabyte | None = None
    """Emissions of moving a gigabyte to another zone, for jobs that say where their data are."""
    price_per_gigabyte: CostPerGigabyte | None = None
    """Money for moving a gigabyte to another zone, in the currency of the prices."""
