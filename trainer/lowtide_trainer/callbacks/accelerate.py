"""A tracker for Hugging Face accelerate, whose loops belong to the user. Tried with 1.15.

accelerate has trackers where other frameworks have callbacks: what a loop logs, they record. The
loop itself is wrapped by `lowtide_trainer.run`, which also pauses and resumes it; the tracker is
for a program that logs its figures already and shall report them without another line.
"""

from collections.abc import Mapping
from typing import Any

from accelerate.tracking import GeneralTracker, on_main_process

from lowtide_trainer.callbacks.framework import FrameworkRun


class AccelerateTracker(GeneralTracker):
    """Reports what a loop gives to `accelerator.log`.

    Every log with an entry of `epoch_keys` that grew ends an epoch; `accuracy` and `loss` are its
    figures, and `samples` counts as trained on since the last log.

    Example::

        accelerator = Accelerator(log_with=AccelerateTracker(model="resnet18"))
        accelerator.init_trackers("project")
        accelerator.log({"epoch": 1, "accuracy": 0.9, "loss": 0.3, "samples": 50000})
        accelerator.end_training()
    """

    name = "lowtide"
    requires_logging_directory = False
    main_process_only = True

    def __init__(self, **facts: object) -> None:
        super().__init__()
        # Only the main process calls a tracker, so nothing may wait for the others.
        self._run = FrameworkRun(facts=facts, alone=True)
        self._run.watch()
        self._epochs: float = 0

    @property
    def tracker(self) -> Any:
        """Return the reporter, as accelerate gives access to a tracker's own object."""
        return self._run.reporter

    @on_main_process
    def start(self) -> None:
        """Open the run and start its clock."""
        self._run.open_until_exit()
        self._run.reporter.start()

    @on_main_process
    def store_init_configuration(self, values: Mapping[str, Any]) -> None:
        """Take the facts that are among a configuration's values."""
        known = {"seed": "seed", "num_epochs": "epochs_planned", "epochs": "epochs_planned"}
        facts = {fact: values[name] for name, fact in known.items() if name in values}
        self._run.reporter.describe(**facts)

    @on_main_process
    def log(self, values: Mapping[str, Any], step: int | None = None, **options: Any) -> None:
        """Report the figures of a log."""
        if "samples" in values:
            self._run.step_ended(samples=values["samples"], tokens=values.get("tokens"))
        if (epoch := values.get("epoch")) is not None and epoch > self._epochs:
            self._epochs = epoch
            self._run.epoch(accuracy=values.get("accuracy"), loss=values.get("loss"))
        elif "accuracy" in values:
            self._run.reporter.evaluated(accuracy=values["accuracy"])

    @on_main_process
    def finish(self) -> None:
        """Report the training as finished."""
        self._run.finish()
