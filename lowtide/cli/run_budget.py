"""Option --budget: a limit of one quantity, with its unit, and what follows from it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from lowtide.units import format_timestamp, parse_timestamp

_ACTIONS: Final = {"warn": "Warn", "pause": "Pause", "stop": "Stop"}
_UNITS: Final[Mapping[str, Mapping[str, float]]] = {
    "energy": {"J": 1, "kJ": 1e3, "MJ": 1e6, "Wh": 3.6e3, "kWh": 3.6e6, "MWh": 3.6e9},
    "grams": {"g": 1, "kg": 1e3, "t": 1e6},
    "money": {"": 1},
}
_FIELDS: Final = {"energy": "energyJoules", "grams": "grams", "money": "money"}
_AMOUNT: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?) ?([A-Za-z]*)")
_RIGHT: Final = "energy=2kWh, grams=500g, money=3.50 or finish=2030-12-02T08:00Z"

Limit = tuple[str, dict[str, str]]
"""Field of the spec's budget, and its content."""


class BudgetType(click.ParamType):  # type: ignore[type-arg]  # not generic in click 8.1
    """`QUANTITY=LIMIT[:ACTION]`, such as `energy=2kWh:stop`."""

    name = "limit"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Limit:
        """Return the limit, or fail with what would be right."""
        if isinstance(value, tuple):
            return value
        quantity, _, text = str(value).partition("=")
        head, colon, tail = text.rpartition(":")
        action = "Warn"
        if colon and tail.isascii() and tail.isalpha():
            if tail.lower() not in _ACTIONS:
                self.fail(f"{value!r}: {tail!r} is not warn, pause or stop", param, ctx)
            text, action = head, _ACTIONS[tail.lower()]
        if quantity == "finish":
            try:
                moment = format_timestamp(parse_timestamp(text))
            except ValueError:
                self.fail(f"{text!r} is not a time with an offset: write {_RIGHT}", param, ctx)
            return "finish", {"limit": moment, "action": action}
        units = _UNITS.get(quantity)
        found = _AMOUNT.fullmatch(text)
        if units is None or found is None or found[2] not in units:
            self.fail(
                f"{value!r} is not a limit: write {_RIGHT}, each with :pause or :stop if "
                "more than a warning is wanted",
                param,
                ctx,
            )
        amount = f"{float(found[1]) * units[found[2]]:.9f}".rstrip("0").rstrip(".")
        return _FIELDS[quantity], {"limit": amount, "action": action}


def budget_of(limits: Sequence[Limit], *, has_price: bool) -> dict[str, dict[str, str]]:
    """Return a spec's budget.

    Raises:
        click.UsageError: a quantity is limited twice, or money without a price.
    """
    budget = dict(limits)
    if len(budget) < len(limits):
        raise click.UsageError("--budget limits one quantity twice: give each once")
    if "money" in budget and not has_price:
        raise click.UsageError(
            "--budget money=… needs a price: give --price-per-hour or --price-per-kwh too"
        )
    return budget
