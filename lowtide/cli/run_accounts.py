"""Options that say what a run's figures carry: the data centre's overhead, and a price."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from lowtide.grid.overhead import LARGEST_PUE

Command = TypeVar("Command", bound=Callable[..., Any])
_PRICE = click.FloatRange(min=0, max=1e9)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAccounts:
    """What the options say; `None` where one was not given."""

    pue: float | None
    per_hour: float | None
    per_kilowatt_hour: float | None
    currency: str

    @property
    def has_price(self) -> bool:
        """Whether money can be told."""
        return self.per_hour is not None or self.per_kilowatt_hour is not None

    def write(self, spec: dict[str, Any]) -> None:
        """Put the choices into a run's spec.

        Raises:
            click.UsageError: a PUE is given, and no zone that it could count in.
        """
        if self.pue is not None:
            if "grid" not in spec:
                raise click.UsageError("--pue makes grams larger: give the --zone of them too")
            spec["grid"]["pue"] = _decimal(self.pue)
        if self.has_price:
            price = {"perHour": self.per_hour, "perKilowattHour": self.per_kilowatt_hour}
            known = {name: _decimal(value) for name, value in price.items() if value is not None}
            spec["price"] = {**known, "currency": self.currency}


def account_options(command: Command) -> Command:
    """Add --pue, --price-per-hour, --price-per-kwh and --currency; pass one `accounts`."""

    @click.option(
        "--pue",
        type=click.FloatRange(min=1, max=LARGEST_PUE),
        help="Overhead of the data centre that all grams carry, as an assumption; default: that "
        "of --settings, else none.",
    )
    @click.option(
        "--price-per-hour", "per_hour", type=_PRICE, help="Price of an hour of this machine."
    )
    @click.option(
        "--price-per-kwh", "per_kilowatt_hour", type=_PRICE, help="Tariff of the electricity."
    )
    @click.option("--currency", default="USD", show_default=True, help="Of the prices.")
    @functools.wraps(command)
    def with_accounts(
        *arguments: Any,
        pue: float | None,
        per_hour: float | None,
        per_kilowatt_hour: float | None,
        currency: str,
        **options: Any,
    ) -> Any:
        if len(currency) != 3 or not (currency.isascii() and currency.isupper()):
            raise click.UsageError(f"--currency {currency!r} is not three capitals, such as EUR")
        accounts = RunAccounts(
            pue=pue, per_hour=per_hour, per_kilowatt_hour=per_kilowatt_hour, currency=currency
        )
        return command(*arguments, accounts=accounts, **options)

    return with_accounts  # type: ignore[return-value]  # click only looks at its options


def _decimal(value: float) -> str:
    """Return a number as the API writes it: without an exponent."""
    return f"{value:.9f}".rstrip("0").rstrip(".")
