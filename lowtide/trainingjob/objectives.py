"""Objective of a job: what its spec, its namespace and the settings ask for, and what can be had.

Prices that are away never stop or delay a job: it is planned by carbon alone, and the plan says so.
Only a job that asks for what nothing can give (Both without a price per tonne) is at fault. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lowtide.planning.objective import CARBON, Objective, ObjectiveKind
from lowtide.prices.forecast import PriceForecast
from lowtide.trainingjob.schedule import ObjectiveChoice
from lowtide.trainingjob.schedule_settings import ScheduleSettings
from lowtide.trainingjob.spec import TrainingJobSpec


@dataclass(frozen=True, slots=True)
class ObjectiveInForce:
    """What a job is planned by, and why it is not what was asked for."""

    objective: Objective
    note: str | None = None


CARBON_ALONE: Final = ObjectiveInForce(CARBON)


@dataclass(frozen=True, slots=True)
class AskedObjective:
    """What is asked for, before it is known whether it can be had."""

    kind: ObjectiveKind
    price_per_tonne: float | None = None
    currency: str | None = None
    """Currency of the price per tonne, where it is stated."""

    @property
    def needs_prices(self) -> bool:
        """Return whether electricity prices would count."""
        return self.kind is not ObjectiveKind.CARBON

    @property
    def fault(self) -> str | None:
        """Return why it cannot be, whatever is known of a zone."""
        if self.kind is not ObjectiveKind.BOTH or self.price_per_tonne is not None:
            return None
        return (
            "spec.schedule.objective is Both, which weighs grams by a price per tonne, and none is "
            "given: set spec.schedule.objective.pricePerTonne, or the settings' "
            "schedule.objective.pricePerTonne"
        )

    def in_force(self, prices: PriceForecast | None, trouble: str | None) -> ObjectiveInForce:
        """Return what a job is planned by with these prices; `trouble` says why there are none."""
        if not self.needs_prices:
            return CARBON_ALONE
        if prices is None:
            return ObjectiveInForce(CARBON, trouble or "no price is known")
        if self.kind is ObjectiveKind.COST:
            return ObjectiveInForce(Objective(ObjectiveKind.COST))
        if self.price_per_tonne is None:
            return ObjectiveInForce(CARBON, "no price per tonne is given")
        if self.currency not in (None, prices.currency):
            return ObjectiveInForce(
                CARBON,
                f"the price per tonne is in {self.currency} and the prices of zone {prices.zone} "
                f"in {prices.currency}: nothing is converted",
            )
        return ObjectiveInForce(Objective(ObjectiveKind.BOTH, self.price_per_tonne))


def asked_objective(
    spec: TrainingJobSpec, namespace: str, settings: ScheduleSettings
) -> AskedObjective:
    """Return kind and price per tonne, each from the first of job, namespace and settings."""
    choices = list(_choices(spec, namespace, settings))
    kind = next((one.kind for one in choices if one.kind is not None), ObjectiveKind.CARBON)
    if kind is not ObjectiveKind.BOTH:
        return AskedObjective(kind)
    for one in choices:
        if one.price_per_tonne is not None:
            return AskedObjective(kind, float(one.price_per_tonne), one.currency)
    return AskedObjective(kind)


def _choices(
    spec: TrainingJobSpec, namespace: str, settings: ScheduleSettings
) -> Iterator[ObjectiveChoice]:
    for one in (spec.schedule.objective, settings.namespace_objectives.get(namespace)):
        if one is not None:
            yield one
    yield settings.objective
