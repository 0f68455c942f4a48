"""Options that several subcommands share, with the same words everywhere."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def cluster_options(command: Command) -> Command:
    """Add --namespace and --context, as kubectl has them."""
    command = click.option("--context", help="Context of the kubeconfig.")(command)
    return click.option("-n", "--namespace", help="Namespace of the jobs.")(command)
