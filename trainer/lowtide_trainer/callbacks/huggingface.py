"""A callback for the Trainer of Hugging Face transformers, which is not imported here.

The Trainer calls every event by name on every callback and asks for no base class, so this one
has none: it answers the events that it needs and ignores all others, including those of later
versions. Tried with transformers 5.24.

Samples are counted where the model sees them, so that streams, last batches and accumulated steps
are exact. The counts travel in the Trainer's own state, `trainer_state.json`.
"""

import math
from collections.abc import Callable, Mapping, Sized
from typing import Any, Final

from lowtide_trainer.batches import batch_size
from lowtide_trainer.callbacks.framework import FrameworkRun
from lowtide_trainer.callbacks.huggingface_files import newest_checkpoint as newest_checkpoint
from lowtide_trainer.reporter import Reporter
from lowtide_trainer.stop import StopRequest

STATE_KEY: Final = "lowtide"
"""Entry of the counts among the states of callbacks in `trainer_state.json`."""
_NOT_FINITE: Final = (
    "loss is left out: that of a step was not a finite number (nan or inf), for which the Trainer "
    "logs the mean of the others; look at the learning rate and at the data"
)


class HuggingFaceCallback:
    """Reports a transformers Trainer, and on SIGTERM lets it save and stop at once.

    After a stop the Trainer saves its own checkpoint without an evaluation, and the process leaves
    with the exit code of a pause, on all ranks at the same step. A rank that loses another one
    leaves with that code too, if there is a complete checkpoint to go on from. `accuracy_key` is
    the name of the accuracy among the evaluation's metrics; `facts` are fields of the report that
    the Trainer does not know, such as `dataset`. With a `reporter` of its own, the caller opens and
    closes it.

    Example::

        trainer = Trainer(..., callbacks=[HuggingFaceCallback(model="bert-small")])
        trainer.train(resume_from_checkpoint=newest_checkpoint(trainer.args.output_dir))
    """

    def __init__(
        self,
        reporter: Reporter | None = None,
        stop: StopRequest | None = None,
        *,
        accuracy_key: str = "eval_accuracy",
        **facts: object,
    ) -> None:
        self._run = FrameworkRun(facts=facts, reporter=reporter, stop=stop)
        self._is_mine = reporter is None
        self._run.watch()
        self._accuracy_key = accuracy_key
        self._loss: float | None = None
        self._is_not_finite: Any = None
        self._tokens_seen = 0
        self._steps_per_epoch: int | None = None
        self._seen_samples: int | None = None
        self._samples_left: int | None = None
        self._accuracy: float | None = None
        self._epoch_is_open = self._wants_to_stop = False
        self._saved_at: int | None = None

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Return a function that does nothing, for every event that is not needed."""
        if not name.startswith("on_"):
            raise AttributeError(name)
        return lambda *arguments, **values: None

    def on_train_begin(
        self,
        args: Any,
        state: Any,
        control: Any,
        model: Any = None,
        train_dataloader: Any = None,
        **values: Any,
    ) -> None:
        """Open the run, describe it, and continue the counts of an earlier attempt."""
        self._run.open_until_exit(can_resume=lambda: newest_checkpoint(args.output_dir) is not None)
        self._tokens_seen = state.num_input_tokens_seen
        self._steps_per_epoch = _steps_per_epoch(args, state, train_dataloader)
        self._describe(args, state, model)
        if model is not None and hasattr(model, "register_forward_pre_hook"):
            self._seen_samples = 0
            model.register_forward_pre_hook(self._see_batch, with_kwargs=True)
            model.register_forward_hook(self._see_loss)
        if state.global_step:
            self._restore(args, state, train_dataloader)
        self._run.reporter.start()

    def on_epoch_begin(
        self, args: Any, state: Any, control: Any, train_dataloader: Any = None, **values: Any
    ) -> None:
        """Close the epoch before, if no evaluation did, and open the next."""
        self._close_epoch()
        size = _dataset_size(train_dataloader)
        if size is not None and self._steps_per_epoch:
            done = state.global_step % self._steps_per_epoch * _samples_per_step(args)
            self._samples_left = max(0, size - done)

    def on_step_end(self, args: Any, state: Any, control: Any, **values: Any) -> Any:
        """Count a step, and ask the Trainer to save and stop if all ranks shall stop."""
        tokens = state.num_input_tokens_seen - self._tokens_seen
        self._tokens_seen = state.num_input_tokens_seen
        # The Trainer's count of tokens is of all ranks already: one rank passes it on.
        is_first = getattr(args, "process_index", 0) == 0
        samples, self._seen_samples = self._seen_samples, None if self._seen_samples is None else 0
        if samples is None:
            samples = self._samples_by_size(args) if is_first else 0
        if self._run.step_ended(samples=samples, tokens=tokens if tokens and is_first else None):
            self._wants_to_stop = True
            control.should_save = control.should_training_stop = True
            control.should_evaluate = False
        self._export(state, control)
        return control

    def on_log(
        self,
        args: Any,
        state: Any,
        control: Any,
        logs: Mapping[str, Any] | None = None,
        **values: Any,
    ) -> None:
        """Keep the newest training loss, unless it stands for one that is not finite."""
        if logs is None or "loss" not in logs:
            return
        self._loss = logs["loss"]
        if self._was_not_finite(args, logs):
            self._loss = None
            self._run.reporter.warn(_NOT_FINITE)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **values: Any) -> Any:
        """Note whether the epoch is complete; its evaluation comes after this event."""
        if self._steps_per_epoch:
            self._epoch_is_open = state.global_step % self._steps_per_epoch == 0
        else:
            # A stream ended, unless the Trainer broke off: how much of it is left is unknown.
            self._epoch_is_open = not control.should_training_stop
        if self._wants_to_stop:
            control.should_evaluate = False
            control.should_save = self._saved_at != state.global_step
        if not getattr(control, "should_evaluate", True):
            self._close_epoch()
        self._export(state, control)
        return control

    def on_evaluate(
        self,
        args: Any,
        state: Any,
        control: Any,
        metrics: Mapping[str, Any] | None = None,
        **values: Any,
    ) -> Any:
        """Take the accuracy, whenever the Trainer evaluates."""
        accuracy = (metrics or {}).get(self._accuracy_key)
        if accuracy is not None:
            self._accuracy = accuracy
            if not self._epoch_is_open:
                self._run.open_until_exit()
                self._run.reporter.evaluated(accuracy=accuracy)
        self._close_epoch()
        self._export(state, control)
        return control

    def on_save(self, args: Any, state: Any, control: Any, **values: Any) -> None:
        """Note what was saved."""
        self._saved_at = state.global_step

    def on_train_end(self, args: Any, state: Any, control: Any, **values: Any) -> None:
        """Close the last epoch; after a requested stop, leave with the exit code of a pause."""
        self._close_epoch()
        if self._wants_to_stop and state.global_step < state.max_steps:
            self._run.leave_paused()
        if self._is_mine:
            self._run.finish_steps()

    def _describe(self, args: Any, state: Any, model: Any) -> None:
        """Report what the Trainer knows beforehand."""
        reporter = self._run.reporter
        reporter.describe(seed=args.seed)
        if self._steps_per_epoch and state.max_steps % self._steps_per_epoch == 0:
            # Otherwise the training ends within an epoch, and no whole number is planned.
            reporter.describe(epochs_planned=state.max_steps // self._steps_per_epoch)
        if model is not None:
            trainable = (part for part in model.parameters() if part.requires_grad)
            reporter.describe(parameters=sum(part.numel() for part in trainable))
            name = getattr(getattr(model, "config", None), "model_type", None)
            if name and reporter.report().model is None:
                reporter.describe(model=name)

    def _restore(self, args: Any, state: Any, train_dataloader: Any) -> None:
        """Continue the counts in the Trainer's state; without them, count by steps."""
        saved = (getattr(state, "stateful_callbacks", None) or {}).get(STATE_KEY)
        if isinstance(saved, dict):
            self._run.reporter.restore(saved)
            if self._steps_per_epoch:
                # Saved after the last step of an epoch, before the event of the epoch's end.
                for _ in range(state.global_step // self._steps_per_epoch - saved["epochs"]):
                    self._run.epoch()
            return
        size = _dataset_size(train_dataloader)
        steps = self._steps_per_epoch
        epochs, rest = divmod(state.global_step, steps) if steps else (0, state.global_step)
        full_epoch = (steps or 0) * _samples_per_step(args)
        epoch_samples = full_epoch if size is None else min(size, full_epoch)
        samples = epochs * epoch_samples + rest * _samples_per_step(args)
        self._run.reporter.restore(
            {"epochs": epochs, "samples": samples, "tokens": self._tokens_seen or None}
        )

    def _see_batch(self, module: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Count the samples that the model is about to be trained on."""
        if module.training and self._seen_samples is not None:
            self._seen_samples += batch_size(named or arguments) or 0

    def _see_loss(self, module: Any, arguments: tuple[Any, ...], output: Any) -> None:
        """Note whether a loss is no finite number; on its device, which is not waited for."""
        loss = _loss_of(output) if module.training else None
        if loss is not None:
            bad = ~loss.detach().isfinite()
            self._is_not_finite = bad if self._is_not_finite is None else self._is_not_finite | bad

    def _was_not_finite(self, args: Any, logs: Mapping[str, Any]) -> bool:
        """Return whether a loss since the last log was no finite number.

        The Trainer puts the mean of the others in its place, or 0 (`logging_nan_inf_filter`). On
        another rank, or where the model does not return its loss, the gradients tell; those of
        half precision are infinite now and then and left out by its scaler.
        """
        seen, self._is_not_finite = self._is_not_finite, None
        if seen is not None and bool(seen):
            return True
        norm = logs.get("grad_norm")
        return norm is not None and not math.isfinite(norm) and not getattr(args, "fp16", False)

    def _samples_by_size(self, args: Any) -> int:
        """Return the samples of a step by the sizes of batch and data set, of all ranks."""
        samples = _samples_per_step(args)
        if self._samples_left is not None:
            samples = min(samples, self._samples_left)
            self._samples_left -= samples
        return samples

    def _export(self, state: Any, control: Any) -> None:
        """Put the counts into the Trainer's state, if it is about to be saved."""
        states = getattr(state, "stateful_callbacks", None)
        if control.should_save and isinstance(states, dict):
            # The last step's samples are still on their way between the ranks.
            self._run.settle()
            states[STATE_KEY] = self._run.reporter.state()

    def _close_epoch(self) -> None:
        if self._epoch_is_open:
            self._epoch_is_open = False
            self._run.epoch(accuracy=self._accuracy, loss=self._loss)
            self._accuracy = None


def _loss_of(output: Any) -> Any:
    """Return the loss in what a model returned, or `None` where it is not seen there."""
    if isinstance(output, Mapping):
        output = output.get("loss")
    elif isinstance(output, tuple):
        output = output[0] if output else None
    is_number = hasattr(output, "isfinite") and output.numel() == 1
    return output.reshape(()) if is_number else None


def _dataset_size(dataloader: Any) -> int | None:
    """Return the number of samples in the training data, or `None` for a stream."""
    dataset = getattr(dataloader, "dataset", None)
    return len(dataset) if isinstance(dataset, Sized) else None


def _steps_per_epoch(args: Any, state: Any, dataloader: Any) -> int | None:
    """Return the optimiser steps of an epoch, or `None` for a stream of unknown length."""
    accumulate = int(args.gradient_accumulation_steps)
    try:
        batches = len(dataloader)
    except TypeError:
        size = _dataset_size(dataloader)
        if size is None:
            return None
        batches = -(-size // int(args.train_batch_size * args.world_size))
    return max(1, -(-batches // accumulate))


def _samples_per_step(args: Any) -> int:
    """Return the number of samples in an optimiser step, in all processes together."""
    return int(args.train_batch_size * args.gradient_accumulation_steps * args.world_size)
