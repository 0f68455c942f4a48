"""Hindsight on a job whose deadline has passed: the best run that was possible.

Everything it needs except the grid's intensity and prices is in the status, so nothing is measured
again, and samples need not be kept until the deadline.
"""

from dataclasses import replace
from datetime import datetime

from lowtide.accounts.electricity import with_price_hindsight
from lowtide.accounts.figures import Measurement
from lowtide.accounts.savings import with_hindsight
from lowtide.grid.overhead import with_overhead
from lowtide.trainingjob.conditions import ConditionType, Reason, find
from lowtide.trainingjob.status import TrainingJobStatus
from lowtide_operator.decision.due import hindsight_due
from lowtide_operator.measuring.measure import SeenGrid
from lowtide_operator.objects.views import Fault, JobView
from lowtide_operator.settings import OperatorSettings


async def look_back(
    job: JobView,
    figures: Measurement | None,
    grid: SeenGrid,
    now: datetime,
    settings: OperatorSettings,
) -> Measurement | None:
    """Return an ended job's figures with the best possible run added, once it is known.

    `figures` are those just read, or `None`. `None` is returned if nothing is new.
    """
    status = _with_figures(job.status, figures)
    if isinstance(job.spec, Fault) or status.counterfactual is None:
        return figures
    due = hindsight_due(status, settings)
    is_new = figures is not None and figures.counterfactual is not None
    if not is_new and (due is None or not due[0] <= now < due[1]):
        return figures
    start, zone = status.counterfactual.baseline_start, status.carbon and status.carbon.zone
    intensity = prices = None
    if due is not None and now >= due[0] and start is not None and zone:
        intensity = await grid.seen_between(zone, start, due[0])
        prices = grid.paid_between(zone, start, due[0])
    pue = status.carbon and status.carbon.pue
    # Emissions carry the data centre's overhead; the bill is that of the metered energy.
    burdened = with_overhead(intensity, float(pue) if pue else None)
    known = with_hindsight(status, job.spec, burdened, settings.schedule)
    bill = with_price_hindsight(status, job.spec, intensity, prices, settings.schedule)
    if known == status.counterfactual and bill == status.electricity:
        return figures
    if figures is not None:
        return replace(figures, counterfactual=known, electricity=bill)
    measured = find(status.conditions, ConditionType.MEASURED)
    if measured is None or measured.status != "True":
        return None
    return Measurement(
        status="True",
        reason=Reason(measured.reason),
        message=measured.message,
        counterfactual=known,
        electricity=bill,
    )


def _with_figures(status: TrainingJobStatus, figures: Measurement | None) -> TrainingJobStatus:
    """Return the status with those sections of the figures that hindsight needs."""
    if figures is None:
        return status
    sections = {
        "energy": figures.energy,
        "carbon": figures.carbon,
        "counterfactual": figures.counterfactual,
        "electricity": figures.electricity,
    }
    return status.model_copy(
        update={name: section for name, section in sections.items() if section is not None}
    )
