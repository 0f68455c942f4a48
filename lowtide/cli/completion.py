"""`lowtide completion`: word completion for shells and for kubectl.

kubectl asks a program called `kubectl_complete-lowtide` for the words behind `kubectl lowtide`;
that program is `answer_kubectl`.
"""

import sys
from collections.abc import Sequence
from typing import Final

import click
from click.shell_completion import ShellComplete, get_completion_class

VARIABLE: Final = "_LOWTIDE_COMPLETE"
NO_FILES: Final = ":4"
"""What kubectl calls ShellCompDirectiveNoFileComp: file names are not offered."""


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    r"""Print the script that completes `lowtide` in a shell.

    \b
    Examples:
      source <(lowtide completion bash)
      lowtide completion fish > ~/.config/fish/completions/lowtide.fish

    `kubectl lowtide` completes with kubectl's own completion, as soon as that is set up.
    """
    found = get_completion_class(shell)
    if found is None:
        raise click.ClickException(f"there is no completion for {shell}")
    click.echo(found(_root(), {}, "lowtide", VARIABLE).source())


def answer_kubectl(arguments: Sequence[str] | None = None) -> None:
    """Print the words that may stand at the end of a line of `kubectl lowtide`, one per line.

    The last argument is the word being typed; it may be empty.
    """
    *before, typed = sys.argv[1:] if arguments is None else arguments
    complete = ShellComplete(_root(), {}, "lowtide", VARIABLE)
    for item in complete.get_completions(list(before), typed):
        if item.type == "plain":
            sys.stdout.write(f"{item.value}\t{item.help}\n" if item.help else f"{item.value}\n")
    sys.stdout.write(f"{NO_FILES}\n")


def _root() -> click.Command:
    # Not at the top: the root imports this module when it is asked for.
    from lowtide.cli.main import main

    return main
