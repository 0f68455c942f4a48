"""Saving and exact resuming of a run: the state of its objects, its position and its randomness.

What the next batch depends on is in a checkpoint: the objects, the generators of every rank, and
the generators as they stood when the pass over the loader began, because the order of the batches
came from those. The first rank writes and reads; the others are told, so that ranks in several pods
need no shared volume.
"""

import logging
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch

from lowtide_trainer import batches as data
from lowtide_trainer.checkpoint import CheckpointStore
from lowtide_trainer.common_save import save_together
from lowtide_trainer.errors import CheckpointError, CheckpointNotSavedError
from lowtide_trainer.objects import StatefulObjects
from lowtide_trainer.randomness import generator_states, set_generator_states
from lowtide_trainer.ranks import Ranks
from lowtide_trainer.reporter import Reporter

log = logging.getLogger(__name__)

DEFAULT_DIRECTORY: Final = "lowtide-checkpoints"


class RunSaver:
    """Checkpoints of one run; every method is called on all ranks in the same order.

    Raises:
        CheckpointError: the directory that the user named cannot be used.
        UsageError: an object has no state.
    """

    def __init__(
        self,
        state: Mapping[str, Any] | Sequence[Any],
        *,
        directory: Path | None,
        model: str,
        ranks: Ranks,
    ) -> None:
        self.save_seconds = 0.0
        self._ranks = ranks
        self._objects = StatefulObjects(state)
        self._is_default = directory is None
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", model)
        self.directory = directory or Path(DEFAULT_DIRECTORY, slug).absolute()
        self._can_save = True
        self._store = self._open_store()
        self._batches_done = 0
        self._epoch = self._pass = self._batch = 0
        self._start: dict[str, Any] | None = None
        self._left: dict[str, Any] | None = None
        self._own: list[torch.Generator] = []

    def facts(self) -> dict[str, object]:
        """Return what the objects tell about the training."""
        device = self._objects.device
        facts: dict[str, object] = {
            "parameters": self._objects.parameters,
            "framework": f"torch {torch.__version__}",
        }
        if device is not None:
            is_gpu = device.type == "cuda"
            facts["device"] = torch.cuda.get_device_name(device) if is_gpu else device.type
        return {name: value for name, value in facts.items() if value is not None}

    def resume(self, reporter: Reporter) -> int:
        """Restore the newest checkpoint and return the epoch to go on with; 0 without one.

        Raises:
            CheckpointError: the checkpoint belongs to another training.
        """
        found, failure = None, None
        if self._store is not None:
            try:
                found = self._store.load_newest()
            except CheckpointError as error:
                failure = error
        content, info, failure = self._ranks.from_first(
            (found and dict(found.content), found and found.info, failure)
        )
        if failure is not None:
            raise failure
        if content is None:
            return 0
        if "position" not in content:
            raise CheckpointError(
                f"the checkpoints in {self.directory} belong to another program: give each "
                "training its own checkpoint directory"
            )
        self._objects.load(content["objects"])
        reporter.restore(content["reporter"], info)
        self._restore_position(content["position"])
        self._say(f"resumed after {self._batches_done} batches ({self._epoch} epochs)")
        return self._epoch

    def say_finished(self) -> None:
        """Say that there is nothing left to train."""
        self._say(
            f"this training already finished its {self._epoch} epochs: remove {self.directory} to "
            "train anew"
        )

    def begin_epoch(self, epoch: int) -> None:
        """Note the epoch that the next batches belong to."""
        if self._left is None:
            self._epoch, self._pass, self._batch = epoch, 0, 0
        elif self._left["start"] is None:
            # Saved between two passes: there is nothing to skip, only randomness to put back.
            set_generator_states(self._left["generators"])

    def skips_pass(self) -> bool:
        """Return whether an earlier attempt finished this pass of the resumed epoch."""
        if self._left is not None and self._pass < self._left["pass"]:
            self._pass += 1
            return True
        return False

    def start_pass(self, loader: Any) -> tuple[Iterator[Any], int]:
        """Return an iterator over what is left of a pass, and how many batches are done."""
        left, self._left = self._left, None
        self._own = data.own_generators(loader)
        if left is None or left["start"] is None:
            self._start = {"generators": generator_states(), "own": _states(self._own)}
            self._batch = 0
            return iter(loader), 0
        self._start, self._batch = left["start"], left["batch"]
        self._put_back(left["start"])
        iterator = iter(loader)
        data.skip(iterator, loader, self._batch)
        self._put_back(left)
        return iterator, self._batch

    def batch_ended(self) -> None:
        """Count a batch."""
        self._batch += 1
        self._batches_done += 1

    def end_pass(self) -> None:
        """Note that a pass over a loader ended."""
        self._pass += 1
        self._start = None

    def epoch_ended(self) -> None:
        """Note the end of an epoch."""
        self._epoch, self._pass, self._batch, self._start = self._epoch + 1, 0, 0, None
        self._left = None

    def save(self, reporter: Reporter) -> str | None:
        """Write a checkpoint; return why it could not be written, else `None`."""
        if not self._can_save:
            reporter.checkpoint_failed()
            return f"no checkpoint can be written to {self.directory}"
        try:
            info = save_together(
                lambda: self._content(reporter),
                batches=self._batches_done,
                store=self._store,
                ranks=self._ranks,
                reporter=reporter,
            )
        except CheckpointNotSavedError as error:
            return str(error)
        self.save_seconds = info.duration_seconds or 0.0
        return None

    def finish(self, reporter: Reporter) -> None:
        """Save the finished training, or remove checkpoints that the user did not ask for."""
        if not self._is_default:
            if failure := self.save(reporter):
                log.warning("%s; the training itself is finished", failure)
        elif self._store is not None:
            self._store.remove_all()
            for folder in (self.directory, self.directory.parent):
                if not any(folder.iterdir()):
                    folder.rmdir()

    def _open_store(self) -> CheckpointStore | None:
        """Return the store on the first rank."""
        store, failure = None, None
        if self._ranks.is_first:
            try:
                store = CheckpointStore(self.directory)
            except CheckpointError as error:
                failure = error
        failure = self._ranks.from_first(failure)
        if failure is not None and not self._is_default:
            raise failure
        if failure is not None:
            self._can_save = False
            log.warning("%s; this training cannot be paused", failure)
        return store

    def _content(self, reporter: Reporter) -> dict[str, Any]:
        """Return what a checkpoint holds; exchanged by all ranks."""
        return {
            "objects": self._objects.to_content(),
            "reporter": reporter.state(),
            "position": {
                "epoch": self._epoch,
                "batches_done": self._batches_done,
                "ranks": self._ranks.gather(self._place()),
            },
        }

    def _place(self) -> dict[str, Any]:
        """Return where this rank stands: its place in the data and its generators."""
        return {
            "pass": self._pass,
            "batch": self._batch,
            "start": self._start,
            "generators": generator_states(),
            "own": _states(self._own),
        }

    def _restore_position(self, position: Mapping[str, Any]) -> None:
        self._epoch, self._batches_done = position["epoch"], position["batches_done"]
        places = position["ranks"]
        if len(places) == self._ranks.size:
            self._left = dict(places[self._ranks.rank])
        else:
            log.warning(
                "resumed with %d processes after %d: the order of the samples differs from that of "
                "an uninterrupted run",
                self._ranks.size,
                len(places),
            )
            done = sum(place["batch"] for place in places) // self._ranks.size
            self._left = {**places[self._ranks.rank % len(places)], "batch": done}

    def _put_back(self, place: Mapping[str, Any]) -> None:
        """Put back the program's generators and those of the loader."""
        set_generator_states(place["generators"])
        for part, state in zip(self._own, place["own"], strict=False):
            part.set_state(state)

    def _say(self, sentence: str) -> None:
        if self._ranks.is_first:
            print(f"lowtide: {sentence}", file=sys.stderr, flush=True)


def _states(generators: Sequence[torch.Generator]) -> list[Any]:
    return [generator.get_state() for generator in generators]
