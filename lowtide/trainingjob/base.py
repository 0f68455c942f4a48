"""Base of all API models: camelCase on the wire, unknown fields refused, aware UTC times.

pydantic lives here and nowhere below: code that decides gets frozen dataclasses made from these.
"""

import decimal
from datetime import datetime
from math import isfinite
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from lowtide.trainingjob.report_values import MAX_COUNT

DECIMAL_PATTERN = r"^-?[0-9]+(\.[0-9]+)?$"
NON_NEGATIVE_DECIMAL_PATTERN = r"^[0-9]+(\.[0-9]+)?$"
DECIMAL_MAX_LENGTH: Final = 32


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


def _require_int64(number: int) -> int:
    """Return `number` if the API server could have stored it.

    Raises:
        ValueError: it takes more than 64 bits.
    """
    if number > MAX_COUNT:
        raise ValueError(f"a whole number is at most {MAX_COUNT}")
    return number


def _require_offset(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no offset: write UTC, ending in Z")
    return moment


Timestamp = Annotated[datetime, AfterValidator(_require_offset)]
"""An aware time; on the wire RFC 3339 `date-time`."""

Decimal = Annotated[str, Field(pattern=DECIMAL_PATTERN, max_length=DECIMAL_MAX_LENGTH)]
"""A decimal number as text, because the API conventions forbid floats."""

PositiveDecimal = Annotated[
    str, Field(pattern=NON_NEGATIVE_DECIMAL_PATTERN, max_length=DECIMAL_MAX_LENGTH)
]
"""A decimal number >= 0 as text."""

ShortText = Annotated[str, Field(max_length=256)]
LongText = Annotated[str, Field(max_length=1024)]
Count = Annotated[int, Field(ge=0), AfterValidator(_require_int64)]


def decimal_text(value: float | None, digits: int = 7) -> str | None:
    """Return a number as decimal text with so many significant digits, never with an exponent.

    `None` for what is not known, not finite, or needs more than 32 characters. Digits, not places,
    are kept, because grams per floating-point operation begin sixteen places after the point.
    """
    if value is None or not isfinite(value):
        return None
    text = format(decimal.Decimal(f"{value + 0.0:.{digits - 1}e}"), "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    if len(text) <= DECIMAL_MAX_LENGTH:
        return text
    return decimal_text(value, digits - 1) if digits > 1 else None


def ratio_text(ratio: float) -> str:
    """Return a share of a whole as decimal text with four places, as every status states it."""
    return f"{ratio:.4f}"


def tenths_text(value: float | None) -> str | None:
    """Return a number as decimal text with one place.

    `None` for what is not known, not finite, or needs more than 32 characters: a percentage of next
    to nothing.
    """
    if value is None or not isfinite(value):
        return None
    text = f"{value:.1f}"
    return text if len(text) <= DECIMAL_MAX_LENGTH else None


def grams_text(grams: float | None) -> str | None:
    """Return a mass as decimal text: four places from a gram on, seven digits below.

    `None` for what is not known.
    """
    if grams is None or not 0 < abs(grams) < 1:
        return None if grams is None else f"{grams:.4f}"
    return decimal_text(grams)


def difference_text(minuend: str | None, subtrahend: str | None) -> str | None:
    """Return the exact difference of two decimal texts: what is stated follows from what is stated.

    `None` where one is not known.
    """
    if minuend is None or subtrahend is None:
        return None
    difference = decimal.Decimal(minuend) - decimal.Decimal(subtrahend)
    text = format(difference, "f")
    return text if len(text) <= DECIMAL_MAX_LENGTH else decimal_text(float(difference))
