"""Report of the trainer as the status holds it.

A termination message may hold anything; an unusable part is left out and named in one sentence,
which the figures that need it repeat.
"""

from collections.abc import Sequence

from lowtide.trainingjob.base import decimal_text
from lowtide.trainingjob.conditions import shortened
from lowtide.trainingjob.inference import inference_status
from lowtide.trainingjob.report import CheckpointInfo, EpochRecord, TrainingReport, parse_report
from lowtide.trainingjob.status import CheckpointStatus, EpochEntry, TrainingStatus


def training_status(message: str | None) -> TrainingStatus:
    """Return the training section made from a termination message."""
    parsed = parse_report(message)
    report = parsed.report
    said = parsed.faults
    if report is not None and report.error is not None:
        said = (f"the training failed: {report.error}", *said)
    faults = shortened("; ".join(said)) or None
    if report is None:
        return TrainingStatus(message=faults)
    return training_of(report, faults)


def training_of(report: TrainingReport, faults: str | None = None) -> TrainingStatus:
    """Return the training section made from a report; `faults` says what was wrong with it."""
    return TrainingStatus(
        model=report.model,
        dataset=report.dataset,
        epochs=report.epochs,
        epochs_planned=report.epochs_planned,
        samples=report.samples,
        samples_planned=report.samples_planned,
        tokens=report.tokens,
        parameters=report.parameters,
        accuracy=decimal_text(report.accuracy),
        accuracy_top5=decimal_text(report.accuracy_top5),
        loss=decimal_text(report.loss),
        training_seconds=decimal_text(report.training_seconds, 12),
        flops=None if report.flops is None else str(report.flops),
        framework=report.framework,
        device=report.device,
        seed=None if report.seed is None else str(report.seed),
        started_at=report.started_at,
        checkpoint=_checkpoint(report.checkpoint),
        inference=inference_status(report.inference),
        history=history_entries(report.history),
        message=faults,
    )


def history_entries(records: Sequence[EpochRecord]) -> tuple[EpochEntry, ...]:
    """Return the trainer's history for the status, without energy yet."""
    return tuple(
        EpochEntry(
            epoch=record.epoch,
            end=record.ended_at,
            seconds=_decimal(record.duration_seconds),
            accuracy=None if record.accuracy is None else _decimal(record.accuracy),
        )
        for record in records
    )


def _checkpoint(checkpoint: CheckpointInfo | None) -> CheckpointStatus | None:
    if checkpoint is None:
        return None
    return CheckpointStatus(
        saved_at=checkpoint.saved_at,
        batches=checkpoint.batches,
        size_bytes=checkpoint.size_bytes,
        duration_seconds=decimal_text(checkpoint.duration_seconds),
    )


def _decimal(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")
