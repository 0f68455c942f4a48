"""Rules about the repository itself that no linter knows."""

import os
import re
import shutil
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


@pytest.mark.parametrize(("built", "called"), [(True, ["test", "test-kinds"]), (False, ["test"])])
def test_ci_tries_other_kinds_where_their_controllers_are_built(
    tmp_path: Path, built: bool, called: list[str]
) -> None:
    """`.ci/run` with programs in the place of make and Python, which write down what is called."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", tmp_path / ".ci")
    for path, text in (
        ("bin/make", f'echo "$1" >> {tmp_path}/called'),
        (".venv/bin/python", f'test "$*" = "tests/cluster kinds" && exit {0 if built else 1}'),
    ):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / path).chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}

    subprocess.run([tmp_path / ".ci/run"], env=environment, check=True)

    assert (tmp_path / "called").read_text().split() == called


def test_ci_calls_the_command_of_the_readme() -> None:
    """`.ci/run` and the README name the same command."""
    assert "\nmake test\n" in (ROOT / ".ci/run").read_text()
    assert "make test" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    ("first", "other", "status"), [("true", "true", 0), ("false", "true", 1), ("true", "exit 3", 3)]
)
def test_what_runs_beside_another_must_succeed_as_well(first: str, other: str, status: int) -> None:
    """`tools/beside` exits with the status of the command that failed, and prints both outputs."""
    command = [ROOT / "tools/beside", f"bash -c 'nice; {other}'", "bash", "-c", f"echo 1; {first}"]

    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stdout.split()) == (status, ["1", "19"])
