"""Attempts of a training, each a process of its own that is forked from one that imported torch.

A pod is a process tree with namespaces of its own for processes, mounts, IPC and the host's name:
its training is process 1, which no signal without a handler reaches, and the paths of its report
and of its volume are the same in every pod and lead to its own. Making namespaces needs root.
"""

import ctypes
import os
import signal
import socket
import sys
import tempfile
from dataclasses import dataclass

from trainings import LOOPS, RANKS

_NAMESPACES = 0x00020000 | 0x04000000 | 0x08000000 | 0x20000000
"""CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC and CLONE_NEWPID."""
_BIND, _RECURSIVE, _PRIVATE = 4096, 16384, 1 << 18


@dataclass(frozen=True)
class Child:
    """A process that trains, and the one to wait for; they differ where a pod stands between."""

    pid: int
    waited: int


def start(kind, folder, progress, *, checkpoint_seconds):
    """Start the processes of one attempt and return them."""
    options = {"checkpoint_seconds": checkpoint_seconds}
    if kind == "ddp":
        address = f"file://{tempfile.mktemp(dir=folder)}"
        return [
            fork(kind, folder, progress, rank=rank, address=address, **options)
            for rank in range(RANKS)
        ]
    if kind == "hugging-face-ddp":
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"
        address = f"tcp://127.0.0.1:{free_port()}"
        return [
            fork(kind, folder, progress, rank=rank, address=address, **options)
            for rank in range(RANKS)
        ]
    if kind == "pods":
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"
        address = f"tcp://127.0.0.1:{free_port()}"
        return [
            fork_pod(kind, folder, progress, rank=rank, address=address, **options)
            for rank in range(RANKS)
        ]
    return [fork(kind, folder, progress, **options)]


def fork(kind, folder, progress, **options):
    """Start a process that trains and exits as a program would."""
    child = os.fork()
    if not child:
        run(kind, folder, progress, **options)
    return Child(child, child)


def fork_pod(kind, folder, progress, *, rank, **options):
    """Start a pod whose first process trains as one rank."""
    reading, writing = os.pipe()
    holder = os.fork()
    if holder:
        os.close(writing)
        text = os.read(reading, 32)
        os.close(reading)
        return Child(int(text), holder)
    volume = folder / f"volume-{rank}"
    volume.mkdir(exist_ok=True)
    (folder / "volume").mkdir(exist_ok=True)
    for name in (f"report-{rank}.json", "termination-log"):
        (folder / name).touch()
    if LIBC.unshare(_NAMESPACES):
        raise OSError(ctypes.get_errno(), "namespaces cannot be made")
    first = os.fork()
    if not first:
        mount("none", "/", _RECURSIVE | _PRIVATE)
        mount(volume, folder / "volume", _BIND)
        mount(folder / f"report-{rank}.json", folder / "termination-log", _BIND)
        report = folder / "termination-log"
        run(kind, folder / "volume", progress, rank=rank, report=report, **options)
    os.write(writing, str(first).encode())
    os.close(progress)
    status = os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])
    os._exit(status if status >= 0 else 128 - status)


def run(kind, folder, progress, *, report=None, **options):
    """Train in this process and leave as a program would; never returns."""
    status = 1
    try:
        os.dup2(os.open(folder / "output", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        os.dup2(2, 1)
        os.environ["LOWTIDE_REPORT_PATH"] = str(report or folder / "report.json")
        os.environ["LOWTIDE_METRICS_PORT"] = "0"
        LOOPS[kind](folder, progress, **options)
        status = 0
    except SystemExit as leaving:
        status = leaving.code or 0
    except BaseException as error:
        # What the interpreter does with an error that nothing catches.
        try:
            sys.excepthook(type(error), error, error.__traceback__)
        except SystemExit as leaving:
            status = leaving.code or 0
    finally:
        os._exit(status)


def ended(child):
    """Wait for a process and return its exit status, negative for a signal."""
    status = os.waitstatus_to_exitcode(os.waitpid(child.waited, 0)[1])
    is_signal = child.pid != child.waited and status in (128 + signal.SIGKILL, 128 + signal.SIGTERM)
    return 128 - status if is_signal else status


def free_port():
    """Return a port of the loopback that nothing listens to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


LIBC = ctypes.CDLL(None, use_errno=True)


def mount(source, target, flags):
    """Mount a file or a folder, or change how `target` is mounted.

    Raises:
        OSError: the kernel refuses.
    """
    if LIBC.mount(os.fsencode(source), os.fsencode(target), None, flags, None):
        raise OSError(ctypes.get_errno(), f"{target} cannot be mounted")
