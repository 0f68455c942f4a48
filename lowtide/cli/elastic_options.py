"""Options for jobs that change their size, with the same wording everywhere."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import click

from lowtide.cli.durations import DURATION_OR_ZERO
from lowtide.planning.elastic import Elastic
from lowtide.planning.errors import RequestError

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Efficiency:
    """Efficiency of a doubling, or speeds by number of replicas."""

    per_doubling: float | None
    curve: dict[int, float]


class EfficiencyType(click.ParamType):  # type: ignore[type-arg]  # not generic in click 8.1
    """`0.9` or `90%` for each doubling, or a curve such as `1:1,2:1.8,4:3.1`."""

    name = "efficiency"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Efficiency:
        """Return the efficiency, or fail with what would be right."""
        if isinstance(value, Efficiency):
            return value
        text = str(value).strip()
        try:
            if ":" in text:
                pairs = [part.split(":") for part in text.split(",")]
                return Efficiency(None, {int(size): float(speed) for size, speed in pairs})
            scale = 100.0 if text.endswith("%") else 1.0
            return Efficiency(float(text.removesuffix("%")) / scale, {})
        except ValueError:
            self.fail(
                f"{value!r} is no efficiency: write 0.9 for each doubling, or speeds by replicas "
                "such as 1:1,2:1.8,4:3.1",
                param,
                ctx,
            )


def elastic_options(command: Command) -> Command:
    """Add --elastic-max, --elastic-min, --efficiency and --resize-cost; pass one `elastic`.

    It is `None` without --elastic-max. The command must take `restart_cost` too.
    """

    @click.option(
        "--elastic-max",
        "most",
        type=click.IntRange(min=1),
        help="Most replicas of a job that may change its size; it may then pause too.",
    )
    @click.option(
        "--elastic-min",
        "least",
        type=click.IntRange(min=1),
        help="Least replicas while it runs, for which the running time is given [1].",
    )
    @click.option(
        "--efficiency",
        type=EfficiencyType(),
        help="Of a doubling of the replicas, such as 0.9, or speeds by replicas: 1:1,2:1.8,4:3.1.",
    )
    @click.option(
        "--resize-cost",
        type=DURATION_OR_ZERO,
        help="Running time lost by one change of size [the restart cost].",
    )
    @functools.wraps(command)
    def with_elastic(
        *arguments: Any,
        most: int | None,
        least: int | None,
        efficiency: Efficiency | None,
        resize_cost: timedelta | None,
        **options: Any,
    ) -> Any:
        if (most is None) != (efficiency is None):
            raise click.UsageError("--elastic-max and --efficiency go together")
        if most is None and (least is not None or resize_cost is not None):
            raise click.UsageError("--elastic-min and --resize-cost need --elastic-max")
        cost = options["restart_cost"] if resize_cost is None else resize_cost
        elastic = None
        if most is not None and efficiency is not None:
            elastic = elastic_of(least or 1, most, efficiency, cost)
        return command(*arguments, elastic=elastic, **options)

    return with_elastic  # type: ignore[return-value]  # click only looks at its options


def elastic_of(least: int, most: int, efficiency: Efficiency, resize_cost: timedelta) -> Elastic:
    """Return the sizes that the options describe; the deadline counts on the widest."""
    seconds = resize_cost.total_seconds()
    try:
        if efficiency.per_doubling is not None:
            return Elastic.per_doubling(
                least, most, efficiency.per_doubling, resize_cost_seconds=seconds
            )
        return Elastic.from_curve(least, most, efficiency.curve, resize_cost_seconds=seconds)
    except RequestError as error:
        raise click.UsageError(str(error)) from error
