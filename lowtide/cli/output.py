"""Delivery of a command's text, to standard output or to a file that the user named."""

from pathlib import Path

import click


def deliver(text: str, file: Path | None) -> None:
    """Print the text, or write it to a file.

    Raises:
        click.ClickException: the file cannot be written.
    """
    if file is None:
        click.echo(text, nl=False)
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error}") from error
