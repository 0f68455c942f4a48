"""Sentences about errors that frameworks raise in words of their own.

A full disk, an empty data set and a checkpoint of another model end a training in the words of
torch, safetensors, HDF5 or the operating system, which name neither what is wrong nor what would
be right. Each function looks at the error, and at those that it came from; the error itself is
never replaced.
"""

from __future__ import annotations

import errno
import re

from lowtide_trainer.errors import TrainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

NO_BATCHES: Final = (
    "no batch was trained on: the data set is empty, or smaller than a batch that must be full "
    "(drop_last); give at least one batch of samples"
)
_FULL: Final = {
    errno.ENOSPC: ("the disk is full", "free space there"),
    errno.EDQUOT: ("the quota of the disk is used up", "free space there or raise the quota"),
    errno.EFBIG: ("a file is larger than it may be", "raise the limit (ulimit -f)"),
}
"""What the operating system refuses for want of room, and what would help."""
_IN_WORDS: Final = (
    (re.compile(r"os error 28\b|errno = 28\b|No space left on device"), errno.ENOSPC),
    (re.compile(r"os error 122\b|errno = 122\b|Disk quota exceeded"), errno.EDQUOT),
    (re.compile(r"os error 27\b|errno = 27\b|File too large"), errno.EFBIG),
)
"""Libraries that are not written in Python pass the number on in their text only."""
_TORCH_WRITER: Final = re.compile(
    r"inline_container\.cc.*(file write failed|unexpected pos)|basic_ios::clear: iostream error",
    re.DOTALL,
)
"""What torch says of a file that it could not write to its end; it keeps no number."""
_NO_SAMPLES: Final = re.compile(
    r"num_samples should be a positive integer value, but got num_samples=0"
    r"|Batch does not contain any data"
)
_STATE: Final = "Error(s) in loading state_dict for "
_SHAPE: Final = re.compile(
    r"size mismatch for (\S+): .*?torch\.Size\((\[[\d, ]*\])\).*?torch\.Size\((\[[\d, ]*\])\)"
)
_KEYS: Final = re.compile(r"(Missing|Unexpected) key\(s\) in state_dict: ([^\n]*)")
_OPTIMIZER: Final = re.compile(
    r"loaded state dict (contains a parameter group that doesn't match the size of optimizer's "
    r"group|has a different number of parameter groups)"
)


def explanation(error: BaseException) -> str | None:
    """Return one sentence about an error that is explained here, else `None`.

    An error of the trainer is a sentence of ours already.
    """
    if isinstance(error, TrainerError):
        return None
    for found in _with_causes(error):
        sentence = _no_room(found) or _no_data(found) or _other_model(found)
        if sentence is not None:
            return sentence
    return None


def sentence_about(error: BaseException) -> str:
    """Return the explanation of the error that ended a training, or its class and its words."""
    return explanation(error) or f"{type(error).__name__}: {error}"


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that led to it, the newest first."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)


def _no_room(error: BaseException) -> str | None:
    """Return a sentence about a file that could not be written for want of room."""
    number = error.errno if isinstance(error, OSError) else None
    if number not in _FULL:
        # Bounded: an error of HDF5 holds a line for every open file.
        text = str(error)[:4000]
        number = next((found for words, found in _IN_WORDS if words.search(text)), None)
        if number is None and not _TORCH_WRITER.search(text):
            return None
    path = getattr(error, "filename", None)
    where = f"{str(path)!r}" if path else "a file"
    if number is None:
        return (
            f"{where} could not be written to its end, as on a full disk: free space where the "
            "training saves and start it again; it goes on from its last complete checkpoint"
        )
    what, remedy = _FULL[number]
    return (
        f"{where} could not be written, {what}: {remedy} and start the training again; it goes on "
        "from its last complete checkpoint"
    )


def _no_data(error: BaseException) -> str | None:
    """Return a sentence about a data set without samples."""
    if isinstance(error, ValueError) and _NO_SAMPLES.search(str(error)):
        return NO_BATCHES
    return None


def _other_model(error: BaseException) -> str | None:
    """Return a sentence about a state that belongs to another model or optimiser."""
    text = str(error)
    if isinstance(error, ValueError) and _OPTIMIZER.search(text):
        return (
            "the checkpoint is of another training: its optimiser has other groups of parameters "
            "than this one; give each training its own checkpoint directory"
        )
    if not isinstance(error, RuntimeError) or not text.startswith(_STATE):
        return None
    differences = [
        f"{name} has the shape {there} in it and {here} here"
        for name, there, here in _SHAPE.findall(text)
    ]
    for kind, names in _KEYS.findall(text):
        where = "is not in it" if kind == "Missing" else "is in it and not here"
        differences += [f"{name} {where}" for name in re.findall(r'"([^"]+)"', names)]
    model = text[len(_STATE) :].partition(":")[0]
    first = differences[0] if differences else "its parameters are others"
    more = f" ({len(differences) - 1} more differ)" if len(differences) > 1 else ""
    return (
        f"the checkpoint is of another model than this {model}: {first}{more}; give each training "
        "its own checkpoint directory"
    )
