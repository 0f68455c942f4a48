"""A callback for the Trainer of Hugging Face transformers, which is not imported here.

The Trainer calls every event by name on every callback and asks for no base class, so this one
needs none: it answers the events it cares for and does nothing at all others, also at those that
later versions add. Tried with transformers 5.23.
"""

from collections.abc import Callable, Mapping, Sized
from typing import Any

from lowtide.names import EXIT_CODE_PAUSED
from lowtide_trainer.reporter import Reporter
from lowtide_trainer.stop import StopRequest


class HuggingFaceCallback:
    """Reports a transformers Trainer, and on SIGTERM lets it save and stop.

    `accuracy_key` is the name of the accuracy among the evaluation's metrics. When it was asked
    to stop, the Trainer saves its own checkpoint and the process leaves with the exit code of a
    pause; the next attempt goes on with `trainer.train(resume_from_checkpoint=True)`.

    Example::

        with StopRequest() as stop, report_training(model="bert-small") as reporter:
            trainer = Trainer(..., callbacks=[HuggingFaceCallback(reporter, stop)])
            trainer.train()
    """

    def __init__(
        self,
        reporter: Reporter,
        stop: StopRequest | None = None,
        *,
        accuracy_key: str = "eval_accuracy",
    ) -> None:
        self._reporter = reporter
        self._stop = stop
        self._accuracy_key = accuracy_key
        self._loss: float | None = None
        self._tokens_seen = 0
        self._samples_left: int | None = None
        self._resumed_in_epoch = 0
        self._epoch_is_open = False
        self._wants_to_stop = False

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Return what does nothing, for every event that is not of interest."""
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
        """Note what is known beforehand, and what an earlier attempt did."""
        self._tokens_seen = state.num_input_tokens_seen
        self._reporter.describe(epochs_planned=state.num_train_epochs, seed=args.seed)
        if model is not None:
            trainable = (part for part in model.parameters() if part.requires_grad)
            self._reporter.describe(parameters=sum(part.numel() for part in trainable))
        if state.global_step:
            epochs, steps = divmod(state.global_step, _steps_per_epoch(state))
            self._resumed_in_epoch = steps * _samples_per_step(args)
            full_epoch = _steps_per_epoch(state) * _samples_per_step(args)
            size = _dataset_size(train_dataloader)
            epoch_samples = full_epoch if size is None else min(size, full_epoch)
            samples = epochs * epoch_samples + self._resumed_in_epoch
            self._reporter.restore(
                {"epochs": epochs, "samples": samples, "tokens": self._tokens_seen or None}
            )
        self._reporter.start()

    def on_epoch_begin(
        self, args: Any, state: Any, control: Any, train_dataloader: Any = None, **values: Any
    ) -> None:
        """Close the epoch before, if no evaluation did, and open the next."""
        self._close_epoch(None)
        size = _dataset_size(train_dataloader)
        self._samples_left = None if size is None else max(0, size - self._resumed_in_epoch)
        self._resumed_in_epoch = 0

    def on_step_end(self, args: Any, state: Any, control: Any, **values: Any) -> Any:
        """Count a step; the last one of an epoch may be smaller than the others."""
        samples = _samples_per_step(args)
        if self._samples_left is not None:
            samples = min(samples, self._samples_left)
            self._samples_left -= samples
        tokens = state.num_input_tokens_seen - self._tokens_seen
        self._tokens_seen = state.num_input_tokens_seen
        self._reporter.batch_ended(samples=samples, tokens=tokens or None)
        if self._stop is not None and self._stop.requested:
            self._wants_to_stop = True
            control.should_save = True
            control.should_training_stop = True
        return control

    def on_log(
        self,
        args: Any,
        state: Any,
        control: Any,
        logs: Mapping[str, Any] | None = None,
        **values: Any,
    ) -> None:
        """Keep the newest training loss."""
        self._loss = (logs or {}).get("loss", self._loss)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **values: Any) -> None:
        """Wait for the evaluation, which comes after the epoch's end."""
        is_complete = state.global_step % _steps_per_epoch(state) == 0
        self._epoch_is_open = is_complete or not self._wants_to_stop

    def on_evaluate(
        self,
        args: Any,
        state: Any,
        control: Any,
        metrics: Mapping[str, Any] | None = None,
        **values: Any,
    ) -> None:
        """Close the epoch with its accuracy."""
        self._close_epoch((metrics or {}).get(self._accuracy_key))

    def on_train_end(self, args: Any, state: Any, control: Any, **values: Any) -> None:
        """Close the last epoch; after a stop that was asked for, leave with its exit code."""
        self._close_epoch(None)
        if self._wants_to_stop and state.global_step < state.max_steps:
            raise SystemExit(EXIT_CODE_PAUSED)

    def _close_epoch(self, accuracy: float | None) -> None:
        if self._epoch_is_open:
            self._epoch_is_open = False
            self._reporter.epoch_ended(accuracy=accuracy, loss=self._loss)


def _dataset_size(dataloader: Any) -> int | None:
    """Return how many samples the training data has, `None` for a stream."""
    dataset = getattr(dataloader, "dataset", None)
    return len(dataset) if isinstance(dataset, Sized) else None


def _steps_per_epoch(state: Any) -> int:
    return max(1, int(state.max_steps) // max(1, int(state.num_train_epochs)))


def _samples_per_step(args: Any) -> int:
    """Return how many samples an optimiser step has in all processes together."""
    return int(args.train_batch_size * args.gradient_accumulation_steps * args.world_size)
