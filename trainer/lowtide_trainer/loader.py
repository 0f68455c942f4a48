"""A DataLoader that can be resumed within an epoch, by the protocol that frameworks know.

Lightning and others save `state_dict()` of a loader that has one and give it back by
`load_state_dict()`. `lowtide_trainer.run` needs no such loader: it resumes any.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from torch.utils.data import DataLoader

from lowtide_trainer import batches as data
from lowtide_trainer.randomness import generator_states, set_generator_states


class ResumableLoader(DataLoader[Any]):
    """A DataLoader with a state: the batches done, and the randomness that their order came from.

    The batches that were done are left out of the next epoch after `load_state_dict`.
    """

    _start: dict[str, Any] | None = None
    _left: Mapping[str, Any] | None = None
    _done = 0

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Yield the batches that are left of the epoch."""
        left, self._left = self._left, None
        if left is None or left["start"] is None:
            self._start, self._done = self._randomness(), 0
            iterator = iter(super().__iter__())
        else:
            now = generator_states()
            self._start, self._done = dict(left["start"]), left["done"]
            set_generator_states(self._start["generators"])
            for part, state in zip(data.own_generators(self), self._start["own"], strict=False):
                part.set_state(state)
            iterator = iter(super().__iter__())
            data.skip(iterator, self, self._done)
            set_generator_states(now)
        for batch in iterator:
            self._done += 1
            yield batch
        self._start, self._done = None, 0

    def state_dict(self) -> dict[str, Any]:
        """Return how much of the epoch is done; nothing of it between two epochs."""
        try:
            is_between = self._done >= len(self)
        except TypeError:
            is_between = False
        if is_between:
            return {"start": None, "done": 0}
        return {"start": self._start, "done": self._done}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Leave the batches that are done out of the next epoch."""
        self._left = state

    def _randomness(self) -> dict[str, Any]:
        own = [part.get_state() for part in data.own_generators(self)]
        return {"generators": generator_states(), "own": own}
