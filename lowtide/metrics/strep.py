"""STREP's compound: index values joined first, the letter taken afterwards.

Index 1 is the best of the group. By default each group (Quality, Resources, Complexity) weighs the
same and properties weigh the same inside their group. In STREP mode a missing index counts 0 and
its median returns the element before the median; in correct mode a missing index makes the compound
undefined and the median is the weighted median. Source:
docs/explanation/metrics.md#compound-letter.
"""

from collections.abc import Mapping
from fractions import Fraction
from itertools import accumulate
from math import fsum

from lowtide.metrics.properties import PROPERTIES
from lowtide.metrics.result import Mode


def group_weights(keys: Mapping[str, str]) -> dict[str, Fraction]:
    """Return weights from property to group: each group equal, equal inside a group."""
    groups = sorted(set(keys.values()))
    sizes = {group: sum(g == group for g in keys.values()) for group in groups}
    return {key: Fraction(1, len(groups) * sizes[group]) for key, group in keys.items()}


def default_groups(keys: tuple[str, ...]) -> dict[str, str]:
    """Return the group of each property."""
    return {key: str(PROPERTIES[key].group) for key in keys}


def compound_index(
    indices: Mapping[str, float | None],
    weights: Mapping[str, Fraction],
    *,
    median: bool = False,
    mode: Mode = Mode.CORRECT,
) -> float | None:
    """Return the weighted mean (or median) of a row's indices; `None` where it is undefined."""
    counted = {key: weight for key, weight in weights.items() if weight > 0}
    if mode is not Mode.STREP and any(indices.get(key) is None for key in counted):
        return None
    pairs = [(indices.get(key) or 0.0, weight) for key, weight in counted.items()]
    if not pairs:
        return None
    if not median:
        total = sum(weight for _, weight in pairs)
        return fsum(index * float(weight / total) for index, weight in pairs)
    return _median(pairs, before=mode is Mode.STREP)


def _median(pairs: list[tuple[float, Fraction]], *, before: bool) -> float:
    ordered = sorted(pairs, key=lambda pair: pair[0])
    half = sum(weight for _, weight in ordered) / 2
    reached = list(accumulate(weight for _, weight in ordered))
    for position, cumulative in enumerate(reached):
        index = ordered[position][0]
        if cumulative == half:
            return (index + ordered[position + 1][0]) / 2
        passed = reached[position + 1] > half if before and cumulative < half else False
        if cumulative > half or passed:
            return index
    raise AssertionError("weights above zero always pass their half")
