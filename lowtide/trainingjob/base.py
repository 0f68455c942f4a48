"""What all API models share: camelCase on the wire, unknown fields refused, aware UTC times.

pydantic lives here and nowhere below: code that decides gets frozen dataclasses made from these.
"""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from lowtide.units import format_timestamp

DECIMAL_PATTERN = r"^-?[0-9]+(\.[0-9]+)?$"
NON_NEGATIVE_DECIMAL_PATTERN = r"^[0-9]+(\.[0-9]+)?$"


class ApiModel(BaseModel):
    """Base of every TrainingJob type."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True
    )

    def to_api(self) -> dict[str, Any]:
        """Return the object as the API server stores it: camelCase, nothing absent or empty."""
        dumped = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        without: dict[str, Any] = _without_empty_lists(dumped)
        return without


def _without_empty_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_empty_lists(child) for key, child in value.items() if child != []}
    return [_without_empty_lists(child) for child in value] if isinstance(value, list) else value


def _require_offset(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no offset: write UTC, ending in Z")
    return moment


Timestamp = Annotated[datetime, AfterValidator(_require_offset)]
"""An aware time; on the wire RFC 3339 `date-time`."""

Decimal = Annotated[str, Field(pattern=DECIMAL_PATTERN, max_length=32)]
"""A decimal number as text, because the API conventions forbid floats."""

PositiveDecimal = Annotated[str, Field(pattern=NON_NEGATIVE_DECIMAL_PATTERN, max_length=32)]
"""A decimal number >= 0 as text."""


def timestamp_text(moment: datetime) -> str:
    """Return the text of `moment` in status fields."""
    return format_timestamp(moment)
