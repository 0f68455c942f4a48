"""Batches of a user's data loader: their size, their order, and how to return to one of them.

The loader is used as it is. Its order comes from the random generators at the moment when its
iterator is made; with them put back, a fresh iterator repeats the same order, and the batches that
an earlier attempt trained on are skipped.
"""

from __future__ import annotations

from itertools import islice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Final

_UNKNOWN: Final = float("nan")
_SEQUENCES: Final = (tuple, list)
"""Named once: `tuple | list` makes a new type at every batch."""
_PLAIN: Final = (str, bytes, int, float)


def batch_size(batch: Any) -> int | None:
    """Return the number of samples in a batch, or `None` if it cannot be told.

    It is the first dimension of the first tensor or array in the batch, whatever holds it; of a
    batch of plain values it is their number.
    """
    if isinstance(batch, _SEQUENCES):
        if not batch:
            return None
        first = batch[0]
        shape = getattr(first, "shape", None)
        if shape is None:
            return _size_of_parts(batch)
    else:
        shape = getattr(batch, "shape", None)
    if shape is not None:
        return int(shape[0]) if shape else None
    if hasattr(batch, "keys") and hasattr(batch, "values"):
        return batch_size(tuple(batch.values()))
    return None


def _size_of_parts(batch: Any) -> int | None:
    """Return the size of a batch whose first part has no shape.

    A number beside a batch, as `enumerate` puts it there, is no sample.
    """
    part = next((part for part in batch if not isinstance(part, _PLAIN)), None)
    return len(batch) if part is None else batch_size(part)


def count_by(function: Callable[[Any], object], batch: Any, warn: Callable[[str], None]) -> object:
    """Return what a user's function counts in a batch; NaN if it cannot tell.

    NaN is a count that is unknown, unlike `None`, which says that nothing is counted.
    """
    try:
        count = function(batch)
    except Exception as error:
        warn(
            f"a batch cannot be counted ({type(error).__name__}: {error}): mend the function that "
            "is given as samples= or tokens="
        )
        return _UNKNOWN
    return _UNKNOWN if count is None else count


def set_epoch(loader: Any, epoch: int) -> None:
    """Tell the loader and its samplers the epoch, as DistributedSampler needs it for its order."""
    seen = []
    for part in (
        loader,
        getattr(loader, "sampler", None),
        getattr(loader, "batch_sampler", None),
        getattr(getattr(loader, "batch_sampler", None), "sampler", None),
        getattr(getattr(loader, "batch_sampler", None), "batch_sampler", None),
    ):
        if part is not None and part not in seen and hasattr(part, "set_epoch"):
            part.set_epoch(epoch)
            seen.append(part)


def own_generators(loader: Any) -> list[Any]:
    """Return the generators that belong to the loader and not to the whole program."""
    found: list[Any] = []
    for part in (loader, getattr(loader, "sampler", None)):
        generator = getattr(part, "generator", None)
        if generator is not None and all(generator is not known for known in found):
            found.append(generator)
    return found


def skip(iterator: Iterator[Any], loader: Any, batches: int) -> None:
    """Advance a fresh iterator by a number of batches.

    Without worker processes the places of the samples are skipped and nothing is loaded. With
    workers, or where the data has no places, the batches are loaded and dropped.
    """
    places: Iterator[Any] | None = getattr(iterator, "_sampler_iter", None)
    is_quick = getattr(loader, "num_workers", None) == 0 and _has_places(loader)
    for _ in islice(places if places is not None and is_quick else iterator, batches):
        pass


def _has_places(loader: Any) -> bool:
    """Return whether the loader's data is read by place and not as a stream."""
    return hasattr(getattr(loader, "dataset", None), "__getitem__")
