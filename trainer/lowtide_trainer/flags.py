"""Flags of the reference programs: each is also an environment variable, checked alike.

A variable is `LOWTIDE_` and the flag's name in capitals, so that a TrainingJob can set it in `env`
and leave `args` alone; a flag wins.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from lowtide_trainer.errors import UsageError


class FlagParser(argparse.ArgumentParser):
    """A parser that raises instead of exiting, so that the report can name the mistake."""

    def error(self, message: str) -> NoReturn:
        """Raise what was wrong."""
        raise UsageError(f"{message}; see {self.prog} --help")


class Flags:
    """Flags of one command, with the variables of an environment as defaults."""

    def __init__(self, command: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
        self._command = command
        self._environment = environment

    def add(
        self,
        flag: str,
        kind: Callable[[str], Any],
        default: Any,
        meaning: str,
        *,
        is_required: bool = False,
    ) -> None:
        """Add a flag whose default is the value of its environment variable, if that is set.

        Raises:
            UsageError: the variable is wrong.
        """
        variable = "LOWTIDE_" + flag.removeprefix("--").upper().replace("-", "_")
        given = self._environment.get(variable) or None
        if given is not None:
            try:
                default = kind(given)
            except argparse.ArgumentTypeError as error:
                raise UsageError(f"{variable}: {error}") from error
        metavar = flag.rpartition("-")[2].upper()
        self._command.add_argument(
            flag,
            type=kind,
            default=default,
            required=is_required and default is None,
            metavar=metavar,
            help=meaning,
        )


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return a parser of whole numbers in a range."""
    span = f"{least} or more" if most is None else f"{least} to {most}"

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or value < least or (most is not None and value > most):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number: give {span}")
        return value

    return parse


def positive(text: str) -> float:
    """Return a number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def share(text: str) -> float:
    """Return a share above 0 and up to 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share: give a number above 0 up to 1")
    return value


def one_of(choices: Sequence[str]) -> Callable[[str], str]:
    """Return a parser of names."""

    def parse(text: str) -> str:
        if text not in choices:
            raise argparse.ArgumentTypeError(
                f"{text!r} is unknown: choose one of {', '.join(choices)}"
            )
        return text

    return parse
