"""Electricity bill of an ended job: energy at the zone's prices in time, and what waiting saved.

It stands beside `cost`, which multiplies with one price; the two are never added. Nothing here
enters the SCI, which counts what the grid emitted and no contract. A currency is stated and never
converted.
"""

from typing import Annotated

from pydantic import Field

from lowtide.trainingjob.base import ApiModel, Decimal, LongText, PositiveDecimal, ShortText


class ElectricityStatus(ApiModel):
    """electricity is what the energy cost at the zone's prices in time; it may be negative."""

    currency: Annotated[str, Field(max_length=3)] = Field(
        description="currency is the ISO 4217 code of all amounts."
    )
    source: ShortText | None = Field(
        default=None, description="source names the provider of the prices."
    )
    paid: Decimal | None = Field(
        default=None,
        description=(
            "paid is the sum of metered energy times price in time, fees and taxes included; the "
            "data centre's overhead is not in it."
        ),
    )
    mean_price_per_kwh: Decimal | None = Field(
        default=None, description="meanPricePerKwh is paid per kilowatt-hour, for display."
    )
    run_now: Decimal | None = Field(
        default=None, description="runNow is what the same run would have cost at submission."
    )
    saved: Decimal | None = Field(
        default=None, description="saved is runNow minus paid; negative stays negative."
    )
    saved_percent: Decimal | None = Field(
        default=None, description="savedPercent is saved in percent of runNow."
    )
    objective: ShortText | None = Field(
        default=None, description="objective is what the plan minimised: Carbon, Cost or Both."
    )
    price_per_tonne: PositiveDecimal | None = Field(
        default=None, description="pricePerTonne is what a tonne counted, for Both."
    )
    weighed: Decimal | None = Field(
        default=None,
        description="weighed is the objective in money: paid, for Both with the emissions' price.",
    )
    run_now_weighed: Decimal | None = Field(
        default=None, description="runNowWeighed is the same of running at submission."
    )
    least_weighed: Decimal | None = Field(
        default=None,
        description=(
            "leastWeighed is the least that was possible under the same constraints, known once "
            "the deadline has passed."
        ),
    )
    reach_percent: Decimal | None = Field(
        default=None,
        description="reachPercent is the share of the possible saving of the objective realised.",
    )
    message: LongText | None = Field(
        default=None, description="message says why a figure is absent."
    )
