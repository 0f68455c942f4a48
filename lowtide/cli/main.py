"""The root of the command line: finds a subcommand's module only when it is asked for.

`lowtide --help` and shell completion must answer at once, so nothing heavy (numpy, pydantic,
requests) is imported here. A subcommand is a module of this package with a `command`.
"""

import importlib
import signal
from typing import Final

import click
from click.shell_completion import CompletionItem

import lowtide
from lowtide.cli.held_signals import signals_held

SUBCOMMANDS: Final = {
    "run": "run a command when the grid is clean, without a cluster",
    "measure": "measure the energy of a command on this machine",
    "status": "list jobs: state, start, progress, energy",
    "watch": "watch jobs wait and run",
    "explain": "explain why a job waits, or how it ended",
    "report": "show what waiting would have saved in a namespace",
    "energy": "show what every pod used, by owner, namespace or node",
    "run-now": "start a waiting job at once",
    "suspend": "keep a job from starting, or pause it",
    "resume": "let a suspended job go on",
    "release": "let held workloads run, also without Lowtide",
    "plan": "show when a job would run, and why",
    "where": "show in which of several zones a job would emit least",
    "backtest": "replay intensity traces and compare planning policies",
    "compare": "put finished jobs side by side",
    "calc": "calculators: SCI, embodied, SAM, APC family, rating, prediction",
    "label": "draw a job's energy label",
    "reference": "make a team's reference set for the letters A to E",
    "explore": "write the explorer page",
    "dashboard": "draw the dashboards as one page, without Grafana",
    "disclose": "write a job's SCI disclosure",
    "export": "write a job's figures in the forms of other tools",
    "completion": "print the script that completes words in a shell",
}
"""Name and one-line help of each module of this package that holds a `command`."""


class LazyGroup(click.Group):
    """A group whose subcommands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which people need them."""
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command called `cmd_name`, or `None` if it does not exist."""
        if cmd_name not in SUBCOMMANDS:
            return None
        # A thread of numpy that did not hold signals back would take one that comes while the main
        # thread holds it back, and end the process at once.
        with signals_held(signal.valid_signals()):
            module = importlib.import_module(f"lowtide.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return with_examples(command)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the subcommands that start with the typed text; none is imported."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [
            CompletionItem(name, help=text)
            for name, text in SUBCOMMANDS.items()
            if name.startswith(incomplete)
        ]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SUBCOMMANDS.items()))


def with_examples(command: click.Command) -> click.Command:
    r"""Return `command` with its help text as click wants it.

    Docstrings are raw, so a paragraph that click must not rewrap starts with the two characters
    `\b`; click looks for the one character that they stand for.
    """
    command.help = (command.help or "").replace("\\b\n", "\b\n")
    if isinstance(command, click.Group) and not isinstance(command, LazyGroup):
        for below in command.commands.values():
            with_examples(below)
    return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(lowtide.__version__, prog_name="lowtide")
def main() -> None:
    r"""Run training when the grid is clean, and know what it cost.

    \b
    Examples:
      lowtide compare densenet121 inceptionv3
      lowtide calc sam --accuracy 0.8 --energy 100 --unit Wh --alpha 5 --beta 5
    """


with_examples(main)
