"""A callback for Keras 3, with any of its backends. Tried with 3.15.

Keras resumes by its own callback, BackupAndRestore, from the start of the epoch that was under
way. So a pause within an epoch keeps the weights, and the batches of that epoch are trained on
once more.
"""

import json
import logging
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import keras

from lowtide_trainer.callbacks.framework import FrameworkRun, not_saved
from lowtide_trainer.callbacks.kept_backup import KeptBackup
from lowtide_trainer.directories import make_directory
from lowtide_trainer.errors import CheckpointMismatchError

log = logging.getLogger(__name__)

_WEIGHTS_NAME: Final = "latest.weights.h5"
_EPOCH_NAME: Final = "training_metadata.json"
_COUNTS_NAME: Final = "lowtide.json"
_BYTES_BESIDE: Final = 4096
"""About what the file holds of each variable beside its values."""


class KerasCallback(keras.callbacks.Callback):
    """Reports `model.fit`, and on SIGTERM saves the model and leaves with the code of a pause.

    `backup_dir` is the directory of Keras' BackupAndRestore, which saves after every epoch and is
    emptied when the training is finished; the backup before the last one is kept beside it.
    `accuracy_keys` are names of the accuracy in the logs, the first that is there counts;
    `batch_size` is the one that `fit` was given, without which samples are unknown; `facts` are
    further fields of the report.

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
        self._run.watch()
        self._backup = keras.callbacks.BackupAndRestore(str(backup_dir), delete_checkpoint=False)
        self._files = KeptBackup(Path(backup_dir), (_WEIGHTS_NAME, _EPOCH_NAME, _COUNTS_NAME))
        self._batch_size = batch_size
        self._accuracy_keys = accuracy_keys

    def set_model(self, model: Any) -> None:
        """Take the network, which Keras gives to every callback."""
        super().set_model(model)
        self._backup.set_model(model)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Open the run and restore an earlier attempt."""
        self._run.open_until_exit()
        make_directory(self._files.directory)
        self._files.complete()
        is_restored = self._restore(logs)
        self._run.reporter.describe(
            epochs_planned=self.params.get("epochs"), parameters=self.model.count_params()
        )
        try:
            counts = json.loads((self._files.directory / _COUNTS_NAME).read_text(encoding="utf-8"))
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
        self._run.finish_steps()
        self._files.remove()

    def _restore(self, logs: Mapping[str, Any] | None) -> bool:
        """Restore the network of an earlier attempt; return whether a backup could be read."""
        directory = self._files.directory
        try:
            self._load(logs)
        except (OSError, json.JSONDecodeError) as error:
            if not self._files.return_before():
                log.warning(
                    "no backup in %s can be read (%s): training starts anew", directory, error
                )
                return False
            log.warning("the backup in %s is damaged (%s): taking the one before", directory, error)
            return self._restore(logs)
        # Keras notes the epoch at its end only: a pause in the first epoch after a resume would
        # otherwise go back to the first of all.
        self._backup._current_epoch = self.model._initial_epoch
        return True

    def _load(self, logs: Mapping[str, Any] | None) -> None:
        """Let Keras load its backup.

        Raises:
            CheckpointMismatchError: the backup is of another network.
            OSError: it cannot be read; a JSONDecodeError where its epoch cannot.
        """
        try:
            self._backup.on_train_begin(logs)
        except json.JSONDecodeError:
            raise
        except ValueError as error:
            if not self.model.built:
                raise
            first_line = str(error).partition(". ")[0].partition("\n")[0]
            raise CheckpointMismatchError(
                f"the backup in {self._files.directory} does not fit this model ({first_line}): "
                "give each training its own backup directory"
            ) from error

    def _save(self, save_model: Callable[[], None]) -> None:
        """Save the network, then the counts that belong to it; a failure before a pause ends it."""
        counts = self._files.directory / _COUNTS_NAME
        try:
            self._files.step_aside()
            self._files.require_room(_bytes_of(self.model))
            save_model()
            partial = counts.with_suffix(".partial")
            partial.write_text(json.dumps(self._run.reporter.state()), encoding="utf-8")
            partial.replace(counts)
        except OSError as error:
            self._files.return_before()
            if self._run.stop_requested:
                raise not_saved(error) from error
            log.warning("a backup cannot be saved: %s; training continues", error)


def _bytes_of(model: Any) -> int:
    """Return about how many bytes the file of a network's weights has, rather too many."""
    variables = [*model.variables, *(model.optimizer.variables if model.optimizer else ())]
    return sum(math.prod(one.shape) * _size_of(str(one.dtype)) + _BYTES_BESIDE for one in variables)


def _size_of(dtype: str) -> int:
    """Return the bytes of a value of this type, such as float32."""
    bits = re.search(r"\d+", dtype)
    return int(bits[0]) // 8 if bits else 1
