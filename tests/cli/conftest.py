"""A kubectl that answers from files, in front of the real one on the PATH."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lowtide.cli.main import main

SCRIPT = """#!{python}
import json, pathlib, sys
folder = pathlib.Path({folder!r})
with (folder / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
if (folder / "error").exists():
    sys.exit((folder / "error").read_text())
print((folder / "answer.json").read_text())
"""


class FakeKubectl:
    """The next answer of kubectl, and the arguments it was called with."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def answers(self, content: Any) -> None:
        """Answer every call with this object."""
        (self._folder / "answer.json").write_text(json.dumps(content))

    def fails(self, message: str) -> None:
        """Answer every call with an error."""
        (self._folder / "error").write_text(message)

    @property
    def calls(self) -> list[list[str]]:
        """Return the arguments of every call."""
        lines = (self._folder / "calls.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeKubectl:
    """A kubectl without a cluster."""
    program = tmp_path / "kubectl"
    program.write_text(SCRIPT.format(python=sys.executable, folder=str(tmp_path)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return FakeKubectl(tmp_path)


@pytest.fixture
def lowtide() -> Callable[..., Result]:
    """A function that runs the command line and returns its result."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, list(arguments))

    return run
