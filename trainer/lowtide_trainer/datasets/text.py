"""A text file as sequences of bytes: 256 tokens, no vocabulary to make or to download."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from lowtide_trainer.data import VALIDATION_SHARE, DataSet, bounded, shuffled
from lowtide_trainer.errors import DataError

VOCABULARY: Final = 256
FILE_MAX_BYTES: Final = 1 << 30


class ByteSequences:
    """Neighbouring stretches of a text, each of `length` bytes and the byte after each."""

    def __init__(self, content: Tensor, starts: Sequence[int], length: int) -> None:
        self._content = content
        self._starts = tuple(starts)
        self._length = length

    def __len__(self) -> int:
        return len(self._starts)

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return bytes (N, T) and the byte after each, (N, T)."""
        rows = [
            self._content[self._starts[index] : self._starts[index] + self._length + 1]
            for index in indices
        ]
        tokens = torch.stack(rows).to(torch.int64)
        return tokens[:, :-1], tokens[:, 1:]


def load_text(
    path: Path,
    *,
    length: int,
    samples: int | None,
    validation_samples: int | None,
    seed: int,
) -> DataSet:
    """Return a file's sequences; those of its last fifth validate, in no place seen in training.

    Raises:
        DataError: the file cannot be read, or is too short.
    """
    try:
        if path.stat().st_size > FILE_MAX_BYTES:
            raise DataError(f"{path} has more than {FILE_MAX_BYTES} bytes: give a part of it")
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    count = max(0, len(content) - 1) // length
    kept = count - max(1, round(count * VALIDATION_SHARE))
    train = [length * place for place in shuffled(max(0, kept), seed)][:samples]
    held_out = [length * place for place in range(max(0, kept), count)][:validation_samples]
    bounded(len(train), len(held_out), f"{path} in sequences of {length} bytes")
    tokens = torch.from_numpy(np.frombuffer(content, dtype=np.uint8).copy())
    said = f"{length} {train} {held_out}".encode()
    return DataSet(
        name=path.name,
        classes=VOCABULARY,
        train=ByteSequences(tokens, train, length),
        validation=ByteSequences(tokens, held_out, length),
        fingerprint=hashlib.sha256(content + said).hexdigest()[:16],
    )
