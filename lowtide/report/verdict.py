"""The answer to "which run was better, and by how much?" as one sentence."""

from lowtide.metrics.comparison import Comparison
from lowtide.metrics.group_comparison import GroupComparison, RunGroup
from lowtide.metrics.groups import MeanDifference
from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.likeness import Circumstance
from lowtide.metrics.properties import Direction
from lowtide.metrics.quantities import Quantity, quantity
from lowtide.units import format_significant

SAME_POINTS = 0.05
"""Accuracies that print alike are called the same."""
LESS = {
    "energy": "used {} less energy",
    "time": "took {} less time",
    "cost": "cost {} less",
    "mean power": "drew {} less power",
    "operational": "emitted {} less in operation",
    "carbon": "emitted {} less carbon",
    "SCI": "has an SCI {} lower",
    "accuracy": "is {} points more accurate",
    "SAM": "has a SAM {} higher",
}
MOST = {
    "energy": "used the least energy",
    "time": "took the least time",
    "cost": "cost the least",
    "mean power": "drew the least power",
    "operational": "emitted the least in operation",
    "carbon": "emitted the least carbon",
    "SCI": "has the lowest SCI",
    "accuracy": "is the most accurate",
    "SAM": "has the highest SAM",
}


def better_first(of: Quantity, value: float | None) -> tuple[bool, float]:
    """Return a key that puts the best value first and an unknown one last."""
    if value is None:
        return True, 0.0
    return False, -value if of.better is Direction.HIGHER else value


def verdict_of_runs(comparison: Comparison, by: Quantity) -> str:
    """Return which run was best in a quantity, by how much, and at what accuracy.

    Only runs whose difference from the baseline is allowed take part.
    """
    base = comparison.baseline
    if len(comparison.jobs) == 1:
        return f"{base.name} is the only run: name a second one to compare it with"
    if by.read(base) is None:
        return f"no verdict: {by.name} of {base.name} is unknown"
    rivals = [job for job in comparison.candidates if comparison.change(by, job).value is not None]
    if not rivals:
        return f"no verdict: no run can be compared with {base.name} in {by.name}"
    best = min((base, *rivals), key=lambda job: better_first(by, by.read(job)))
    if best is base:
        best_rival = min(rivals, key=lambda job: better_first(by, by.read(job)))
        if by.read(best_rival) == by.read(base):
            return f"{base.name} and {best_rival.name} are equal in {by.name}"
        percent = comparison.change(by, best_rival).value or 0.0
        points = comparison.points(best_rival)
        return (
            f"{base.name} {MOST[by.name]}: the next, {best_rival.name}, is at "
            f"{_amount(by, percent, points, signed=True)}{_at_accuracy(by, points)}"
            + _caveat(comparison, by, best_rival)
        )
    difference = comparison.change(by, best)
    points = comparison.points(best)
    amount = _amount(by, difference.value or 0.0, points)
    return (
        f"{best.name} {LESS[by.name].format(amount)} than {base.name}"
        f"{_at_accuracy(by, points)}; one run each, so no range" + _caveat(comparison, by, best)
    )


def verdict_of_groups(comparison: GroupComparison, by: Quantity) -> str:
    """Return which group was best in a quantity, by how much, with its range."""
    base = comparison.baseline
    found = [
        (group, figure.difference)
        for group in comparison.groups
        if group is not base and (figure := comparison.figure(by, group)).difference is not None
    ]
    differing = [(group, difference) for group, difference in found if difference is not None]
    if not differing:
        return f"no verdict: no group can be compared with {base.name} in {by.name}"
    sign = -1 if by.better is Direction.HIGHER else 1
    group, difference = min(differing, key=lambda pair: sign * pair[1].value)
    accuracy = comparison.figure(quantity("accuracy"), group).difference
    if sign * difference.value >= 0:
        return (
            f"{base.name} {MOST[by.name]}: the next, {group.name}, is at {_range(by, difference)}"
        )
    amount, ends = _group_amount(by, difference)
    clear = "" if difference.is_clear or difference.low is None else "; the range holds zero"
    return (
        f"{group.name} {LESS[by.name].format(amount)} than {base.name}"
        f"{_at_group_accuracy(by, accuracy)}{ends}{clear}" + _group_caveat(comparison, by, group)
    )


def _amount(by: Quantity, percent: float, points: float | None, *, signed: bool = False) -> str:
    if by.name == "accuracy":
        shown = 0.0 if points is None else points
        return f"{shown:+.1f} points" if signed else format_significant(abs(shown), 2)
    return f"{percent:+.1f} %" if signed else f"{abs(percent):.1f} %"


def _at_accuracy(by: Quantity, points: float | None) -> str:
    if by.name == "accuracy":
        return ""
    if points is None:
        return " (accuracy not compared)"
    if abs(points) < SAME_POINTS:
        return " at the same accuracy"
    return f" with {abs(points):.1f} points {'more' if points > 0 else 'less'} accuracy"


def _caveat(comparison: Comparison, by: Quantity, job: JobFigures) -> str:
    alike = comparison.likeness(by, job)
    return _named((*alike.different, *alike.half_known))


def _named(circumstances: tuple[Circumstance, ...]) -> str:
    if not circumstances:
        return ""
    return f" (not known to be the same: {', '.join(c.words for c in circumstances)})"


def _group_amount(by: Quantity, difference: MeanDifference) -> tuple[str, str]:
    """Return the amount, and its range where there is one, both without a sign."""
    unit = "" if by.name == "accuracy" else " %"
    amount = f"{abs(difference.value):.1f}{unit}"
    if difference.low is None or difference.high is None:
        return amount, "; no range from single runs"
    flip = difference.value < 0
    low, high = sorted(
        (-difference.low, -difference.high) if flip else (difference.low, difference.high)
    )
    return amount, f", 95 % range {low:.1f} to {high:.1f}{unit or ' points'}"


def _range(by: Quantity, difference: MeanDifference) -> str:
    unit = "points" if by.name == "accuracy" else "%"
    text = f"{difference.value:+.1f} {unit}"
    if difference.low is None or difference.high is None:
        return text
    return f"{text}, 95 % range {difference.low:+.1f} to {difference.high:+.1f} {unit}"


def _at_group_accuracy(by: Quantity, points: MeanDifference | None) -> str:
    if by.name == "accuracy":
        return ""
    if points is None:
        return " (accuracy not compared)"
    if points.low is None or points.high is None:
        return _at_accuracy(by, points.value)
    if not points.is_clear:
        ends = f"{points.low:+.1f} to {points.high:+.1f} points"
        return f" with no clear difference in accuracy ({ends})"
    return _at_accuracy(by, points.value)


def _group_caveat(comparison: GroupComparison, by: Quantity, group: RunGroup) -> str:
    return _named(comparison.figure(by, group).named)
