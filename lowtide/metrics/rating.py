"""Rates a job against a reference set: index, letter per property, compound letter.

The reference set says whose indices the boundaries come from, for which task, data set and
environment, and how many rows are behind them; a rating always names it. A missing value has no
letter and makes the compound undefined, unless the caller asks to count it as the worst letter.
Source: metrics paper, section 7.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final

from lowtide.metrics.compound import Compound, Weighted, compound_letter
from lowtide.metrics.letters import (
    Boundaries,
    Letter,
    best_of,
    boundaries_from,
    check_boundaries,
    index_of,
    letter_of,
)
from lowtide.metrics.properties import DEFAULT_WEIGHTS, PROPERTIES, TASK_PROPERTIES, Task
from lowtide.metrics.result import MetricError, Mode, Refusal, Result, Undefined

METHOD: Final = "index against a reference, letters by quantiles, Fischer et al. 2022"


class Missing(StrEnum):
    """What a missing value does to the compound letter."""

    UNDEFINED = "undefined"
    WORST = "worst"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceSet:
    """What ratings compare with.

    `values` are the reference's own values by property, `boundaries` four descending numbers by
    property, `weights` decimals by property. `rows` counts the measurements behind the boundaries.
    """

    name: str
    task: Task
    dataset: str
    environment: str
    reference: str
    values: Mapping[str, float]
    boundaries: Mapping[str, Boundaries]
    rows: int
    source: str
    weights: Mapping[str, Decimal] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))

    @property
    def keys(self) -> tuple[str, ...]:
        """The properties that it rates, in order."""
        return tuple(key for key in TASK_PROPERTIES[self.task] if key in self.boundaries)

    def to_json(self) -> dict[str, Any]:
        """Return the set as a file holds it; weights as decimal texts."""
        return {
            "name": self.name,
            "task": str(self.task),
            "dataset": self.dataset,
            "environment": self.environment,
            "reference": self.reference,
            "values": dict(self.values),
            "boundaries": {key: list(bounds) for key, bounds in self.boundaries.items()},
            "weights": {key: str(weight) for key, weight in self.weights.items()},
            "rows": self.rows,
            "source": self.source,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyRating:
    """One property's value, index and letter, or the reason why there is none."""

    key: str
    value: float | None
    index: float | None
    letter: Letter | None
    weight: Decimal
    reason: Undefined | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """All letters of a job and their compound."""

    properties: tuple[PropertyRating, ...]
    letter: Letter | None
    reason: Undefined | None
    reference: ReferenceSet
    compound: Compound
    missing: Missing
    mode: Mode

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

    Raises:
        MetricError: out_of_domain for a negative or non-finite value or weight.
    """
    rated = tuple(_rate_one(key, values.get(key), reference, mode) for key in reference.keys)
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


def build_reference(
    rows: Sequence[Mapping[str, float | None]],
    *,
    name: str,
    task: Task,
    dataset: str,
    environment: str,
    source: str,
    reference: str = "best of the group",
    values: Mapping[str, float | None] | None = None,
    weights: Mapping[str, Decimal] | None = None,
) -> ReferenceSet:
    """Return a reference set with boundaries from the rows of one task and environment.

    `values` are those of the named reference model; without them the best value of the group is
    the reference. A property with fewer than five indices is not rated.

    Raises:
        MetricError: out_of_domain for a negative or non-finite value.
    """
    chosen: dict[str, float] = {}
    boundaries: dict[str, Boundaries] = {}
    for key in TASK_PROPERTIES[task]:
        column = [row.get(key) for row in rows]
        better = PROPERTIES[key].better
        ref = best_of(column, better) if values is None else values.get(key)
        if ref is None:
            continue
        bounds = boundaries_from(_known(index_of(value, ref, better) for value in column))
        if bounds is not None:
            chosen[key], boundaries[key] = ref, bounds
    return ReferenceSet(
        name=name,
        task=task,
        dataset=dataset,
        environment=environment,
        reference=reference,
        values=chosen,
        boundaries=boundaries,
        rows=len(rows),
        source=source,
        weights=dict(DEFAULT_WEIGHTS if weights is None else weights),
    )


def parse_reference(data: Mapping[str, Any]) -> ReferenceSet:
    """Return the reference set that a file or ConfigMap holds (`ReferenceSet.to_json`).

    Raises:
        MetricError: out_of_domain, naming the field that is missing or impossible.
    """
    try:
        task = Task(data["task"])
        boundaries = {
            str(key): check_boundaries([float(b) for b in bounds])
            for key, bounds in data["boundaries"].items()
        }
        weights = {str(k): Decimal(str(w)) for k, w in data.get("weights", {}).items()}
        unknown = sorted((set(boundaries) | set(weights)) - set(PROPERTIES))
        if unknown:
            raise MetricError(
                Refusal.OUT_OF_DOMAIN, "reference set", f"{unknown[0]} is no property that is rated"
            )
        return ReferenceSet(
            name=str(data["name"]),
            task=task,
            dataset=str(data["dataset"]),
            environment=str(data["environment"]),
            reference=str(data["reference"]),
            values={str(k): float(v) for k, v in data["values"].items()},
            boundaries=boundaries,
            rows=int(data["rows"]),
            source=str(data["source"]),
            weights={**DEFAULT_WEIGHTS, **weights},
        )
    except MetricError:
        raise
    except KeyError as error:
        raise MetricError(
            Refusal.OUT_OF_DOMAIN, "reference set", f"the reference set has no field {error}"
        ) from error
    except (TypeError, ValueError, AttributeError, InvalidOperation) as error:
        raise MetricError(
            Refusal.OUT_OF_DOMAIN, "reference set", f"the reference set cannot be read: {error}"
        ) from error


def _known(indices: Iterable[float | Undefined]) -> list[float]:
    return [index for index in indices if not isinstance(index, Undefined)]
