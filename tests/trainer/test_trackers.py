"""Live figures in the active run of a tracker, and what a tracker that fails or hangs may cost."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lowtide.trainingjob.report import TrainingOutcome, TrainingReport
from lowtide_trainer import trackers
from lowtide_trainer.trackers import followed

JOB = {
    "LOWTIDE_TRAININGJOB": "net",
    "LOWTIDE_NAMESPACE": "ml",
    "LOWTIDE_ATTEMPT": "2",
}
RUNNING = TrainingReport(outcome=TrainingOutcome.RUNNING, epochs=1, accuracy=0.5, samples=10)
ENDED = TrainingReport(outcome=TrainingOutcome.FINISHED, epochs=2, accuracy=0.75, samples=20)


class WandbRun:
    """A run of W&B as far as it is used; `before` is called first."""

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        self.summary, self.config = {}, SimpleNamespace(update=self._configure)
        self.configured: dict[str, Any] = {}
        self._before = before
        self.summary = SimpleNamespace(update=self._summarise)
        self.told: list[dict[str, float]] = []

    def _summarise(self, values: dict[str, float]) -> None:
        self._before()
        self.told.append(values)

    def _configure(self, values: dict[str, Any], *, allow_val_change: bool) -> None:
        assert allow_val_change
        self.configured |= values


def writer(run: object, written: list[TrainingReport]) -> Callable[[TrainingReport], None]:
    """Return a writer of reports in a program that has imported W&B and opened a run."""
    return followed(written.append, JOB, {"wandb": SimpleNamespace(run=run)})


def test_wandb_s_run_gets_the_figures_and_the_names_of_the_job() -> None:
    """At the end all of them are there, and the report was written first."""
    run, written = WandbRun(), list[TrainingReport]()
    write = writer(run, written)
    write(RUNNING)
    write(ENDED)

    assert written == [RUNNING, ENDED]
    assert run.told[-1] == {"lowtide/epochs": 2, "lowtide/samples": 20, "lowtide/accuracy": 0.75}
    assert run.configured == {"lowtide": {"job": "net", "namespace": "ml", "attempt": "2"}}


@pytest.mark.slow
def test_mlflow_s_run_gets_metrics_by_epoch_and_tags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow's own client on a folder, without its server."""
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tmp_path.as_uri())
    mlflow.set_experiment("tests")
    write = followed(lambda report: None, JOB, {"mlflow": mlflow})
    with mlflow.start_run() as run:
        write(RUNNING)
        write(ENDED)
    client = mlflow.MlflowClient()
    found = client.get_run(run.info.run_id).data
    last = client.get_metric_history(run.info.run_id, "lowtide.accuracy")[-1]

    assert found.metrics["lowtide.samples"] == 20
    assert (last.value, last.step) == (0.75, 2)
    assert found.tags["lowtide.job"] == "net"


@pytest.mark.parametrize(
    "modules", [{}, {"wandb": SimpleNamespace(run=None)}, {"mlflow": object()}]
)
def test_without_an_active_run_nothing_is_told_and_no_thread_is_started(
    modules: dict[str, Any],
) -> None:
    """Importing a tracker alone is no wish to log."""
    before = threading.active_count()
    followed(lambda report: None, JOB, modules)(ENDED)

    assert threading.active_count() == before


def test_a_tracker_that_fails_is_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    """The report is written all the same."""

    def refuse() -> None:
        raise ConnectionError("the server is away")

    written = list[TrainingReport]()
    write = writer(WandbRun(refuse), written)
    write(RUNNING)
    write(ENDED)

    assert written == [RUNNING, ENDED]
    assert [one.message for one in caplog.records] == [
        "a tracker of experiments could not be told the figures: the server is away"
    ]


def test_a_tracker_that_hangs_keeps_no_epoch_and_the_end_only_for_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Until it answers the newest figures wait; the training does not."""
    monkeypatch.setattr(trackers, "LAST_WAIT_SECONDS", 0.05)
    answers = threading.Event()
    run, written = WandbRun(lambda: bool(answers.wait(120)) or None), list[TrainingReport]()
    write = writer(run, written)
    write(RUNNING)
    write(ENDED)

    assert written == [RUNNING, ENDED]
    assert run.told == []
    answers.set()
    deadline = time.monotonic() + 120
    while not run.told or run.told[-1]["lowtide/epochs"] != 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
