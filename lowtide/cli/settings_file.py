"""Operator's settings file as a command reads it: one zone of it."""

from pathlib import Path

import click
import yaml
from pydantic import ValidationError

from lowtide.grid.overhead_settings import OverheadSettings
from lowtide.grid.settings import ZoneSettings


def zone_settings(path: Path, zone: str) -> tuple[ZoneSettings, OverheadSettings | None]:
    """Return the settings of a zone in the operator's settings file, and of its overhead (PUE).

    Raises:
        click.ClickException: the file cannot be used, or does not hold the zone.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise click.ClickException(f"{path} cannot be read as YAML: {error}") from error
    zones = content.get("zones") if isinstance(content, dict) else None
    if not isinstance(zones, dict) or zone not in zones:
        known = ", ".join(sorted(map(str, zones))) if isinstance(zones, dict) else "none"
        raise click.ClickException(f"{path} has no zone {zone} (zones: {known})")
    overheads = content.get("pue")
    given = overheads.get(zone) if isinstance(overheads, dict) else None
    try:
        pue = None if given is None else OverheadSettings.model_validate(given)
        return ZoneSettings.model_validate(zones[zone]), pue
    except ValidationError as error:
        raise click.ClickException(f"{path}, zone {zone}: {error}") from error
