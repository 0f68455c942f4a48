"""Live figures of a training in the run of MLflow or W&B that the user's own code has opened.

Nothing is imported and no run is opened here: only a tracker that the program has imported, with a
run that is active, is told. Each finished epoch gives its figures, and the first one the names by
which the energy of the job is found after its end. A tracker may be slow or away, so it is told
from a thread of its own, the newest figures only, and a fault of it is one warning; a training
never waits for it but once, at its end, and then not longer than `LAST_WAIT_SECONDS`.
"""

import logging
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from lowtide.names import ENV_ATTEMPT, ENV_NAMESPACE, ENV_TRAININGJOB
from lowtide.trainingjob.report import TrainingOutcome, TrainingReport

log = logging.getLogger(__name__)

LAST_WAIT_SECONDS: Final = 3.0
"""Longest time that the end of a training waits for its trackers."""
FIGURES: Final = ("epochs", "samples", "tokens", "accuracy", "accuracy_top5", "loss")
"""Fields of the report that are told."""

Teller = Callable[[dict[str, float], dict[str, str], int], None]
"""Tells one tracker the figures, the names of the job, and the number of finished epochs."""


def followed(
    write: Callable[[TrainingReport], None],
    environment: Mapping[str, str],
    modules: Mapping[str, Any] = sys.modules,
) -> Callable[[TrainingReport], None]:
    """Return a writer of reports that also tells the trackers of the program."""
    trackers = Trackers(environment, modules)

    def write_and_tell(report: TrainingReport) -> None:
        write(report)
        trackers.tell(report)

    return write_and_tell


class Trackers:
    """The trackers of a program, told from one thread."""

    def __init__(self, environment: Mapping[str, str], modules: Mapping[str, Any]) -> None:
        """Remember the names of the job, and where imported modules are found."""
        names = {"job": ENV_TRAININGJOB, "namespace": ENV_NAMESPACE, "attempt": ENV_ATTEMPT}
        self._names = {k: environment[name] for k, name in names.items() if environment.get(name)}
        self._modules = modules
        self._told: tuple[object, ...] | None = None
        self._next: tuple[list[Teller], dict[str, float], int] | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._warned = False

    def tell(self, report: TrainingReport) -> None:
        """Tell what is new in a report; called from the thread of the training."""
        figures = {
            name: float(value) for name in FIGURES if (value := getattr(report, name)) is not None
        }
        ended = report.outcome not in (None, TrainingOutcome.RUNNING)
        state = (report.epochs, report.accuracy, ended)
        if not report.epochs or state == self._told:
            return
        self._told = state
        # A run is active in the thread that opened it, so it is looked for here.
        tellers = [found for find in (_mlflow, _wandb) if (found := self._found(find)) is not None]
        if not tellers:
            return
        with self._changed:
            self._next = (tellers, figures, report.epochs)
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="trackers", daemon=True)
                self._thread.start()
            if ended:
                self._changed.wait_for(lambda: self._next is None, LAST_WAIT_SECONDS)

    def _found(self, find: Callable[[Mapping[str, Any]], Teller | None]) -> Teller | None:
        try:
            return find(self._modules)
        except Exception as error:
            self._warn(error)
            return None

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._next is not None)
                now = self._next
            tellers, figures, epochs = now or ([], {}, 0)
            for tell in tellers:
                try:
                    tell(figures, self._names, epochs)
                except Exception as error:
                    self._warn(error)
            with self._changed:
                if self._next is now:
                    self._next = None
                    self._changed.notify_all()

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            log.warning("a tracker of experiments could not be told the figures: %s", error)


def _mlflow(modules: Mapping[str, Any]) -> Teller | None:
    """Return what tells MLflow's active run, or `None` without one."""
    mlflow = modules.get("mlflow")
    active = getattr(mlflow, "active_run", None)
    run = None if active is None else active()
    if mlflow is None or run is None:
        return None
    run_id = run.info.run_id

    def tell(figures: dict[str, float], names: dict[str, str], epochs: int) -> None:
        for name, value in figures.items():
            mlflow.log_metric(f"lowtide.{name}", value, step=epochs, run_id=run_id)
        client = mlflow.MlflowClient()
        for name, text in names.items():
            client.set_tag(run_id, f"lowtide.{name}", text)

    return tell


def _wandb(modules: Mapping[str, Any]) -> Teller | None:
    """Return what tells the active run of Weights & Biases, or `None` without one."""
    run = getattr(modules.get("wandb"), "run", None)
    if run is None:
        return None

    def tell(figures: dict[str, float], names: dict[str, str], _: int) -> None:
        # The summary, because a step of its history belongs to the user's own loop.
        run.summary.update({f"lowtide/{name}": value for name, value in figures.items()})
        if names:
            run.config.update({"lowtide": names}, allow_val_change=True)

    return tell
