"""Notes that training processes leave for `lowtide-trainer exec`, which started them.

A launcher such as torchrun or a shell stands between the wrapper and the training, and hides both
who listens to a signal and why a process ended. So each training process keeps one small file in a
directory that the wrapper names in the environment. Without that variable nothing is written.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from lowtide_trainer.environment import ENV_NOTES, ENV_TORCHRUN


class ProcessStage(StrEnum):
    """What a training process does at the moment."""

    LISTENING = "Listening"
    """It answers SIGTERM by saving and stopping."""
    PAUSED = "Paused"
    """Its state is saved; it ends."""
    ENDED = "Ended"
    """It finished or failed by itself."""


@dataclass(frozen=True, slots=True)
class ProcessNote:
    """The note of one training process; `processes` is how many the pod should have."""

    pid: int
    stage: ProcessStage
    processes: int


def leave_note(stage: ProcessStage, environment: Mapping[str, str] = os.environ) -> None:
    """Write the note of this process, if a wrapper asked for notes."""
    directory = environment.get(ENV_NOTES)
    if not directory:
        return
    size = environment.get("LOCAL_WORLD_SIZE", "")
    note = ProcessNote(os.getpid(), stage, int(size) if size.isdigit() else 1)
    final = Path(directory, f"{note.pid}.json")
    partial = final.with_suffix(".partial")
    try:
        partial.write_text(json.dumps(asdict(note)), encoding="utf-8")
        partial.replace(final)
    except OSError:
        # The wrapper is gone; then nothing reads notes either.
        return


def read_notes(directory: Path) -> list[ProcessNote]:
    """Return all notes in a directory."""
    notes = []
    for path in sorted(directory.glob("*.json")):
        values = json.loads(path.read_text(encoding="utf-8"))
        notes.append(ProcessNote(values["pid"], ProcessStage(values["stage"]), values["processes"]))
    return notes


def is_paused(notes: list[ProcessNote]) -> bool:
    """Return whether every process of the training saved its state and stopped.

    Processes of an earlier round of the launcher have ended and do not count.
    """
    paused = [note for note in notes if note.stage is ProcessStage.PAUSED]
    is_open = any(note.stage is ProcessStage.LISTENING for note in notes)
    return bool(paused) and not is_open and len(paused) >= max(note.processes for note in paused)


def pause_exit_code(paused: int, environment: Mapping[str, str] = os.environ) -> int:
    """Return the exit code of a process that paused: `paused`, or 0 for torchrun under a wrapper.

    torchrun takes any other code for a crash: it kills the other ranks, or starts them again. The
    wrapper reads the notes and exits with the code of a pause itself.
    """
    is_hidden = environment.get(ENV_NOTES) and environment.get(ENV_TORCHRUN)
    return 0 if is_hidden else paused
