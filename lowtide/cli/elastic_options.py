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
from lowtide.planning.scaling import scaling_of

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
    """Add --elastic-max and the options that go with it; pass one `elastic`.

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
        "--elastic-base",
        "base",
        type=click.IntRange(min=1),
        help="Replicas that the running time is given for and the deadline counts on, as the "
        "operator takes those of a template [--elastic-min, and the deadline on --elastic-max].",
    )
    @click.option(
        "--efficiency",
        type=EfficiencyType(),
        help="Of a doubling of the replicas, such as 0.9, or speeds by replicas: 1:1,2:1.8,4:3.1 "
        "[0.8 assumed, and the deadline counts on none].",
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
        base: int | None,
        efficiency: Efficiency | None,
        resize_cost: timedelta | None,
        **options: Any,
    ) -> Any:
        others = (least, base, efficiency, resize_cost)
        if most is None and any(one is not None for one in others):
            raise click.UsageError(
                "--elastic-min, --elastic-base, --efficiency and --resize-cost need --elastic-max"
            )
        cost = options["restart_cost"] if resize_cost is None else resize_cost
        elastic = None
        if most is not None:
            elastic = elastic_of(least or 1, most, base, efficiency, cost)
        return command(*arguments, elastic=elastic, **options)

    return with_elastic  # type: ignore[return-value]  # click only looks at its options


def elastic_of(
    least: int,
    most: int,
    base: int | None,
    efficiency: Efficiency | None,
    resize_cost: timedelta,
) -> Elastic:
    """Return the sizes that the options describe.

    The deadline counts on the base where one is given, else on the widest size.
    """
    sizes = {"base": base, "guard": base}
    seconds = resize_cost.total_seconds()
    try:
        if efficiency is not None and efficiency.per_doubling is None:
            curve = efficiency.curve
            return Elastic.from_curve(least, most, curve, **sizes, resize_cost_seconds=seconds)
        scaling = scaling_of(None if efficiency is None else efficiency.per_doubling)
        return Elastic.scaled(least, most, scaling, **sizes, resize_cost_seconds=seconds)
    except RequestError as error:
        raise click.UsageError(str(error)) from error
