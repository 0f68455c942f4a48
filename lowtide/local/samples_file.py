"""File of a run's samples: one line a second, so that a killed run loses one second at most.

Each line is whole JSON; a last line that was cut is left out. A line goes to the kernel at once,
which a killed process survives, and to the disk every ten seconds and at the end, for a machine
that loses power. Above a number of lines every second one is dropped, so that a run of a month
takes no more room than one of an hour; only the times between get coarser. The file is locked
while its run goes on, so that another program can tell whether it still does.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

SYNC_SECONDS: Final = 10.0
LINES_MAX: Final = 4096
BEGIN, SAMPLE, END = "begin", "sample", "end"


class RunFileError(Exception):
    """A file of a run cannot be written or read; the message says which and why."""


class SamplesWriter:
    """Appends lines to a file of samples, and holds its lock.

    Raises:
        RunFileError: the file cannot be opened or written, or another process writes it.
    """

    def __init__(self, path: Path, *, lines_max: int = LINES_MAX) -> None:
        self._path, self._lines_max = path, lines_max
        try:
            lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            if not _lock(self._descriptor):
                os.close(self._descriptor)
                raise RunFileError(f"{path} is written by another process: the run goes on there")
            whole = sum(len(line) for line in lines if line.endswith(b"\n"))
            os.ftruncate(self._descriptor, whole)
            os.lseek(self._descriptor, 0, os.SEEK_END)
        except OSError as error:
            raise RunFileError(_sentence(path, error)) from None
        self._lines = sum(1 for line in lines if line.endswith(b"\n"))
        self._synced_at = 0.0

    def write(self, line: Mapping[str, Any], now: float | None = None) -> None:
        """Append a line; `now` in monotonic seconds is when, `None` puts it on the disk at once.

        Raises:
            RunFileError: it cannot be written, as on a full disk.
        """
        text = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        try:
            self._append(text)
            self._lines += 1
            if now is None or now - self._synced_at >= SYNC_SECONDS:
                os.fdatasync(self._descriptor)
                self._synced_at = 0.0 if now is None else now
            if self._lines > self._lines_max:
                self._thin()
        except OSError as error:
            raise RunFileError(_sentence(self._path, error)) from None

    def close(self) -> None:
        """Put everything on the disk and release the lock."""
        try:
            os.fsync(self._descriptor)
        except OSError:
            pass
        finally:
            os.close(self._descriptor)

    def _append(self, text: bytes) -> None:
        """Write a whole line or nothing, so that the next one begins on its own."""
        size = os.lseek(self._descriptor, 0, os.SEEK_END)
        written = 0
        try:
            written = os.write(self._descriptor, text)
        finally:
            if written != len(text):
                os.ftruncate(self._descriptor, size)
        if written != len(text):
            raise RunFileError(f"{self._path} cannot be written: the disk is full")

    def _thin(self) -> None:
        """Drop every second sample, in a new file that takes the place of this one."""
        kept: list[bytes] = []
        odd = False
        for line in self._path.read_bytes().splitlines(keepends=True):
            is_sample = line.startswith(b'{"kind":"sample"')
            odd = is_sample and not odd
            if not (is_sample and odd):
                kept.append(line)
        fresh = self._path.with_name(self._path.name + ".new")
        descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        _lock(descriptor)
        os.write(descriptor, b"".join(kept))
        os.fsync(descriptor)
        fresh.replace(self._path)
        os.close(self._descriptor)
        self._descriptor, self._lines = descriptor, len(kept)


@dataclass(slots=True)
class SampledAttempt:
    """Lines of one attempt of a run."""

    number: int
    started_at: float
    """Unix time of its start."""
    gpus: Mapping[str, str] = field(default_factory=dict)
    """Models of the GPUs held, by uuid."""
    is_mock: bool | None = None
    """Whether a GPU is a stand-in."""
    notes: tuple[str, ...] = ()
    """What could not be measured."""
    samples: list[tuple[float, Mapping[str, int], Mapping[str, float]]] = field(
        default_factory=list
    )
    """Unix time, millijoules by kind, GPU-seconds held by model; all since the start."""
    ended_at: float | None = None
    """Unix time of its end; `None` for one that was cut."""
    exit_status: int | None = None
    """Exit status of its command."""
    pid: int | None = None
    """Process id of its command."""
    process_birth: str = ""
    """`process_birth` of that process, which no later one shares."""

    @property
    def last_seen(self) -> float:
        """Unix time up to which it is known."""
        if self.ended_at is not None:
            return self.ended_at
        return self.samples[-1][0] if self.samples else self.started_at

    def is_command_alive(self) -> bool:
        """Return whether the very process of its command still exists."""
        birth = "" if self.pid is None else process_birth(self.pid)
        return birth != "" and birth == self.process_birth


def process_birth(pid: int) -> str:
    """Return which boot a process belongs to and when in it it began; empty if there is none."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else f"{boot} {fields[19]}"


def read_samples(path: Path) -> list[SampledAttempt]:
    """Return the attempts in a file of samples; a line that was cut or is none is left out.

    Raises:
        RunFileError: the file cannot be read.
    """
    found: list[SampledAttempt] = []
    for line in _lines(path):
        try:
            _take(line, found)
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
    return found


def is_written(path: Path) -> bool:
    """Return whether a process holds the lock of a file of samples."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _lock(descriptor)
    finally:
        os.close(descriptor)


def _take(line: Mapping[str, Any], found: list[SampledAttempt]) -> None:
    if line["kind"] == BEGIN:
        mock = line.get("mock")
        found.append(
            SampledAttempt(
                number=int(line["attempt"]),
                started_at=float(line["at"]),
                gpus={str(uuid): str(model) for uuid, model in line.get("gpus", {}).items()},
                is_mock=None if mock is None else bool(mock),
                pid=int(line["pid"]) if "pid" in line else None,
                process_birth=str(line.get("birth", "")),
            )
        )
        return
    attempt = found[-1]
    if line["kind"] == SAMPLE:
        joules = {str(key): int(value) for key, value in line["mj"].items()}
        held = {str(model): float(value) for model, value in line["held"].items()}
        attempt.samples.append((float(line["at"]), joules, held))
    elif line["kind"] == END:
        attempt.ended_at = float(line["at"])
        status = line.get("status")
        attempt.exit_status = None if status is None else int(status)
        attempt.notes = tuple(map(str, line.get("notes", ())))


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunFileError(_sentence(path, error)) from None
    for line in text.split("\n"):
        try:
            content = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(content, dict):
            yield content


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sentence(path: Path, error: OSError) -> str:
    return f"{path} cannot be written or read: {error.strerror or error}"
