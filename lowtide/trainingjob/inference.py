"""Inference in the status of a TrainingJob: what was answered between two marks, and its energy.

The marks exclude the warm-up and the loading of the model. A figure that cannot be had is absent,
and `message` says why.
"""

from pydantic import Field

from lowtide.trainingjob.base import (
    ApiModel,
    Count,
    LongText,
    PositiveDecimal,
    Timestamp,
    decimal_text,
)
from lowtide.trainingjob.inference_record import InferenceRecord

RATE_DIGITS = 6


class InferenceStatus(ApiModel):
    """inference is what a process answered between two marks that exclude its warm-up."""

    start: Timestamp = Field(description="start is the first mark: the end of the warm-up.")
    end: Timestamp = Field(description="end is the second mark: the end of the last request.")
    warmup_requests: Count = Field(
        description="warmupRequests is how many requests came before start and count nowhere."
    )
    requests: Count = Field(description="requests is how many were answered between the marks.")
    samples: Count | None = Field(default=None, description="samples is how many were in them.")
    tokens: Count | None = Field(
        default=None, description="tokens is how many were read or generated."
    )
    latency_mean_seconds: PositiveDecimal | None = Field(
        default=None, description="latencyMeanSeconds is the mean time of a request."
    )
    latency_p50_seconds: PositiveDecimal | None = Field(
        default=None, description="latencyP50Seconds is the time that half of the requests kept."
    )
    latency_p95_seconds: PositiveDecimal | None = Field(
        default=None, description="latencyP95Seconds is the time that 95 of 100 requests kept."
    )
    latency_p99_seconds: PositiveDecimal | None = Field(
        default=None, description="latencyP99Seconds is the time that 99 of 100 requests kept."
    )
    requests_per_second: PositiveDecimal | None = Field(
        default=None, description="requestsPerSecond is the throughput between the marks."
    )
    samples_per_second: PositiveDecimal | None = Field(
        default=None, description="samplesPerSecond is the throughput in samples."
    )
    tokens_per_second: PositiveDecimal | None = Field(
        default=None, description="tokensPerSecond is the throughput in tokens."
    )
    joules: Count | None = Field(
        default=None, description="joules is what the job's pods used between the marks."
    )
    joules_per_request: PositiveDecimal | None = Field(
        default=None, description="joulesPerRequest is joules over requests."
    )
    joules_per_sample: PositiveDecimal | None = Field(
        default=None, description="joulesPerSample is joules over samples."
    )
    joules_per_token: PositiveDecimal | None = Field(
        default=None, description="joulesPerToken is joules over tokens."
    )
    message: LongText | None = Field(
        default=None, description="message says why joules is absent, or how sharp it is."
    )

    @property
    def seconds(self) -> float:
        """Return the time between the marks."""
        return (self.end - self.start).total_seconds()


def inference_status(record: InferenceRecord | None) -> InferenceStatus | None:
    """Return the section of a reported inference, without its energy yet."""
    if record is None:
        return None
    seconds = (record.ended_at - record.started_at).total_seconds()

    def rate(count: int | None) -> str | None:
        return decimal_text(count / seconds, RATE_DIGITS) if count is not None and seconds else None

    return InferenceStatus(
        start=record.started_at,
        end=record.ended_at,
        warmup_requests=record.warmup_requests,
        requests=record.requests,
        samples=record.samples,
        tokens=record.tokens,
        latency_mean_seconds=decimal_text(record.latency_mean_seconds),
        latency_p50_seconds=decimal_text(record.latency_p50_seconds),
        latency_p95_seconds=decimal_text(record.latency_p95_seconds),
        latency_p99_seconds=decimal_text(record.latency_p99_seconds),
        requests_per_second=rate(record.requests),
        samples_per_second=rate(record.samples),
        tokens_per_second=rate(record.tokens),
    )
