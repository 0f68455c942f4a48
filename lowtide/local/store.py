"""Store of this machine's runs: one document a run, its samples beside it.

A document is a TrainingJob as the cluster would hold it, so every reader of jobs reads runs. It is
replaced as a whole: a reader sees the old one or the new one, and a crash leaves one of them.
"""

import json
import os
import re
import socket
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lowtide import names
from lowtide.local.samples_file import RunFileError, is_written
from lowtide.units import format_timestamp

NAME: Final = re.compile(r"^[a-z0-9]([a-z0-9.-]{0,50}[a-z0-9])?$")
ANNOTATION_HOST: Final = f"{names.GROUP}/host"
ANNOTATION_FOLDER: Final = f"{names.GROUP}/folder"
ANNOTATION_RUN: Final = f"{names.GROUP}/run"
"""How a run of `lowtide run` was started, so that it can be gone on with."""
ANNOTATION_GRID: Final = f"{names.GROUP}/grid"
"""Which grid a measured command drew from, so that one whose program was killed can be priced."""
_STAMP_FORMAT: Final = "%m%d-%H%M%S"
_TRIES: Final = 1000
_REPORT_MAX: Final = 65_536

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunStore:
    """Folder of runs."""

    folder: Path

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> "RunStore":
        """Return the user's own store: `lowtide/runs` below XDG_DATA_HOME."""
        base = environment.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
        return cls(Path(base) / "lowtide" / "runs")

    def document_path(self, name: str) -> Path:
        """Return where the document of a run is."""
        return self.folder / f"{name}.json"

    def samples_path(self, name: str) -> Path:
        """Return where the samples of a run are."""
        return self.folder / f"{name}.samples"

    def report_path(self, name: str) -> Path:
        """Return where the training of a run writes its report."""
        return self.folder / f"{name}.report"

    def create(self, document: Document, name: str | None, command: Sequence[str]) -> str:
        """Write a new run's document and return the run's name, the first free one of its kind.

        Raises:
            RunFileError: the name is not valid or taken, or the document cannot be written.
        """
        if name is not None and not NAME.match(name):
            raise RunFileError(
                f"{name!r} cannot be a run's name: use up to {names.NAME_MAX_LENGTH} of a-z, 0-9, "
                "'-' and '.', as train-7"
            )
        base = name or _base_name(command)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(self.folder, error) from None
        for number in range(1, _TRIES):
            candidate = name or f"{base}-{time.strftime(_STAMP_FORMAT)}"
            if number > 1 and name is None:
                candidate += f"-{number}"
            document["metadata"]["name"] = candidate
            if self._write(candidate, document, is_new=True):
                return candidate
            if name is not None:
                raise RunFileError(
                    f"a run {name} exists already: choose another --name, or go on with it by "
                    f"`lowtide run --resume {name}`"
                )
        raise RunFileError(f"{self.folder} holds {_TRIES} runs called {base} of this second")

    def save(self, name: str, document: Document) -> None:
        """Replace a run's document as a whole.

        Raises:
            RunFileError: it cannot be written, as on a full disk.
        """
        self._write(name, document, is_new=False)

    def _write(self, name: str, document: Document, *, is_new: bool) -> bool:
        """Put a whole document in its place; return False where `is_new` and there is one."""
        path = self.document_path(name)
        fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
        try:
            with fresh.open("w", encoding="utf-8") as file:
                json.dump(document, file, indent=1, ensure_ascii=False)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            if is_new:
                os.link(fresh, path)
                fresh.unlink()
            else:
                fresh.replace(path)
            _sync_folder(path.parent)
        except FileExistsError:
            fresh.unlink(missing_ok=True)
            return False
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise _unwritable(path, error) from None
        return True

    def load(self, name: str) -> Document:
        """Return a run's document.

        Raises:
            RunFileError: there is no such run, or its document cannot be read.
        """
        path = self.document_path(name)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunFileError(f"there is no run {name} in {self.folder}") from None
        except (OSError, ValueError, RecursionError) as error:
            raise RunFileError(f"{path} cannot be read: {error}") from None
        if not isinstance(content, dict) or content.get("kind") != names.KIND:
            raise RunFileError(f"{path} is not the document of a run")
        return content

    def holds(self, name: str) -> bool:
        """Return whether there is a run of this name."""
        return bool(NAME.match(name)) and self.document_path(name).is_file()

    def names(self) -> list[str]:
        """Return the names of all runs, the latest last."""
        try:
            found = [p for p in self.folder.glob("*.json") if not p.name.startswith(".")]
            found.sort(key=lambda path: (path.stat().st_ctime_ns, path.name))
        except OSError:
            return []
        return [path.stem for path in found]

    def documents(self) -> Iterator[Document]:
        """Yield the documents of all runs; one that cannot be read is left out."""
        for name in self.names():
            try:
                yield self.load(name)
            except RunFileError:
                continue

    def is_going_on(self, name: str) -> bool:
        """Return whether a process is working on a run."""
        return is_written(self.samples_path(name))


def new_document(
    command: Sequence[str], spec: Mapping[str, Any], now_unix: float, status: Mapping[str, Any]
) -> Document:
    """Return the document of a run that has not begun, still without a name."""
    from datetime import UTC, datetime

    return {
        "apiVersion": f"{names.GROUP}/{names.VERSION}",
        "kind": names.KIND,
        "metadata": {
            "name": "",
            "uid": str(uuid.uuid4()),
            "creationTimestamp": format_timestamp(datetime.fromtimestamp(now_unix, UTC)),
            "annotations": {
                ANNOTATION_HOST: socket.gethostname(),
                ANNOTATION_FOLDER: _folder(),
            },
        },
        "spec": {
            **spec,
            "template": {
                "spec": {
                    "template": {
                        "spec": {"containers": [{"name": "run", "command": list(command)}]}
                    }
                }
            },
        },
        "status": dict(status),
    }


def command_of(document: Mapping[str, Any]) -> list[str]:
    """Return the command of a run.

    Raises:
        RunFileError: its document holds none.
    """
    try:
        containers = document["spec"]["template"]["spec"]["template"]["spec"]["containers"]
        return [str(word) for word in containers[0]["command"]]
    except (KeyError, IndexError, TypeError):
        raise RunFileError("the document of the run holds no command") from None


def _folder() -> str:
    try:
        return str(Path.cwd())
    except OSError:
        return ""


def _base_name(command: Sequence[str]) -> str:
    """Return the beginning of a run's name: that of its script, else of its program."""
    words = [word for word in command if not word.startswith("-")]
    scripts = [word for word in words if Path(word).suffix in (".py", ".sh", ".ipynb")]
    stem = Path((scripts or words or ["run"])[0]).stem.lower()
    return re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:30] or "run"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: OSError) -> RunFileError:
    return RunFileError(f"{path} cannot be written: {error.strerror or error}")


def report_text(path: Path) -> str | None:
    """Return what a training wrote of itself, cut where it is too long; `None` for nothing."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_REPORT_MAX) or None
    except OSError:
        return None
