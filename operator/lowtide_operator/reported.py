"""The trainer's report as the status holds it. Pure.

A termination message may hold anything; what cannot be used is left out and named in one sentence,
which the figures that need it repeat.
"""

from lowtide.trainingjob.base import decimal_text
from lowtide.trainingjob.report import parse_report
from lowtide.trainingjob.status import TrainingStatus
from lowtide_operator.conditions import shortened
from lowtide_operator.epochs import history_entries


def training_status(message: str | None) -> TrainingStatus:
    """Return the training section out of a termination message."""
    parsed = parse_report(message)
    report = parsed.report
    faults = shortened("; ".join(parsed.faults)) or None
    if report is None:
        return TrainingStatus(message=faults)
    return TrainingStatus(
        model=report.model,
        dataset=report.dataset,
        epochs=report.epochs,
        epochs_planned=report.epochs_planned,
        samples=report.samples,
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
        history=history_entries(report.history),
        message=faults,
    )
