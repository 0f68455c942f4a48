"""No malformed input ends a verb in a traceback, hangs it, or becomes a number without a word."""

import json
import subprocess
import time
from math import isfinite
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from click.testing import CliRunner, Result
from standins.malformed import Case, case_of

from lowtide.cli import jobs as cluster_jobs
from lowtide.cli import prometheus
from lowtide.cli.main import main

QUICK, ALL, CHUNK = 100, 50_000, 2_500
LONGEST_CPU_SECONDS = 5.0
"""Time of the processor, so that a busy machine fails nothing."""


class Answers:
    """The next answers of kubectl and Prometheus."""

    def __init__(self) -> None:
        self.case = Case(())

    def kubectl(self, command: list[str], **_: Any) -> Any:
        """Answer as subprocess.run does with a decoded output."""
        text = self.case.kubectl.decode("utf-8", "replace")
        return subprocess.CompletedProcess(command, 0, text, "")

    def prometheus(self, *_: Any, **__: Any) -> requests.Response:
        """Answer as requests does."""
        answer = requests.Response()
        answer.status_code = 200
        answer._content = self.case.prometheus
        return answer


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Answers:
    """The programs that are asked, without a process or a network."""
    made = Answers()
    fake = SimpleNamespace(
        run=made.kubectl,
        CompletedProcess=subprocess.CompletedProcess,
        TimeoutExpired=subprocess.TimeoutExpired,
    )
    monkeypatch.setattr(cluster_jobs, "subprocess", fake)
    monkeypatch.setattr(cluster_jobs.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(prometheus.requests, "request", made.prometheus)
    monkeypatch.chdir(tmp_path)
    return made


def tried(seed: int, answers: Answers, folder: Path) -> list[str]:
    """Return what is wrong with the answer of the command to the call of a seed."""
    case = case_of(seed)
    case.write(folder)
    answers.case = case
    start = time.process_time()
    result = CliRunner().invoke(main, list(case.words))
    spent = time.process_time() - start
    for name in case.files:
        (folder / name).unlink()
    faults = []
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        faults.append(f"traceback {type(result.exception).__name__}: {result.exception!s:.200}")
    if result.exit_code not in (0, 1, 2):
        faults.append(f"exit code {result.exit_code}")
    if spent > LONGEST_CPU_SECONDS:
        faults.append(f"{spent:.1f} s")
    if "\x1b" in result.stdout or "\u202e" in result.stdout:
        faults.append("a control character on standard output")
    if result.exit_code == 0 and "compare" in case.words and "json" in case.words:
        faults += impossible(result)
    return [f"seed {seed}, {' '.join(case.words)}: {fault}" for fault in faults]


def impossible(result: Result) -> list[str]:
    """Return the figures of a comparison that no run can have."""
    try:
        data = json.loads(result.stdout, parse_constant=lambda text: pytest.fail(text))
    except ValueError as error:
        return [f"not JSON: {error}"]
    faults = []
    for job in data.get("jobs", ()):
        for key, value in job.items():
            if isinstance(value, float | int) and not isinstance(value, bool):
                least = float("-inf") if key.startswith("avoided") else 0.0
                most = 1.0 if key in ("accuracy", "coverage_ratio") else float("inf")
                if not (isfinite(value) and least <= value <= most):
                    faults.append(f"{key} is {value}")
        low, score, high = (job.get(k) for k in ("sci_low", "sci_grams_per_unit", "sci_high"))
        if None not in (low, score, high) and not low <= score <= high:
            faults.append(f"the range {low} to {high} does not hold {score}")
    return faults


def test_malformed_inputs_are_refused_with_a_sentence(answers: Answers, tmp_path: Path) -> None:
    """A sample of the slow test's inputs."""
    faults = [fault for seed in range(QUICK) for fault in tried(seed, answers, tmp_path)]

    assert faults == []


@pytest.mark.slow
@pytest.mark.beside_cluster
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(QUICK, QUICK + ALL, CHUNK))
def test_fifty_thousand_malformed_inputs(answers: Answers, tmp_path: Path, first: int) -> None:
    """They cover all verbs that read files, or answers of kubectl and Prometheus."""
    faults = [
        fault for seed in range(first, first + CHUNK) for fault in tried(seed, answers, tmp_path)
    ]

    assert faults == []
