"""Options that name a file of each zone, such as `--trace DE=de.csv`."""

from pathlib import Path

import click


def zone_file(option: str, text: str) -> tuple[str, Path]:
    """Return zone and file of ZONE=FILE.

    Raises:
        click.UsageError: there is no zone, or no such file.
    """
    zone, mark, name = text.partition("=")
    if not zone or not mark or not Path(name).is_file():
        raise click.UsageError(f"{option} {text}: give ZONE=FILE with a file that exists")
    return zone, Path(name)
