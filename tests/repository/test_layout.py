"""Rules about the repository itself that no linter knows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def tracked_files() -> list[Path]:
    """Files of the checkout that git tracks or would track."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in names.splitlines() if (ROOT / name).is_file()]


def test_no_directory_called_operator_is_a_package() -> None:
    """An __init__.py in one would shadow the standard library's operator module."""
    shadowing = [
        path
        for path in ROOT.rglob("operator/__init__.py")
        if ".venv" not in path.relative_to(ROOT).parts
    ]

    assert shadowing == []


def test_standard_library_wins_with_the_repository_root_on_the_path() -> None:
    """The folder `operator/` is harmless as long as it is not a package."""
    code = "import operator; print(operator.__file__)"

    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )

    assert ROOT not in Path(run.stdout.strip()).parents


def test_tests_are_no_packages() -> None:
    """With importlib mode equal file names are fine and nothing is importable by accident."""
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_constraints_are_exact_and_name_no_address() -> None:
    """Pins are `name==version` and nothing else, so any registry can serve them."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()

    assert lines
    assert [
        line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)
    ] == []


def test_nothing_names_a_package_registry() -> None:
    """A pinned download address would tie the project to one host."""
    address = re.compile(
        r"https?://[^ \"']*\.(?:whl|tar\.gz|tgz|crate|deb)\b|index-url|registry *= *.?http"
    )
    own = Path(__file__).resolve()
    found = [
        path
        for path in tracked_files()
        if path != own
        and path.suffix != ".png"
        and address.search(path.read_text(errors="replace"))
    ]

    assert found == []


@pytest.mark.parametrize("asked", [False, True])
def test_the_controllers_of_others_are_tried_on_request(asked: bool) -> None:
    """`make test KINDS=1` ends with `make test-kinds`, `make test` leaves it out; nothing runs."""
    environment = {name: text for name, text in os.environ.items() if name != "KINDS"}
    command = ["make", "--dry-run", "test", *(["KINDS=1"] if asked else [])]

    shown = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )

    assert ("pytest -q -m kinds" in shown.stdout) == asked


def test_ci_calls_the_command_of_the_readme() -> None:
    """`.ci/run` and the README name the same command."""
    assert "exec make test" in (ROOT / ".ci/run").read_text()
    assert "make test" in (ROOT / "README.md").read_text()
