"""Settings of the operator as a process: its queue, its way to the cluster, its own servers."""

from typing import Annotated

from pydantic import Field, model_validator

from lowtide.names import OPERATOR_HEALTH_PORT, OPERATOR_METRICS_PORT, TRAINER_METRICS_PORT
from lowtide.trainingjob.base import ApiModel
from lowtide.trainingjob.schedule_settings import PositiveSeconds


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
    """Namespace of the Lease without which the operator writes nothing. The chart sets it; in a pod
    the operator refuses to start without it. Absent: no Lease, right only on a machine outside the
    cluster, where no other operator serves the same namespaces."""
    lease_name: Annotated[str, Field(min_length=1, max_length=253)] = "lowtide-operator"
    """Name of the Lease; operators that serve the same namespaces share one."""
    lease_seconds: Annotated[int, Field(ge=3, le=300)] = 12
    """How long a Lease lasts after its last renewal: the longest time without a leader after
    one died, plus leaseRetrySeconds."""
    lease_retry_seconds: Annotated[float, Field(ge=1, le=60)] = 2
    """Distance between two renewals, and between two looks of a standby."""

    claim_seconds: Annotated[int, Field(ge=3, le=3600)] = 300
    """How long a claim on a namespace lasts after its last renewal, and so how long another
    installation waits before it serves the namespaces of one that is gone. Only with a Lease."""

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
