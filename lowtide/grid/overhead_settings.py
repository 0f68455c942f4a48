"""The pue section of the settings: the overhead of the data centre behind a zone.

A factor is a number that somebody states, or the answer of a query to a Prometheus that holds it.
Whether it was measured or is assumed travels with it to every figure that it touches.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lowtide.grid.overhead import LARGEST_PUE, Overhead, OverheadKind
from lowtide.grid.provider_settings import GridSettings, QuerySettings


class OverheadSettings(GridSettings):
    """Power usage effectiveness (PUE): energy of the data centre over that of its computers."""

    value: Annotated[float, Field(ge=1, le=LARGEST_PUE, allow_inf_nan=False)] | None = None
    """The factor as a number, such as 1.25."""
    kind: Literal["Measured", "Assumed"] = "Assumed"
    """Whether the number was measured in this data centre, as its yearly mean, or is assumed."""
    source: str = Field(default="settings", min_length=1, max_length=200)
    """Where the number comes from, shown in the status."""
    prometheus: QuerySettings | None = None
    """A query instead of a number; its mean over the running time counts, and is measured."""

    @model_validator(mode="after")
    def _number_or_query(self) -> Self:
        if (self.value is None) == (self.prometheus is None):
            raise ValueError("give exactly one of value and prometheus")
        if self.prometheus is not None and self.model_fields_set & {"kind", "source"}:
            raise ValueError("kind and source belong to a value: what a query answers is measured")
        return self

    @property
    def stated(self) -> Overhead | None:
        """The factor that the settings state as a number."""
        if self.value is None:
            return None
        return Overhead(pue=self.value, kind=OverheadKind(self.kind), source=self.source)
