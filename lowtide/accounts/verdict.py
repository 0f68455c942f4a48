"""Verdict on the figures of an ended job: reason and message of its condition Measured.

Pure. Everything that is missing is named: energy, intensity and end markers.
"""

from collections.abc import Iterable
from typing import Final

from lowtide.energy.carbon import CarbonResult
from lowtide.energy.job import JobEnergy
from lowtide.grid.overhead import Overhead
from lowtide.trainingjob.base import ratio_text
from lowtide.trainingjob.conditions import Reason
from lowtide.trainingjob.status import Attempt
from lowtide.units import format_coverage

COVERAGE_ENOUGH: Final = 0.95
"""Below this share of the running time the figures are called partial
(docs/explanation/energy.md#from-samples-to-a-jobs-joules)."""


def verdict_on(
    energy: JobEnergy, carbon: CarbonResult | None, overhead: Overhead | None = None
) -> tuple[Reason, str]:
    """Return reason and message of Measured for a job whose energy is known."""
    parts = []
    reason = Reason.MEASURED
    if carbon is None or carbon.grams is None:
        reason = Reason.NOT_PRICED
        share = 0.0 if carbon is None else carbon.covered_ratio
        parts.append(
            f"the grid's intensity is known for {format_coverage(share)} of the energy only, so "
            "carbon and SCI are not reported"
        )
    elif carbon.estimated_ratio > 0:
        reason = Reason.PROVISIONAL
        parts.append(
            f"{100 * carbon.estimated_ratio:.0f} % of the energy is priced with estimated "
            "intensity until actual values arrive"
        )
    if overhead is not None and overhead.message is not None:
        # Asked for again like an estimated intensity: what is away now may answer later.
        reason = Reason.PROVISIONAL if reason is Reason.MEASURED else reason
        parts.append(f"carbon leaves out the data centre's overhead: {overhead.message}")
    covered = float(ratio_text(energy.energy_coverage_ratio))  # as the status states it
    if energy.pods_without_series or covered < COVERAGE_ENOUGH:
        reason = Reason.PARTIAL if reason is Reason.MEASURED else reason
        parts.append(f"energy is known for {format_coverage(covered)} of the running time")
    if not energy.final and not energy.pods_without_series:
        parts.append(
            "the end markers of some pods were not stored; their last seconds may be missing"
        )
    return reason, "; ".join(parts)


def message_without_series(attempts: Iterable[Attempt]) -> str:
    """Return the message of Measured for a job without any energy series."""
    pods = [pod for attempt in attempts for pod in attempt.pods if pod.start is not None]
    if not pods:
        return "no energy series for any pod of this job; carbon and SCI are not reported"
    first = pods[0]
    where = f" on node {first.node}" if first.node else ""
    others = f" and {len(pods) - 1} more" if len(pods) > 1 else ""
    return (
        f"no energy series for pod {first.name}{where}{others}: no exporter ran there, or "
        "it was not scraped in time; carbon and SCI are not reported"
    )
