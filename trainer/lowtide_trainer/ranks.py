"""Ranks of a distributed training: one decision and one sum for all of them.

Every rank does the same number of exchanges in the same order, one after each batch. An exchange
is a sum of a few integers over a gloo group of its own; it is awaited one batch later, when it has
long arrived, so it costs no waiting and never touches a GPU stream. All ranks therefore read the
same result after the same batch: a stop or a checkpoint that one rank wishes for happens on all of
them at one step. A rank whose data ended keeps exchanging until all have ended.

torch is used only if the program imported it already; without a process group there is one rank.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class RankSums:
    """Sums over all ranks of what each gave to an exchange; not changed once it is made.

    `stop`: ranks that were told to stop; `save`: that wish for a checkpoint; `ended`: whose data
    ended; `uncounted` and `uncounted_tokens`: batches of unknown size.
    """

    __slots__ = ("ended", "samples", "save", "stop", "tokens", "uncounted", "uncounted_tokens")

    def __init__(
        self,
        *,
        stop: int = 0,
        save: int = 0,
        ended: int = 0,
        samples: int = 0,
        tokens: int = 0,
        uncounted: int = 0,
        uncounted_tokens: int = 0,
    ) -> None:
        self.stop = stop
        self.save = save
        self.ended = ended
        self.samples = samples
        self.tokens = tokens
        self.uncounted = uncounted
        self.uncounted_tokens = uncounted_tokens

    def values(self) -> list[int]:
        """Return the sums in the order of their names, as they are exchanged."""
        return [getattr(self, name) for name in self.__slots__]


class Ranks:
    """The processes of one training, seen from this one; with `alone` this one only."""

    def __init__(self, *, alone: bool = False) -> None:
        distributed: Any = None if alone else _process_group()
        self._distributed = distributed
        self._group: Any = None
        self._pending: tuple[Any, Any] | None = None
        self.rank, self.size = 0, 1
        if distributed is not None:
            self.rank, self.size = distributed.get_rank(), distributed.get_world_size()
        if distributed is not None and self.size > 1:
            # A group of its own: gloo works whatever the backend of the gradients is.
            # Making it connects every rank with every other.
            self._group = distributed.new_group(backend="gloo")

    @property
    def is_first(self) -> bool:
        """Return whether this rank reports and writes checkpoints."""
        return self.rank == 0

    def exchange(self, mine: RankSums) -> RankSums:
        """Give this batch's figures and return the sums of the batch before.

        Before the first batch there is nothing to return: all sums are zero. With one rank the
        sums are those just given.
        """
        if self.size == 1:
            return mine
        import torch

        before = self.drain()
        values = torch.tensor(mine.values(), dtype=torch.int64)
        work = self._distributed.all_reduce(values, group=self._group, async_op=True)
        self._pending = (work, values)
        return before

    def drain(self) -> RankSums:
        """Return the sums of the exchange that is still under way; zero if there is none."""
        if self._pending is None:
            return RankSums()
        work, values = self._pending
        self._pending = None
        work.wait()
        names = RankSums.__slots__
        return RankSums(**dict(zip(names, values.tolist(), strict=True)))

    def has_lost_another(self, error: BaseException) -> bool:
        """Return whether an error says that another process of a training under way is gone.

        A rank that never met the others has none of these: its start fails in the making of the
        group, and a run alone has no group.
        """
        if self._group is None or not isinstance(error, RuntimeError):
            return False
        # gloo raises no class of its own; its sentence names the file of its transport.
        kinds = (self._distributed.DistBackendError, self._distributed.DistNetworkError)
        return isinstance(error, kinds) or "gloo/transport" in str(error)

    def gather(self, value: object) -> list[Any]:
        """Return the values of all ranks in order, on every rank."""
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        self._distributed.all_gather_object(found, value, group=self._group)
        return found

    def from_first(self, value: object) -> Any:
        """Return the first rank's value on every rank."""
        if self.size == 1:
            return value
        box = [value]
        self._distributed.broadcast_object_list(box, src=0, group=self._group)
        return box[0]


def _process_group() -> Any:
    """Return `torch.distributed` if this program opened a process group, else `None`."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    return distributed
