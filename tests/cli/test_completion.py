"""Words that the Tab key fills in: subcommands, options, and the jobs of the cluster."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from lowtide.cli.completion import answer_kubectl

Run = Callable[..., Result]


def words(capsys: pytest.CaptureFixture[str], *typed: str) -> list[str]:
    """Return the words that kubectl gets, without the explanations."""
    answer_kubectl(typed)
    return [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()]


def test_verbs_are_completed(capsys: pytest.CaptureFixture[str]) -> None:
    """The last line tells kubectl to offer no files."""
    assert words(capsys, "res") == ["resume", ":4"]
    assert words(capsys, "sus") == ["suspend", ":4"]


def test_options_are_completed(capsys: pytest.CaptureFixture[str]) -> None:
    """Options of the verb that was typed before."""
    assert words(capsys, "status", "--all") == ["--all-namespaces", ":4"]


def test_jobs_are_completed_in_the_namespace_that_was_typed(
    capsys: pytest.CaptureFixture[str], kubectl: Any
) -> None:
    """The cluster is asked with the options that stand before the word."""
    kubectl.answers({"items": [{"metadata": {"name": "bert"}}, {"metadata": {"name": "gpt"}}]})

    found = words(capsys, "suspend", "--namespace", "team", "b")

    assert found == ["bert", ":4"]
    assert "--namespace=team" in kubectl.calls[0]


def test_no_cluster_completes_nothing_and_says_nothing(
    capsys: pytest.CaptureFixture[str],
    kubectl: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error in the middle of a line that is being typed would not help."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    kubectl.fails("connection refused")

    assert words(capsys, "resume", "") == [":4"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_of_each_shell_is_printed(lowtide: Run, shell: str) -> None:
    """The printed script asks the program by its variable."""
    result = lowtide("completion", shell)

    assert result.exit_code == 0
    assert "_LOWTIDE_COMPLETE" in result.stdout
