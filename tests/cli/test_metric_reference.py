"""The examples of the metrics reference are what the commands print."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from lowtide.cli.main import main
from lowtide.metrics.result import SENTENCES

PAGE = Path(__file__).parents[2] / "docs/reference/metrics.md"


def examples() -> list[tuple[str, str]]:
    """Return (command, output) of every console block of the page."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S):
        for part in block.split("$ ")[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


@pytest.mark.parametrize(("command", "output"), examples())
def test_the_page_shows_what_the_command_prints(command: str, output: str) -> None:
    """The two are equal to the letter."""
    program, *arguments = shlex.split(command)

    result = CliRunner().invoke(main, arguments)

    assert program == "lowtide"
    assert result.exit_code == 0
    assert result.stdout == output


def test_the_page_explains_every_reason_and_warning() -> None:
    """A code that a status shows can be looked up."""
    text = PAGE.read_text(encoding="utf-8")

    assert [code for code in SENTENCES if f"`{code}`" not in text] == []
