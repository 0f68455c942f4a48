"""Runs programs to their end, with a time limit and a useful sentence when they fail.

A program run here dies with its caller: a killed starter leaves no build running. (Long-lived
processes are the business of `processes`.)
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from singlenode.errors import CommandFailedError

_PR_SET_PDEATHSIG = 1  # prctl(2)
_libc = ctypes.CDLL(None)


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _kill_group(process: "subprocess.Popen[str]") -> None:
    """Kill a program with all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def run(
    argv: Sequence[str | Path],
    *,
    timeout_seconds: float = 60,
    input_text: str | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    outlives_caller: bool = False,
) -> str:
    """Return what the program `argv` wrote to stdout.

    `environment` is added to the caller's own. `outlives_caller` is for a package manager,
    which must not be torn from its work.

    Raises:
        CommandFailedError: it is missing, ran too long, or its exit status is not 0.
    """
    name = Path(argv[0]).name
    environment = {**os.environ, **(environment or {})}
    try:
        process = subprocess.Popen(
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL if input_text is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment,
            cwd=directory,
            process_group=0,  # Ctrl-C reaches only this process, which decides what to do
            preexec_fn=None if outlives_caller else _die_with_parent,
        )
    except (FileNotFoundError, PermissionError) as error:
        # A folder of the path that this user may not read is answered like a program of that kind.
        if shutil.which(argv[0], os.F_OK, environment.get("PATH")) is None:
            raise CommandFailedError(f"{name} is not installed") from error
        raise CommandFailedError(f"{name} cannot be executed: {error.strerror}") from error
    with process:  # at its end the process has ended, whatever happens
        try:
            output, complaint = process.communicate(input_text, timeout=timeout_seconds)
        except subprocess.TimeoutExpired as error:
            _kill_group(process)
            raise CommandFailedError(
                f"{name} did not end within {timeout_seconds:.0f} s"
            ) from error
        except BaseException:
            if not outlives_caller:
                _kill_group(process)
            raise
    if process.returncode != 0:
        said = (complaint or output).strip().splitlines()[-15:]
        raise CommandFailedError(
            f"{' '.join([name, *map(str, argv[1:4])])} … ended with status "
            f"{process.returncode}:\n" + "\n".join(said)
        )
    return output


def watch(
    argv: Sequence[str | Path],
    on_line: Callable[[str], None],
    *,
    environment: Mapping[str, str],
    directory: Path,
    pass_fds: Sequence[int] = (),
) -> None:
    """Run a long build, calling `on_line` for each line of its output.

    Raises:
        CommandFailedError: its exit status is not 0.
    """
    last: list[str] = []
    with subprocess.Popen(
        [str(part) for part in argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, **environment},
        cwd=directory,
        pass_fds=pass_fds,
        process_group=0,
        preexec_fn=_die_with_parent,
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                last = [*last[-14:], line.rstrip()]
                on_line(line.rstrip())
        except BaseException:
            _kill_group(process)  # an interrupted caller would wait for the build's end
            raise
    if process.returncode != 0:
        raise CommandFailedError(
            f"{Path(argv[0]).name} {' '.join(map(str, argv[1:3]))} … ended with status "
            f"{process.returncode}:\n" + "\n".join(last)
        )


@contextlib.contextmanager
def beside(argv: Sequence[str | Path]) -> Iterator[None]:
    """Run a program while the body runs, and wait for it; its stderr is the caller's.

    A body that fails asks it to end (SIGTERM) and waits until it has cleaned up. The program's own
    failure is left to the caller that needs its product: it tries again, and says why not.
    """
    with subprocess.Popen(
        [str(part) for part in argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        process_group=0,
        preexec_fn=_die_with_parent,
    ) as process:
        try:
            yield
            process.wait()
        except BaseException:
            process.terminate()
            raise
