"""A callback for the Trainer of Lightning, by either of its package names. Tried with 2.6.

Lightning restores the model, the optimisers and the loops; this callback adds what an exact resume
also needs, the random generators. The place within an epoch is Lightning's business and only known
for a loader with a state: `lowtide_trainer.loader.ResumableLoader` has one.

The generators are put back twice. Before a new epoch the order of its batches is drawn from them,
and Lightning draws it before it announces the start of the training; within an epoch they go on
with the first batch that is left.
"""

import logging
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch

try:
    from lightning.pytorch import Callback
except ImportError:
    from pytorch_lightning import Callback

from lowtide_trainer.batches import batch_size
from lowtide_trainer.callbacks.framework import FrameworkRun, newest_of, not_saved
from lowtide_trainer.directories import make_directory
from lowtide_trainer.randomness import generator_states, set_generator_states

log = logging.getLogger(__name__)

_PATTERN: Final = "lowtide-*.ckpt"


class LightningCallback(Callback):
    """Reports a Lightning Trainer, saves its checkpoints and pauses it on SIGTERM.

    A checkpoint is saved into `directory` after every epoch and before a pause; the newest two
    are kept. `checkpoint` is the newest complete one, or `None` before the first. The process
    leaves with the exit code of a pause after all ranks saved at the same step. `accuracy_keys`
    are names of the accuracy among the logged metrics, the first that is there counts; `facts` are
    further fields of the report.

    Example::

        lowtide = LightningCallback("checkpoints", model="resnet18")
        trainer = Trainer(max_epochs=10, callbacks=[lowtide])
        trainer.fit(module, loader, ckpt_path=lowtide.checkpoint)
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        accuracy_keys: Sequence[str] = ("val_acc", "val_accuracy"),
        loss_key: str = "train_loss",
        **facts: object,
    ) -> None:
        super().__init__()
        self._run = FrameworkRun(facts=facts)
        self._run.watch()
        self._directory = Path(directory)
        self._accuracy_keys = accuracy_keys
        self._loss_key = loss_key
        self._restored: Mapping[str, Any] | None = None
        self._generators: Mapping[str, Any] | None = None
        self._pauses_with_epoch = False

    @property
    def checkpoint(self) -> str | None:
        """Return the newest complete checkpoint, for `ckpt_path`."""
        return newest_of(self._paths()[::-1], zipfile.is_zipfile, self._directory)

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Open the run, once the processes of the training know each other."""
        if stage == "fit":
            self._run.open_until_exit()
            make_directory(self._directory)

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Put the generators back before the order of the next batches is drawn from them."""
        if self._generators is not None:
            set_generator_states(self._generators)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Describe the training, and hear signals instead of Lightning.

        Lightning's own handler of SIGTERM sums over ranks from within the handler, at whatever
        step each rank is; the run's handler only sets a flag.
        """
        self._run.listen()
        planned = trainer.max_epochs
        self._run.reporter.describe(
            epochs_planned=planned if planned and planned > 0 else None,
            parameters=sum(part.numel() for part in pl_module.parameters() if part.requires_grad),
            framework=f"torch {torch.__version__}",
        )
        if self._restored is not None:
            self._run.reporter.restore(self._restored)
        self._run.reporter.start()

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Put the generators back before the next batch of an epoch that was interrupted."""
        if self._generators is not None:
            if batch_idx > 0:
                set_generator_states(self._generators)
            self._generators = None

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count a batch; save and leave if all ranks shall stop and a step is complete."""
        if not self._run.step_ended(samples=batch_size(batch)):
            return
        if batch_idx + 1 == trainer.num_training_batches:
            # A checkpoint from here would confuse Lightning about the epoch that follows, so it is
            # saved when the epoch ends, which is at once without a validation.
            self._pauses_with_epoch = True
            trainer.limit_val_batches = 0
        elif (batch_idx + 1) % trainer.accumulate_grad_batches == 0:
            self._save(trainer)
            self._run.leave_paused()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Count an epoch with its figures and save it."""
        metrics = trainer.callback_metrics
        found = (metrics[key] for key in self._accuracy_keys if key in metrics)
        self._run.epoch(accuracy=next(found, None), loss=metrics.get(self._loss_key))
        self._save(trainer)
        if self._pauses_with_epoch:
            self._run.leave_paused()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Report the training as finished."""
        self._run.finish_steps()

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Report a training that Lightning did not begin, as it does without batches."""
        if stage == "fit" and self._run.is_under_way and trainer.num_training_batches == 0:
            self._run.finish_steps()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Report the error that ended the training."""
        self._run.fail(exception)

    def state_dict(self) -> dict[str, Any]:
        """Return the counts and the generators, for Lightning's checkpoint."""
        return {"reporter": self._run.reporter.state(), "generators": generator_states()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take the counts and the generators of Lightning's checkpoint."""
        self._restored = state_dict["reporter"]
        self._generators = state_dict["generators"]
        # Sharding strategies load after the start of the fit.
        set_generator_states(self._generators)

    def _save(self, trainer: Any) -> None:
        """Save a checkpoint under its final name only when it is on the disk."""
        final = self._directory / f"lowtide-{trainer.global_step:010d}.ckpt"
        partial = final.with_suffix(".partial")
        try:
            trainer.save_checkpoint(str(partial))
            if trainer.is_global_zero:
                with partial.open("rb") as file:
                    os.fsync(file.fileno())
                partial.replace(final)
                for path in self._paths()[:-2]:
                    path.unlink(missing_ok=True)
        except OSError as error:
            if self._run.stop_requested:
                raise not_saved(error) from error
            log.warning("a checkpoint cannot be saved: %s; training continues", error)

    def _paths(self) -> list[Path]:
        return sorted(self._directory.glob(_PATTERN))
