"""File of the settings: read as YAML, single fields overridden by the environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from lowtide_operator.settings import OperatorSettings

ENV_SETTINGS: Final = "LOWTIDE_SETTINGS"
ENV_PREFIX: Final = "LOWTIDE_OPERATOR_"
SECTION_SEPARATOR: Final = "__"


class OperatorSettingsError(Exception):
    """The settings cannot be used; the message names the field, the value and what is allowed."""


def load_settings(
    path: Path | None, environment: Mapping[str, str] = os.environ
) -> OperatorSettings:
    """Return the settings in the file at `path`, overridden by the environment.

    A variable `LOWTIDE_OPERATOR_PROMETHEUS__URL` sets `prometheus.url`; values are read as YAML.

    Raises:
        OperatorSettingsError: the file cannot be read, is no YAML mapping, or a field is wrong.
    """
    document: dict[str, Any] = {}
    if path is not None:
        document = _read(path)
    for variable in sorted(environment):
        if variable.startswith(ENV_PREFIX):
            _override(document, variable, environment[variable])
    try:
        return OperatorSettings.model_validate(document)
    except ValidationError as error:
        raise OperatorSettingsError("; ".join(_sentences(error))) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OperatorSettingsError(f"settings file {path}: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise OperatorSettingsError(f"settings file {path} is not YAML: {reason}") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise OperatorSettingsError(
            f"settings file {path} holds no mapping: it must begin with field names"
        )
    return document


def _override(document: dict[str, Any], variable: str, text: str) -> None:
    """Set the field that `variable` names; both spellings of a field are the same field."""
    *sections, field = variable.removeprefix(ENV_PREFIX).lower().split(SECTION_SEPARATOR)
    place = document
    for section in sections:
        place = place.setdefault(_spelling(place, section), {})
        if not isinstance(place, dict):
            raise OperatorSettingsError(
                f"{variable} names a field inside {section}, which is no section"
            )
    try:
        place[_spelling(place, field)] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise OperatorSettingsError(f"{variable}: {' '.join(str(error).split())}") from None


def _spelling(place: Mapping[str, Any], snake: str) -> str:
    """Return the key of `place` that means `snake`: its camelCase twin if that is there."""
    first, *rest = snake.split("_")
    camel = first + "".join(part.capitalize() for part in rest)
    return camel if camel in place else snake


def _sentences(error: ValidationError) -> list[str]:
    clauses = []
    for fault in error.errors(include_url=False)[:8]:
        path = ".".join(str(part) for part in fault["loc"]) or "settings"
        if fault["type"] == "extra_forbidden":
            clauses.append(f"{path} is not a setting")
            continue
        message = fault["msg"].removeprefix("Value error, ")
        value = "" if isinstance(fault["input"], dict) else f" (value {fault['input']!r:.80})"
        clauses.append(f"{path}: {message}{value}")
    return clauses
