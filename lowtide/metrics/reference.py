"""Reference sets that ratings compare with, built from rows or read from a file.

A set says whose indices the boundaries come from, for which task, data set and environment, and how
many rows are behind them. It is frozen: a rating against it can be repeated. Source:
docs/explanation/metrics.md#index and docs/explanation/metrics.md#letters.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from lowtide.metrics.domain import require_at_least
from lowtide.metrics.letters import (
    Boundaries,
    best_of,
    boundaries_from,
    check_boundaries,
    index_of,
)
from lowtide.metrics.properties import DEFAULT_WEIGHTS, PROPERTIES, TASK_PROPERTIES, Task
from lowtide.metrics.result import MetricError, Mode, Refusal, Undefined
from lowtide.metrics.strep import compound_index, default_groups, group_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceSet:
    """Values and boundaries that jobs of one task, data set and environment are rated against."""

    name: str
    task: Task
    dataset: str
    environment: str
    """As `environment_name` writes it; without a framework the set is for all frameworks."""
    reference: str
    """Name of the model whose values have index 1."""
    values: Mapping[str, float]
    """The reference's own values by property, in the property's unit."""
    boundaries: Mapping[str, Boundaries]
    """Four numbers that do not rise, by property."""
    rows: int
    """Number of measurements behind the boundaries."""
    source: str
    weights: Mapping[str, Decimal] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    strep_boundaries: Boundaries | None = None
    """Boundaries of STREP's compound index; `None` with too few rows."""

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
            **(
                {}
                if self.strep_boundaries is None
                else {"strep_boundaries": list(self.strep_boundaries)}
            ),
        }


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
    compounds = _strep_compounds(rows, chosen)
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
        strep_boundaries=boundaries_from(compounds),
    )


def _strep_compounds(
    rows: Sequence[Mapping[str, float | None]], references: Mapping[str, float]
) -> list[float]:
    """Return STREP's compound index of every row; a missing index counts 0 there."""
    shares = group_weights(default_groups(tuple(references)))
    found = []
    for row in rows:
        indices: dict[str, float | None] = {}
        for key, reference in references.items():
            index = index_of(row.get(key), reference, PROPERTIES[key].better)
            indices[key] = None if isinstance(index, Undefined) else index
        compound = compound_index(indices, shares, mode=Mode.STREP)
        if compound is not None:
            found.append(compound)
    return found


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
                Refusal.OUT_OF_DOMAIN, "reference set", f"{unknown[0]} is not a rated property"
            )
        values = {str(k): float(v) for k, v in data["values"].items()}
        for field_name, numbers in (("weights", weights), ("values", values)):
            for key, number in numbers.items():
                require_at_least(f"{field_name}.{key} of the reference set", float(number))
        return ReferenceSet(
            name=str(data["name"]),
            task=task,
            dataset=str(data["dataset"]),
            environment=str(data["environment"]),
            reference=str(data["reference"]),
            values=values,
            boundaries=boundaries,
            rows=int(data["rows"]),
            source=str(data["source"]),
            weights={**DEFAULT_WEIGHTS, **weights},
            strep_boundaries=(
                check_boundaries([float(b) for b in data["strep_boundaries"]])
                if data.get("strep_boundaries") is not None
                else None
            ),
        )
    except MetricError:
        raise
    except KeyError as error:
        raise MetricError(
            Refusal.OUT_OF_DOMAIN, "reference set", f"the reference set has no field {error}"
        ) from error
    except (TypeError, ValueError, AttributeError, OverflowError, InvalidOperation) as error:
        raise MetricError(
            Refusal.OUT_OF_DOMAIN, "reference set", f"the reference set cannot be read: {error}"
        ) from error


def _known(indices: Iterable[float | Undefined]) -> list[float]:
    return [index for index in indices if not isinstance(index, Undefined)]
