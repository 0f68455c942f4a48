"""Properties that jobs are rated by, with unit, good direction and weight.

Weights are the published defaults of Fischer et al. 2022, as decimals, because ratings decide ties
over exact numbers. The groups are those of STREP. Source:
docs/explanation/metrics.md#properties-and-weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final


class Direction(StrEnum):
    """Direction in which a figure gets better."""

    HIGHER = "higher"
    LOWER = "lower"


class Task(StrEnum):
    """Kind of work that was measured; boundaries belong to one task."""

    TRAINING = "training"
    INFERENCE = "inference"


class Group(StrEnum):
    """Groups that a pictogram or a compound index stands for."""

    QUALITY = "Quality"
    RESOURCES = "Resources"
    COMPLEXITY = "Complexity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """A figure that jobs are rated by."""

    key: str
    label: str
    """Name for people."""
    unit: str
    better: Direction
    weight: Decimal
    """Published default weight in the compound letter."""
    group: Group


def _property(
    key: str, label: str, unit: str, better: Direction, weight: str, group: Group
) -> Property:
    return Property(
        key=key, label=label, unit=unit, better=better, weight=Decimal(weight), group=group
    )


_LOWER, _HIGHER = Direction.LOWER, Direction.HIGHER

PROPERTIES: Final = {
    prop.key: prop
    for prop in (
        _property("parameters", "parameters", "million", _LOWER, "0.4", Group.COMPLEXITY),
        _property("operations", "operations", "GFLOP", _LOWER, "0.2", Group.COMPLEXITY),
        _property("file_size", "file size", "MB", _LOWER, "0.4", Group.COMPLEXITY),
        _property(
            "inference_energy", "inference energy", "J/sample", _LOWER, "0.7", Group.RESOURCES
        ),
        _property("inference_time", "inference time", "ms/sample", _LOWER, "0.3", Group.RESOURCES),
        _property(
            "training_energy_per_epoch",
            "training energy per epoch",
            "kWh/epoch",
            _LOWER,
            "0.2",
            Group.RESOURCES,
        ),
        _property("training_energy", "training energy", "kWh", _LOWER, "0.7", Group.RESOURCES),
        _property(
            "training_time_per_epoch",
            "training time per epoch",
            "h/epoch",
            _LOWER,
            "0.2",
            Group.RESOURCES,
        ),
        _property("training_time", "training time", "h", _LOWER, "0.3", Group.RESOURCES),
        _property("accuracy_top1", "top-1 accuracy", "fraction", _HIGHER, "0.8", Group.QUALITY),
        _property("accuracy_top5", "top-5 accuracy", "fraction", _HIGHER, "0.2", Group.QUALITY),
    )
}
"""All properties in the order that the compatible median needs (ties keep it)."""

_COMPLEXITY = ("parameters", "operations", "file_size")
_ACCURACY = ("accuracy_top1", "accuracy_top5")

TASK_PROPERTIES: Final = {
    Task.INFERENCE: (*_COMPLEXITY, "inference_energy", "inference_time", *_ACCURACY),
    Task.TRAINING: (
        *_COMPLEXITY,
        "training_energy_per_epoch",
        "training_energy",
        "training_time_per_epoch",
        "training_time",
        *_ACCURACY,
    ),
}
"""Keys of the properties of each task, in order."""


def training_values(
    *,
    energy_kwh: float | None,
    hours: float | None,
    epochs: float | None,
    accuracy: float | None,
    known: Mapping[str, float | None],
) -> dict[str, float | None]:
    """Return the rated properties of a training job, by key and in the properties' units.

    Per epoch where the number of finished epochs is known and above zero. The values in `known`
    (parameters, file size, top-5 accuracy) take precedence.
    """
    return {
        "training_energy": energy_kwh,
        "training_time": hours,
        "accuracy_top1": accuracy,
        "training_energy_per_epoch": (
            energy_kwh / epochs if energy_kwh is not None and epochs else None
        ),
        "training_time_per_epoch": (hours / epochs if hours is not None and epochs else None),
        **known,
    }


def inference_values(
    *,
    joules_per_sample: float | None,
    seconds_per_sample: float | None,
    accuracy: float | None,
    known: Mapping[str, float | None],
) -> dict[str, float | None]:
    """Return the rated properties of an inference, by key and in the properties' units.

    The values in `known` (parameters, file size, top-5 accuracy) take precedence.
    """
    return {
        "inference_energy": joules_per_sample,
        "inference_time": None if seconds_per_sample is None else 1000 * seconds_per_sample,
        "accuracy_top1": accuracy,
        **known,
    }


DEFAULT_WEIGHTS: Final = {key: prop.weight for key, prop in PROPERTIES.items()}
