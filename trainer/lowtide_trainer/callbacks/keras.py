"""A callback for Keras 3, with any of its backends. Tried with 3.15.

Keras resumes by its own callback, BackupAndRestore, from the start of the epoch that was under
way. So a pause within an epoch keeps the weights, and the batches of that epoch are trained on
once more.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import keras

from lowtide_trainer.callbacks.framework import FrameworkRun
from lowtide_trainer.directories import make_directory
from lowtide_trainer.errors import CheckpointMismatchError

log = logging.getLogger(__name__)

_COUNTS_NAME: Final = "lowtide.json"


class KerasCallback(keras.callbacks.Callback):
    """Reports `model.fit`, and on SIGTERM saves the model and leaves with the code of a pause.

    `backup_dir` is the directory of Keras' BackupAndRestore, which saves after every epoch and
    is emptied when the training is finished. `accuracy_keys` are names of the accuracy in the
    logs, the first that is there counts; `batch_size` is the one that `fit` was given, without
    which samples are unknown; `facts` are further fields of the report.

    Example::

        model.fit(x, y, epochs=10, batch_size=32,
                  callbacks=[KerasCallback("backup", batch_size=32, model="resnet18")])
    """

    def __init__(
        self,
        backup_dir: str | Path,
        *,
        batch_size: int | None = None,
        accuracy_keys: tuple[str, ...] = (
            "val_accuracy",
            "val_sparse_categorical_accuracy",
            "val_categorical_accuracy",
            "val_binary_accuracy",
        ),
        **facts: object,
    ) -> None:
        super().__init__()
        # `model` is the attribute in which Keras keeps the network, hence no argument of its own.
        self._run = FrameworkRun(facts={"framework": f"keras {keras.__version__}", **facts})
        self._backup = keras.callbacks.BackupAndRestore(str(backup_dir), delete_checkpoint=False)
        self._directory = Path(backup_dir)
        self._batch_size = batch_size
        self._accuracy_keys = accuracy_keys

    def set_model(self, model: Any) -> None:
        """Take the network, which Keras gives to every callback."""
        super().set_model(model)
        self._backup.set_model(model)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Open the run and restore an earlier attempt."""
        self._run.open_until_exit()
        make_directory(self._directory)
        is_restored = self._restore(logs)
        self._run.reporter.describe(
            epochs_planned=self.params.get("epochs"), parameters=self.model.count_params()
        )
        try:
            counts = json.loads((self._directory / _COUNTS_NAME).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            counts = None
        if is_restored and counts is not None:
            self._run.reporter.restore(counts)
        self._run.reporter.start()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Count a batch; save and leave if asked to stop."""
        if self._run.step_ended(samples=self._batch_size):
            self._save(self._backup._save_model)
            self._run.leave_paused()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Count an epoch with its figures and save it."""
        logs = logs or {}
        found = (logs[key] for key in self._accuracy_keys if key in logs)
        self._run.epoch(accuracy=next(found, None), loss=logs.get("loss"))
        self._save(lambda: self._backup.on_epoch_end(epoch, logs))

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Report the training as finished and remove its backup."""
        self._run.finish()
        for path in self._directory.iterdir():
            path.unlink()

    def _restore(self, logs: Mapping[str, Any] | None) -> bool:
        """Restore the network of an earlier attempt; return whether the backup could be read.

        Raises:
            CheckpointMismatchError: the backup is of another network.
        """
        try:
            self._backup.on_train_begin(logs)
        except OSError as error:
            log.warning(
                "no backup in %s can be read (%s): training starts anew", self._directory, error
            )
            return False
        except ValueError as error:
            if not self.model.built:
                raise
            first_line = str(error).partition(". ")[0].partition("\n")[0]
            raise CheckpointMismatchError(
                f"the backup in {self._directory} does not fit this model ({first_line}): give "
                "each training its own backup directory"
            ) from error
        # Keras notes the epoch at its end only: a pause in the first epoch after a resume would
        # otherwise go back to the first of all.
        self._backup._current_epoch = self.model._initial_epoch
        return True

    def _save(self, save_model: Any) -> None:
        """Save the network, then the counts that belong to it; a failure before a pause ends it."""
        try:
            save_model()
            counts = self._run.reporter.state()
            (self._directory / _COUNTS_NAME).write_text(json.dumps(counts), encoding="utf-8")
        except OSError as error:
            if self._run.stop_requested:
                raise
            log.warning("a backup cannot be saved: %s; training continues", error)
