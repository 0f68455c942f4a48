"""Overhead of the data centre (PUE) that is stated for a run: its spec counts before its zone."""

from typing import Final

from lowtide.grid.overhead import Overhead, OverheadKind
from lowtide.grid.overhead_settings import OverheadSettings
from lowtide.trainingjob.spec import TrainingJobSpec

AT_A_START: Final = Overhead(message="the PUE is measured once the job runs")
OWN_SOURCE: Final = "spec.grid.pue"


def stated_overhead(spec: TrainingJobSpec, given: OverheadSettings | None) -> Overhead | None:
    """Return the factor that the spec states, as an assumption, else the zone's settings.

    `None` where neither states a number; the settings may still hold a query.
    """
    if spec.grid.pue is not None:
        return Overhead(pue=float(spec.grid.pue), kind=OverheadKind.ASSUMED, source=OWN_SOURCE)
    return None if given is None else given.stated


def overhead_before_start(spec: TrainingJobSpec, given: OverheadSettings | None) -> Overhead | None:
    """Return the factor of a job that has not started: the stated one, as nothing is measured."""
    stated = stated_overhead(spec, given)
    if stated is None and given is not None and given.prometheus is not None:
        return AT_A_START
    return stated
