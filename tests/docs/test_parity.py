"""The page of parity names commands, fields and functions that exist."""

import importlib
import re
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from lowtide.cli.main import main
from lowtide.trainingjob.crd import crd_text

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/parity.md"
SPANS = re.findall(r"`([^`]+)`", PAGE.read_text(encoding="utf-8"))
COMMANDS = sorted({span for span in SPANS if span.startswith("lowtide ")})
FUNCTIONS = sorted({span for span in SPANS if re.fullmatch(r"lowtide(\.\w+)+", span)})
FIELDS = sorted({span for span in SPANS if re.fullmatch(r"(spec|status)(\.\w+)+", span)})
STATES = {"yes", "in part", "no"}


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_and_option_exists(line: str) -> None:
    """`lowtide disclose --output archive`: the verb, the option and the choice."""
    command: click.Command = main
    context = click.Context(main)
    _, *words = line.split()
    while words and not words[0].startswith("-"):
        assert isinstance(command, click.Group), line
        found = command.get_command(context, words.pop(0))
        assert found is not None, line
        command = found
    options = {name: one for one in command.params for name in one.opts}
    for word in words:
        if word.startswith("-"):
            assert word in options, line
            option = options[word]
        else:
            assert isinstance(option.type, click.Choice), line
            assert word in option.type.choices, line


@pytest.mark.parametrize("path", FUNCTIONS)
def test_every_function_exists(path: str) -> None:
    """A module and what it holds."""
    module, _, name = path.rpartition(".")

    assert hasattr(importlib.import_module(module), name)


@pytest.fixture(scope="module")
def definition() -> dict[str, Any]:
    """The schema that the API server enforces."""
    version = yaml.load(crd_text(), Loader=yaml.CSafeLoader)["spec"]["versions"][0]
    found: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return found


@pytest.mark.parametrize("path", FIELDS)
def test_every_field_exists(path: str, definition: dict[str, Any]) -> None:
    """In the definition that the API server enforces."""
    schema = definition
    for name in path.split("."):
        schema = schema.get("items", schema)["properties"][name]


def test_every_line_has_a_state_and_what_is_open_a_reason() -> None:
    """Nothing is ticked without a place, nothing is left out without a word."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| ") and not line.startswith("| what |")
    ]

    assert len(rows) > 40
    for row in rows:
        assert len(row) == 3, row
        assert row[1] in STATES, row
        assert len(row[2]) > 10, row
