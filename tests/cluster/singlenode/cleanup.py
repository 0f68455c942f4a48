"""Removes a cluster whole, from whatever state it is in.

Needs no cooperation: a cluster whose starter, or whose every process, was killed is removed like a
healthy one. Each step looks at what is there and may be repeated; after an interruption the next
call goes on. The order matters: the kubelet and containerd end before the containers that they
would start again, and a directory goes when nothing is mounted below it.
"""

import contextlib
import itertools
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from singlenode import cache, network
from singlenode.layout import KUBELET_ROOT, Layout
from singlenode.mounts import unmount_below
from singlenode.processes import Identity, kill, running

_CGROUPS = Path("/sys/fs/cgroup")
_CONTAINER_LINKS = Path("/var/log/containers")
_CNI_STATE = Path("/var/lib/cni")
_SHIM_SOCKETS = Path("/run/containerd/s")


def remove(layout: Layout) -> None:
    """Leave nothing of the cluster: processes, mounts, network, control groups, directories.

    Requests to end that arrive meanwhile are ignored: half a removal is of no use.
    """
    if layout.state.exists():
        with _undisturbed():
            _remove(layout)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignore Ctrl-C and its like; the programs that are called inherit that."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may, and only it is interrupted
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _remove(layout: Layout) -> None:
    record = layout.state / network.BEFORE
    if record.exists():  # written before anything is started: without it nothing was
        kill(running(layout.pids.glob("*.pid")).values())
        _kill_containers(layout)
        unmount_below(layout.state)
        unmount_below(KUBELET_ROOT)
        network.remove(network.Before.load(record))
        for group in _pod_groups():
            group.rmdir()
        _remove_system_files(layout)
        shutil.rmtree(KUBELET_ROOT, ignore_errors=True)
    for path in layout.state.iterdir():
        if path == record:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    shutil.rmtree(layout.state)  # the record goes last: it is what says that work is left


def unmount_builds(layout: Layout) -> None:
    """Unmount the leftovers of killed image builds; a running build is left alone."""
    places = (layout.cache / "images").glob("*/.lock"), (layout.cache / "base-image").glob(".lock")
    for lock in itertools.chain(*places):
        with cache.lock_if_free(lock) as held:
            if held:
                unmount_below(lock.parent)


def _kill_containers(layout: Layout) -> None:
    """End all containers, then the shims that hold them.

    A container's processes are known by their control group, a shim by the address of our
    containerd among its arguments, so neither can belong to anything else.
    """
    for _ in range(5):  # a process may fork while the list is read
        inside = [
            identity
            for group in _pod_groups()
            for pid in _read_numbers(group / "cgroup.procs")
            if (identity := Identity.of(pid))
        ]
        if not inside:
            break
        kill(inside)
    kill(_shims(layout))


def _shims(layout: Layout) -> Iterator[Identity]:
    address = str(layout.containerd_socket).encode()
    for directory in Path("/proc").iterdir():
        if not directory.name.isdigit():
            continue
        try:
            arguments = (directory / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"containerd-shim" in arguments[0] and address in arguments:
            identity = Identity.of(int(directory.name))
            if identity is not None:
                yield identity


def _pod_groups() -> list[Path]:
    """Return the pods' control groups, innermost first (one hierarchy in version 2, many in 1)."""
    roots = [_CGROUPS / "kubepods", *_CGROUPS.glob("*/kubepods")]
    found: list[Path] = []
    for root in roots:
        if root.is_dir() and not root.parent.is_symlink():
            found.extend(Path(directory) for directory, _, _ in os.walk(root, topdown=False))
    return found


def _remove_system_files(layout: Layout) -> None:
    """Remove what containerd, CNI and the kubelet put at places that cannot be configured."""
    if _CONTAINER_LINKS.is_dir():
        for link in _CONTAINER_LINKS.iterdir():
            if link.is_symlink() and link.readlink().is_relative_to(layout.state):
                link.unlink()
    for sandbox in (layout.state / "containerd").glob("*/io.containerd.grpc.v1.cri/sandboxes/*"):
        for record in (_CNI_STATE / "results").glob(f"*-{sandbox.name}-*"):
            record.unlink()
    for address in (layout.state / "containerd/state").glob("*/*/*/address"):
        Path(address.read_text().removeprefix("unix://")).unlink(missing_ok=True)
    for directory in (
        _CONTAINER_LINKS,
        _CNI_STATE / "results",
        _CNI_STATE / "cache",
        _CNI_STATE,
        _SHIM_SOCKETS,
        _SHIM_SOCKETS.parent,
    ):
        with contextlib.suppress(OSError):  # not there, or it holds foreign files
            directory.rmdir()


def _read_numbers(path: Path) -> list[int]:
    try:
        return [int(word) for word in path.read_text().split()]
    except OSError:
        return []
