"""Checkpoints of a transformers Trainer: the newest that was written to its end."""

import json
import struct
import zipfile
from pathlib import Path
from typing import Final

from lowtide_trainer.callbacks.framework import newest_of

_STATE_NAME: Final = "trainer_state.json"


def newest_checkpoint(output_dir: str | Path) -> str | None:
    """Return the newest complete checkpoint of a Trainer, or `None` before the first.

    A process that is killed while it saves leaves an incomplete directory, with which the Trainer
    could not start. The Trainer writes its state last, so a directory with it has all files; each
    is checked for its end, and one that is passed over is a warning.
    """
    found = [path for path in Path(output_dir).glob("checkpoint-*") if path.name[11:].isdigit()]
    newest_first = sorted(found, key=lambda path: int(path.name[11:]), reverse=True)
    return newest_of(newest_first, _is_complete, Path(output_dir))


def _is_complete(checkpoint: Path) -> bool:
    try:
        json.loads((checkpoint / _STATE_NAME).read_bytes())
        return all(map(_has_its_end, checkpoint.iterdir()))
    except (OSError, ValueError):
        return False


def _has_its_end(path: Path) -> bool:
    """Return whether a file of weights or states was written to its end."""
    if path.suffix in (".pt", ".pth", ".bin"):
        # Their directory stands at the end. The oldest format of torch is no archive at all.
        with path.open("rb") as file:
            is_archive = file.read(2) == b"PK"
        return not is_archive or zipfile.is_zipfile(path)
    if path.suffix == ".safetensors":
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
        ends: list[int] = [
            part["data_offsets"][1] for name, part in header.items() if name != "__metadata__"
        ]
        size: int = 8 + length + max(ends, default=0)
        return path.stat().st_size == size
    return True
