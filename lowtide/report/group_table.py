"""Table of groups of runs as text: means with their spread, their changes, and the verdict last.

The change of a group is that of its mean against the baseline's, with its 95 % range. Text only:
colour and width are the caller's arguments.
"""

from collections.abc import Sequence

from lowtide.metrics.group_comparison import GroupComparison, GroupFigure, RunGroup
from lowtide.metrics.groups import ASSUMPTION, TEST, MeanDifference
from lowtide.metrics.properties import Direction
from lowtide.metrics.quantities import Quantity
from lowtide.report.comparison import (
    BASELINE,
    HEADERS,
    default_quantity,
    difference_lines,
    shown_quantities,
    wrapped_lines,
)
from lowtide.report.figure_texts import NUMBERS, format_spread
from lowtide.report.run_table import DASH, Block, Painter, TableCell, lines_of, plain_text
from lowtide.report.verdict import better_first, verdict_of_groups


def render_groups(
    comparison: GroupComparison,
    *,
    by: Quantity | None = None,
    width: int = 80,
    paint: Painter = plain_text,
) -> str:
    """Return the comparison of groups as text of at most `width` columns, the verdict last."""
    every = [job for group in comparison.groups for job in group.jobs]
    chosen = by or default_quantity(every)
    groups = sorted(comparison.groups, key=lambda group: _mean_first(comparison, chosen, group))
    counts = tuple(TableCell(f"{len(group.jobs)}") for group in groups)
    blocks = [Block(("runs",), (counts,))]
    blocks += [_group_block(comparison, one, groups) for one in shown_quantities(chosen, every)]
    names = [group.name for group in groups]
    lines = lines_of(names, blocks, width=width, head=comparison.grouping, paint=paint)
    below = [
        f"mean ± standard deviation over the runs of a {comparison.grouping}; change of the mean "
        f"against {comparison.baseline.name} with its 95 % range",
        f"{TEST} for p and the range ({ASSUMPTION})"
        + (
            f"; each group against the baseline, not corrected for {len(groups) - 1} comparisons"
            if len(groups) > 2
            else ""
        ),
        *difference_lines(comparison),
    ]
    verdict = wrapped_lines([verdict_of_groups(comparison, chosen)], width)
    return "\n".join([*lines, "", *wrapped_lines(below, width), "", *verdict])


def _mean_first(comparison: GroupComparison, by: Quantity, group: RunGroup) -> tuple[bool, float]:
    sample = comparison.figure(by, group).sample
    return better_first(by, None if sample is None else sample.mean)


def _group_block(comparison: GroupComparison, of: Quantity, groups: Sequence[RunGroup]) -> Block:
    figures = [comparison.figure(of, group) for group in groups]
    values = tuple(TableCell(_sample_text(of, figure)) for figure in figures)
    changes = tuple(
        TableCell(BASELINE) if group is comparison.baseline else _group_cell(of, figure)
        for group, figure in zip(groups, figures, strict=True)
    )
    tests = tuple(TableCell(_probability_text(figure.difference)) for figure in figures)
    if all(cell.text in ("", DASH, BASELINE) for cell in changes):
        return Block((HEADERS.get(of.name, of.name),), (values,))
    heads, columns = [HEADERS.get(of.name, of.name), "change"], [values, changes]
    if any(cell.text for cell in tests):
        heads, columns = [*heads, "p"], [*columns, tests]
    return Block(tuple(heads), tuple(columns))


def _sample_text(of: Quantity, figure: GroupFigure) -> str:
    sample = figure.sample
    if sample is None:
        return DASH
    show = NUMBERS[of.name]
    if sample.deviation is None:
        return show(sample.mean)
    return f"{show(sample.mean)} ± {format_spread(of.name, sample.deviation)}"


def _group_cell(of: Quantity, figure: GroupFigure) -> TableCell:
    difference = figure.difference
    if difference is None:
        reason = ", ".join(dict.fromkeys(c.short for c in figure.refused))
        return TableCell(f"{DASH} ({reason})" if reason else DASH)
    unit = "points" if of.name == "accuracy" else "%"
    text = f"{difference.value:+.1f} {unit}"
    if difference.low is not None and difference.high is not None:
        text += f" ({difference.low:+.1f} to {difference.high:+.1f})"
    if figure.named:
        return TableCell(f"{text} ({', '.join(dict.fromkeys(c.short for c in figure.named))})")
    verdict = None
    if difference.is_clear and of.better is not None:
        good = (difference.value < 0) == (of.better is Direction.LOWER)
        verdict = "better" if good else "worse"
    return TableCell(text, verdict)


def _probability_text(difference: MeanDifference | None) -> str:
    if difference is None or difference.probability is None:
        return ""
    p = difference.probability
    return "<0.001" if p < 0.001 else f"{p:.3f}"
