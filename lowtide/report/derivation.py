"""Derivation of one figure from its inputs, compared with the stated one.

A stated figure and its inputs are rounded where they are written, so both are compared within what
their rounding can make of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Final

from lowtide.metrics.letters import Letter
from lowtide.units import format_significant

ROUNDING_RATIO: Final = 0.01
"""Status holds rounded decimals; a stated figure within one percent of its inputs agrees."""
ROUNDING: Final = {"%": 0.5, "J": 1.0, "W": 0.05, "g/kWh": 0.05}
"""Tolerance of a stated figure in its own unit, beside the ratio above."""
HALF_JOULE: Final = 0.5
"""Rounding of an energy: status holds whole joules."""
WHOLE_JOULES: Final[Mapping[str, float]] = {"energy": HALF_JOULE}
"""Rounding of the inputs of a step that takes an energy in joules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """One figure: its formula with the numbers, its value and the stated one."""

    name: str
    """The figure."""
    formula: str
    """Formula with its numbers; empty where an input is missing."""
    value: float | None
    """Result; `None` where an input is missing."""
    unit: str
    """Unit of `value` and `stated`."""
    stated: float | None
    """Figure that the record states."""
    agrees: bool | None
    """Whether both are the same within rounding; `None` where one is missing."""
    missing: tuple[str, ...] = ()
    """Names of the missing inputs."""
    letters: bool = False
    """Whether `value` and `stated` number letters, 0 for A to 4 for E."""

    @property
    def text(self) -> str:
        """Return the result for people; empty where there is none."""
        return "" if self.value is None else self._shown(self.value)

    @property
    def stated_text(self) -> str:
        """Return the stated figure for people; empty where there is none."""
        return "" if self.stated is None else self._shown(self.stated)

    def _shown(self, value: float) -> str:
        if self.letters:
            return Letter(round(value)).name
        return f"{format_significant(value, 5)} {self.unit}".rstrip()


def make_step(
    name: str,
    formula: str,
    unit: str,
    inputs: Mapping[str, float | None],
    compute: Callable[[Mapping[str, float]], float],
    stated: float | None,
    slack: float = 0.0,
    *,
    rounding: Mapping[str, float] | None = None,
) -> Derivation:
    """Return a step: `formula` names `inputs` in braces, `compute` gets those that are known.

    A stated figure agrees within one percent, or within the rounding of its unit and the larger of
    `slack` and what the formula makes of the `rounding` of its inputs (half of an input's last
    digit, by its name).
    """
    known = {key: value for key, value in inputs.items() if value is not None}
    missing = tuple(key for key, value in inputs.items() if value is None)
    value = None if missing else _finite(compute, known)
    if value is not None:
        slack = max(slack, _carried(value, compute, known, rounding or {}))
    return Derivation(
        name=name,
        formula=formula.format(**{key: number_text(v) for key, v in known.items()})
        if not missing
        else "",
        value=value,
        unit=unit,
        stated=stated,
        agrees=None if value is None or stated is None else _agree(value, stated, unit, slack),
        missing=missing,
    )


def _finite(
    compute: Callable[[Mapping[str, float]], float], known: Mapping[str, float]
) -> float | None:
    """Return what a formula gives, `None` where that is beyond the range of numbers."""
    try:
        value = compute(known)
    except (OverflowError, ZeroDivisionError):
        return None
    return value if isfinite(value) else None


def _carried(
    value: float,
    compute: Callable[[Mapping[str, float]], float],
    known: Mapping[str, float],
    rounding: Mapping[str, float],
) -> float:
    """Return by how much the rounding of the inputs can have moved a value."""
    moved = (
        (_finite(compute, {**known, key: known[key] + sign * half}) for sign in (-1, 1))
        for key, half in rounding.items()
    )
    return sum(max((abs(v - value) for v in both if v is not None), default=0.0) for both in moved)


def _agree(value: float, stated: float, unit: str, slack: float) -> bool:
    allowed = max(ROUNDING_RATIO * abs(stated), ROUNDING.get(unit, 0.0) + slack)
    return abs(value - stated) <= allowed


def number_text(value: float) -> str:
    """Return a number as a formula shows it."""
    return format_significant(value, 6)
