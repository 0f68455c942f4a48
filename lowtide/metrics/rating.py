"""Rating of a job against a reference set: index, letter per property, compound letter.

The reference set says whose indices the boundaries come from, for which task, data set and
environment, and how many rows are behind them; a rating always names it. A missing value has no
letter and makes the compound undefined, unless the caller asks to count it as the worst letter.
Source: docs/explanation/metrics.md#properties-and-weights to
docs/explanation/metrics.md#compound-letter.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Final

from lowtide.metrics.compound import Compound, Weighted, compound_letter
from lowtide.metrics.figure_domains import require_property
from lowtide.metrics.letters import (
    Letter,
    index_of,
    letter_of,
)
from lowtide.metrics.properties import PROPERTIES
from lowtide.metrics.reference import ReferenceSet
from lowtide.metrics.result import Mode, Result, Undefined
from lowtide.metrics.strep import compound_index, default_groups, group_weights

METHOD: Final = "index against a reference, letters by quantiles, Fischer et al. 2022"


class Missing(StrEnum):
    """What a missing value does to the compound letter."""

    UNDEFINED = "undefined"
    WORST = "worst"


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyRating:
    """Value, index and letter of one property, or the reason why it has no letter."""

    key: str
    value: float | None
    """In the property's unit."""
    index: float | None
    """Ratio to the reference's value; above 1 is better."""
    letter: Letter | None
    weight: Decimal
    """Weight in the compound letter; 0 leaves the property out of it."""
    reason: Undefined | None = None
    """Why there is no index; `None` where there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """All letters of a job and their compound."""

    properties: tuple[PropertyRating, ...]
    """One entry per property that the set rates, in the set's order."""
    letter: Letter | None
    """The compound letter; `None` exactly if `reason` is set."""
    reason: Undefined | None
    reference: ReferenceSet
    compound: Compound
    """How the letters became one."""
    missing: Missing
    """What a missing value did to the compound letter."""
    mode: Mode
    """Whose rules were followed."""

    def to_result(self) -> Result:
        """Return the compound as a result object; its value is 0 for A to 4 for E."""
        return Result(
            name="rating",
            value=None if self.letter is None else float(self.letter),
            unit="letter (0 = A, 4 = E)",
            reason=self.reason,
            parameters={
                "letter": None if self.letter is None else self.letter.name,
                "compound": self.compound,
                "missing": self.missing,
                "reference_set": self.reference.name,
                "reference": self.reference.reference,
                "dataset": self.reference.dataset,
                "environment": self.reference.environment,
                "rows": self.reference.rows,
                "properties": [
                    {
                        "property": p.key,
                        "unit": PROPERTIES[p.key].unit,
                        "value": p.value,
                        "index": p.index,
                        "letter": None if p.letter is None else p.letter.name,
                        "weight": str(p.weight),
                        "reason": p.reason,
                    }
                    for p in self.properties
                ],
            },
            mode=self.mode,
            method=METHOD,
        )


def rate(
    values: Mapping[str, float | None],
    reference: ReferenceSet,
    *,
    compound: Compound = Compound.OPTIMISTIC_MEDIAN,
    missing: Missing = Missing.UNDEFINED,
    mode: Mode = Mode.CORRECT,
) -> Rating:
    """Return the rating of a job's values, by property key and in the property's unit.

    In STREP mode the compound is the letter of the compound index with groups weighted alike; the
    set's own weights and `compound` are not used, and a missing value shows as A and counts 0.

    Raises:
        MetricError: out_of_domain for a negative or non-finite value or weight.
    """
    for key in reference.keys:
        require_property(key, values.get(key))
    rated = tuple(_rate_one(key, values.get(key), reference, mode) for key in reference.keys)
    if mode is Mode.STREP:
        return _rate_strep(rated, reference, compound)
    counted = [p for p in rated if p.weight > 0]
    first_missing = next((p.reason for p in counted if p.letter is None), None)
    reason = None
    if not counted:
        reason = Undefined.REFERENCE_MISSING
    elif first_missing is not None and missing is Missing.UNDEFINED:
        reason = first_missing
    letters: list[Weighted] = [
        (Letter.E if p.letter is None else p.letter, p.weight) for p in counted
    ]
    return Rating(
        properties=rated,
        letter=compound_letter(letters, compound, mode=mode) if reason is None else None,
        reason=reason,
        reference=reference,
        compound=compound,
        missing=missing,
        mode=mode,
    )


def _rate_strep(
    rated: tuple[PropertyRating, ...], reference: ReferenceSet, compound: Compound
) -> Rating:
    shares = group_weights(default_groups(tuple(p.key for p in rated)))
    index = compound_index({p.key: p.index for p in rated}, shares, mode=Mode.STREP)
    bounds = reference.strep_boundaries
    letter = None
    if index is not None and bounds is not None:
        letter = letter_of(index, bounds, mode=Mode.STREP)
    return Rating(
        properties=tuple(
            replace(
                p,
                letter=Letter.A if p.letter is None else p.letter,
                weight=Decimal(shares[p.key].numerator) / shares[p.key].denominator,
            )
            for p in rated
        ),
        letter=letter,
        reason=Undefined.REFERENCE_MISSING if letter is None else None,
        reference=reference,
        compound=compound,
        missing=Missing.UNDEFINED,
        mode=Mode.STREP,
    )


def _rate_one(key: str, value: float | None, reference: ReferenceSet, mode: Mode) -> PropertyRating:
    index = index_of(value, reference.values.get(key), PROPERTIES[key].better, mode=mode)
    known = None if isinstance(index, Undefined) else index
    return PropertyRating(
        key=key,
        value=value,
        index=known,
        letter=None if known is None else letter_of(known, reference.boundaries[key], mode=mode),
        weight=reference.weights.get(key, Decimal(0)),
        reason=index if isinstance(index, Undefined) else None,
    )
