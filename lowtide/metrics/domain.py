"""Checks that every metric makes on its inputs, with one sentence per refusal.

NaN and infinity are refused everywhere. A wrong number is named and never coerced.
"""

import unicodedata
from math import isfinite
from typing import Final

from lowtide.metrics.result import MetricError, Refusal

LONGEST_TEXT: Final = 4096
"""Characters; the longest text that a status holds is far shorter."""
BIDI_CONTROLS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that reorder the text around them, so that a reader sees another name."""


def require_finite(field: str, value: float) -> float:
    """Return `value` if it is a finite number.

    Raises:
        MetricError: out_of_domain.
    """
    if not isfinite(value):
        raise _out(field, value, "a finite number")
    return value


def require_at_least(field: str, value: float, least: float = 0) -> float:
    """Return `value` if it is finite and not below `least`.

    Raises:
        MetricError: out_of_domain.
    """
    if not (isfinite(value) and value >= least):
        raise _out(field, value, f"a number of at least {least:g}")
    return value


def require_above(field: str, value: float, bound: float = 0) -> float:
    """Return `value` if it is finite and above `bound`.

    Raises:
        MetricError: out_of_domain.
    """
    if not (isfinite(value) and value > bound):
        raise _out(field, value, f"a number above {bound:g}")
    return value


def require_ratio(field: str, value: float) -> float:
    """Return `value` if it lies in [0, 1].

    Raises:
        MetricError: out_of_domain.
    """
    if not (isfinite(value) and 0 <= value <= 1):
        raise _out(field, value, "between 0 and 1")
    return value


def require_accuracy(value: float, field: str = "accuracy") -> float:
    """Return `value` if it is an accuracy as a fraction.

    Raises:
        MetricError: out_of_domain for NaN and infinity, else accuracy_not_fraction.
    """
    require_finite(field, value)
    if not 0 <= value <= 1:
        hint = f"; write {value / 100:g} for {value:g} %" if 1 < value <= 100 else ""
        raise MetricError(
            Refusal.ACCURACY_NOT_FRACTION,
            field,
            f"{field} is {value:g}, but it must be a fraction between 0 and 1{hint}",
        )
    return value


def require_text(field: str, text: str) -> None:
    """Refuse a text that is too long or that a terminal would obey instead of show.

    Raises:
        MetricError: out_of_domain.
    """
    if len(text) > LONGEST_TEXT:
        raise _text_error(field, f"{field} has {len(text)} characters, more than {LONGEST_TEXT}")
    # `isprintable` is decided in C; most texts end here.
    if text.isprintable():
        return
    for character in text:
        category = unicodedata.category(character)
        if category in ("Cc", "Cs") or character in BIDI_CONTROLS:
            raise _text_error(field, f"{field} holds the control character U+{ord(character):04X}")


def _text_error(field: str, message: str) -> MetricError:
    return MetricError(Refusal.OUT_OF_DOMAIN, field, message)


def _out(field: str, value: float, right: str) -> MetricError:
    return MetricError(
        Refusal.OUT_OF_DOMAIN, field, f"{field} is {value:g}, but it must be {right}"
    )
