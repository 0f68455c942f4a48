"""Domains of the figures of a job: which numbers, texts and times each of them may hold.

Pure. Every refusal is a `MetricError` that names the figure and shows the value that was given.
"""

from datetime import datetime
from math import isfinite
from typing import Final

from lowtide.metrics.domain import require_accuracy, require_at_least
from lowtide.metrics.properties import PROPERTIES
from lowtide.metrics.result import MetricError, Refusal
from lowtide.units import parse_timestamp

NOT_NEGATIVE: Final = (
    "energy_joules",
    "duration_seconds",
    "cost_amount",
    "operational_grams",
    "embodied_grams",
    "sci_grams_per_unit",
    "sci_low",
    "sci_high",
    "run_seconds",
    "functional_units",
    "epochs",
    "epochs_planned",
    "reference_rows",
    "run_now_grams",
    "stated_power_watts",
    "stated_grams_per_kwh",
    "resolution_seconds",
    "embodied_total_grams",
)
CHOICES: Final = {
    "energy_kind": ("Measured", "Modelled", "Mixed"),
    "signal": ("Average", "Marginal"),
    "factor": ("direct", "life-cycle", "unknown"),
    "cost_kind": ("instance", "electricity"),
    "pue_kind": ("Measured", "Assumed"),
    "label": ("A", "B", "C", "D", "E"),
}
"""Texts that a field may hold."""
DIFFERENCES: Final = (
    "avoided_grams",
    "avoided_percent",
    "electricity_paid",
    "electricity_saved",
    "electricity_saved_percent",
)
"""Figures of `JobFigures` that may be negative."""
TEXTS: Final = (
    "name",
    "functional_unit",
    "sci_range_basis",
    "label_reason",
    "reference",
    "zone",
    "intensity_source",
    "model",
    "dataset",
    "environment",
    "uid",
    "embodied_source",
    "pue_source",
    "boundary_text",
)
AGREEMENT_RATIO: Final = 0.01
"""Difference up to which two statements of the same figure agree, as in `lowtide explain`."""


def require_property(key: str, value: float | None) -> None:
    """Refuse a value that no property of this name can have.

    Raises:
        MetricError: the key is unknown, or the value is outside the property's domain.
    """
    prop = PROPERTIES.get(key)
    if prop is None:
        raise out_of_domain("properties", f"{key!r:.40} is not a rated property")
    if value is None:
        return
    if prop.unit == "fraction":
        require_accuracy(value, key)
    else:
        require_at_least(key, value)


def require_currency(name: str, currency: str | None) -> None:
    """Refuse a currency that is no ISO 4217 code.

    Raises:
        MetricError: it is not three capital letters.
    """
    if currency is not None and not (
        len(currency) == 3 and currency.isascii() and currency.isupper()
    ):
        raise out_of_domain(
            name, f"{name} is {currency!r:.40}, expected three capitals such as USD"
        )


def require_agreement(name: str, stated: float, computed: float, source: str) -> None:
    """Refuse a figure that differs by more than `AGREEMENT_RATIO` from the one of `source`.

    Raises:
        MetricError: they differ by more, or the computed one is not finite.
    """
    allowed = AGREEMENT_RATIO * max(abs(stated), abs(computed))
    if not isfinite(computed) or abs(stated - computed) > allowed:
        raise out_of_domain(name, f"{name} is {stated:g}, but {source} is {computed:g}")


def moment_of(name: str, text: str) -> datetime:
    """Return the time that an RFC 3339 text gives.

    Raises:
        MetricError: the text is not such a time.
    """
    try:
        return parse_timestamp(text)
    except (ValueError, OverflowError) as error:
        raise out_of_domain(name, f"{name} is {text!r:.40}, not an RFC 3339 time") from error


def out_of_domain(name: str, message: str) -> MetricError:
    """Return the error by which the figure `name` is refused."""
    return MetricError(Refusal.OUT_OF_DOMAIN, name, message)
