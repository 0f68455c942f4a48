"""The verbs of `kubectl lowtide` that look at jobs and change them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

Run = Callable[..., Result]

JOB: dict[str, Any] = {
    "apiVersion": "lowtide.dev/v1alpha1",
    "kind": "TrainingJob",
    "metadata": {"name": "bert", "namespace": "team"},
    "spec": {"template": {}},
    "status": {
        "display": {"state": "Waiting", "avoided": "~31 %"},
        "plan": {
            "start": "2099-12-01T02:00:00Z",
            "segments": [{"start": "2099-12-01T02:00:00Z", "end": "2099-12-01T05:00:00Z"}],
            "plannedGramsPerKwh": "112",
            "runNowGramsPerKwh": "297",
            "expectedSavingPercent": "31",
            "deadline": "2099-12-01T08:00:00Z",
            "latestStart": "2099-12-01T04:30:00Z",
            "forecastSource": "electricity-maps",
        },
    },
}
STARTED: dict[str, Any] = JOB | {
    "status": {
        "display": {"state": "Running"},
        "attempts": [{"number": 1, "name": "bert-1", "start": "2026-12-01T02:00:00Z"}],
    }
}


def patches(calls: list[list[str]]) -> list[Any]:
    """Return the merge patches among the calls."""
    return [
        json.loads(word.removeprefix("--patch="))
        for call in calls
        for word in call
        if word.startswith("--patch=")
    ]


def test_explain_begins_with_the_reason(lowtide: Run, kubectl: Any) -> None:
    """The first sentence says until when the job waits and what that brings."""
    kubectl.answers(JOB)

    result = lowtide("explain", "bert", "-n", "team")

    assert result.exit_code == 0
    assert result.stdout.startswith("bert waits until 2099-12-01 ")
    assert "because that is expected to save 31 %." in result.stdout.splitlines()[0]
    assert "112 g/kWh" in result.stdout
    assert "latest start" in result.stdout


def test_status_lists_jobs_for_people(lowtide: Run, kubectl: Any) -> None:
    """One line per job, its name and state first."""
    kubectl.answers({"items": [JOB, STARTED]})

    result = lowtide("status", "-A")

    lines = result.stdout.splitlines()
    assert lines[0].split()[:3] == ["NAMESPACE", "NAME", "STATE"]
    assert lines[1].split()[:3] == ["team", "bert", "Waiting"]
    assert lines[2].split()[:3] == ["team", "bert", "Running"]
    assert "--all-namespaces" in kubectl.calls[0]


@pytest.mark.parametrize(("form", "parse"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_status_for_machines_carries_the_status_unchanged(
    lowtide: Run, kubectl: Any, form: str, parse: Callable[[str], Any]
) -> None:
    """Machine output is the job's own status, nothing scaled or rounded."""
    kubectl.answers({"items": [JOB]})

    result = lowtide("status", "--output", form)

    assert parse(result.stdout) == [{"namespace": "team", "name": "bert", "status": JOB["status"]}]


def test_no_jobs_is_said_and_is_not_an_error(lowtide: Run, kubectl: Any) -> None:
    """Standard output stays empty for scripts; people read why."""
    kubectl.answers({"items": []})

    result = lowtide("status")

    assert (result.exit_code, result.stdout) == (0, "")
    assert "no training jobs" in result.stderr


def test_watch_once_draws_one_picture(lowtide: Run, kubectl: Any) -> None:
    """Without Prometheus the plan is shown all the same."""
    start = datetime.now(UTC) + timedelta(hours=2)
    segment = {"start": start.isoformat(), "end": (start + timedelta(hours=3)).isoformat()}
    kubectl.answers({"items": [JOB | {"status": {"plan": {"segments": [segment]}}}]})

    result = lowtide("watch", "--once")

    assert result.exit_code == 0
    assert "█" in result.stdout
    assert "bert" in result.stdout


def test_suspend_and_resume_set_the_field(lowtide: Run, kubectl: Any) -> None:
    """The verbs write spec.suspend and nothing else."""
    kubectl.answers(JOB)

    lowtide("suspend", "team/bert")
    lowtide("resume", "team/bert")

    assert patches(kubectl.calls) == [{"spec": {"suspend": True}}, {"spec": {"suspend": False}}]
    assert all("--namespace=team" in call for call in kubectl.calls)


def test_run_now_asks_by_annotation(lowtide: Run, kubectl: Any) -> None:
    """A suspended job would not start, so suspend is lifted with it."""
    kubectl.answers(JOB)

    result = lowtide("run-now", "bert")

    assert result.exit_code == 0
    assert patches(kubectl.calls) == [
        {
            "metadata": {"annotations": {"lowtide.dev/run-now": "true"}},
            "spec": {"suspend": False},
        }
    ]


def test_run_now_leaves_a_started_job_alone(lowtide: Run, kubectl: Any) -> None:
    """There is nothing to ask for, and no write."""
    kubectl.answers(STARTED)

    result = lowtide("run-now", "bert")

    assert (result.exit_code, patches(kubectl.calls)) == (0, [])
    assert "has already started" in result.stderr


@pytest.mark.parametrize("verb", ["explain", "run-now", "suspend", "resume"])
@pytest.mark.parametrize("name", ["--kubeconfig=x", "a;b", "../x", "team/../x", "A"])
def test_a_name_can_never_become_an_option(
    lowtide: Run,
    kubectl: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
    name: str,
) -> None:
    """An invalid object name is refused before kubectl is started; no file has it as its name."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    kubectl.answers(JOB)

    result = lowtide(verb, "--", name)

    assert result.exit_code == 1
    assert "nor a valid job name" in result.stderr


def test_the_words_of_kubectl_reach_the_user(lowtide: Run, kubectl: Any) -> None:
    """A refusal of the API server is shown as it is, with exit code 1."""
    kubectl.fails('Error from server (NotFound): trainingjobs.lowtide.dev "bert" not found')

    result = lowtide("explain", "bert")

    assert result.exit_code == 1
    assert 'trainingjobs.lowtide.dev "bert" not found' in result.stderr


@pytest.mark.parametrize("verb", ["status", "watch", "explain", "run-now", "suspend", "resume"])
def test_help_shows_an_example(lowtide: Run, verb: str) -> None:
    """The example is a line of its own, as it would be typed."""
    lines = lowtide(verb, "--help").stdout.splitlines()

    assert any(line.strip().startswith(f"lowtide {verb}") for line in lines)
    assert "\\b" not in "".join(lines)


@pytest.mark.parametrize("verb", ["explain", "run-now", "suspend", "resume", "compare"])
def test_kubeconfig_context_and_namespace_reach_kubectl(
    lowtide: Run, kubectl: Any, verb: str
) -> None:
    """The options have kubectl's own names and are handed to it unchanged."""
    kubectl.answers(STARTED if verb == "run-now" else JOB)
    where = ("--kubeconfig", "/etc/other", "--context", "blue", "-n", "team")

    lowtide(verb, "bert", *where)

    assert {"--kubeconfig=/etc/other", "--context=blue", "--namespace=team"} <= set(
        kubectl.calls[0]
    )
