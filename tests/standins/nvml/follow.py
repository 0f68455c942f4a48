"""Make the stand-in GPUs draw power for the work that their pods really do.

A small host daemon: it asks the kubelet's real PodResources socket which pod holds which GPU, reads
the CPU time of that pod's cgroup, and writes it into the control file, so that

    energy of a GPU = idle_watts * time + watts_per_core * CPU seconds of its holders

holds exactly at every moment. When a pod lets go of its GPUs, one JSON line with what it truly
used is appended to the truth file. `start`, `stop` and `run` are its verbs; see `--help`.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

if __package__ in (None, ""):  # run as a script: make `standins` importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from standins.nvml.cgroups import PodCpu, default_roots, find_pod
from standins.nvml.control import Control, Draw, gpu_uuid

from lowtide.meters.errors import SourceError
from lowtide_exporter.owners.kubelet import Kubelet

_POWER_WINDOW_SECONDS = 1.0
_FOLDER_SECONDS = 5.0
"""Time in which the kubelet has made the log folder of a pod that holds a GPU."""


@dataclass
class Holding:
    """One pod and the GPUs it holds; times are the control file's."""

    namespace: str
    pod: str
    gpus: tuple[int, ...]
    start_seconds: float
    start_unix: float
    counts_from_zero: bool
    uid: str = ""
    meter: PodCpu | None = None
    base_seconds: float | None = None
    cpu_seconds: float = 0.0
    recent: deque[tuple[float, float]] = field(default_factory=deque)

    def read(self, now: float) -> float:
        """Return the CPU seconds used since the last call."""
        total = self.meter.seconds() if self.meter else None
        if total is None:
            return 0.0
        if self.base_seconds is None:
            self.base_seconds = 0.0 if self.counts_from_zero else total
        delta = max(0.0, total - self.base_seconds - self.cpu_seconds)
        self.cpu_seconds += delta
        self.recent.append((now, self.cpu_seconds))
        while len(self.recent) > 2 and self.recent[0][0] < now - _POWER_WINDOW_SECONDS:
            self.recent.popleft()
        return delta

    def cores(self) -> float:
        """Return the CPU cores in use over the last second."""
        if len(self.recent) < 2:
            return 0.0
        (began, first), (ended, last) = self.recent[0], self.recent[-1]
        return (last - first) / (ended - began) if ended > began else 0.0


class Follower:
    """Moves CPU time of pods into the control file, and keeps the truth about each pod."""

    def __init__(
        self,
        control: Control,
        owners: Kubelet,
        *,
        gpus: int,
        pod_logs: Path,
        cgroup_roots: tuple[Path, ...],
        truth: Path,
        idle_watts: float,
        watts_per_core: float,
    ) -> None:
        self._control, self._owners, self._truth = control, owners, truth
        self._pod_logs, self._cgroup_roots = pod_logs, cgroup_roots
        self._idle_watts, self._watts_per_core = idle_watts, watts_per_core
        self._index = {gpu_uuid(i): i for i in range(gpus)}
        self._holdings: dict[tuple[str, str], Holding] = {}
        self._ended: set[str] = set()
        self._last_seconds: float | None = None
        for index in self._index.values():
            gpu = control.gpu(index)
            gpu.draw, gpu.refresh_seconds = Draw.FOLLOW, 0.0
            gpu.idle_watts, gpu.watts_per_core = idle_watts, watts_per_core

    def step(self) -> None:
        """Ask for the holders, and move the CPU time used since the last step."""
        try:
            listed = self._owners.allocations()
        except SourceError:
            listed = None  # holders stay as they were: the kubelet may be restarting
        now = self._control.now_seconds()
        middle = now if self._last_seconds is None else (now + self._last_seconds) / 2
        for holding in self._holdings.values():
            self._move(holding, now)
        if listed is not None:
            held: dict[tuple[str, str], set[int]] = {}
            for item in listed:
                found = {self._index[d] for d in item.device_ids if d in self._index}
                if found:
                    held.setdefault((item.namespace, item.pod), set()).update(found)
            for key in [key for key in self._holdings if key not in held]:
                self._finish(self._holdings.pop(key), middle, is_running=False)
            for key, found in held.items():
                if key not in self._holdings:
                    self._holdings[key] = self._begin(key, tuple(sorted(found)), middle)
        self._last_seconds = now

    def finish(self) -> None:
        """Write down the use so far of pods that still run."""
        for holding in self._holdings.values():
            self._finish(holding, self._control.now_seconds(), is_running=True)

    def _begin(self, key: tuple[str, str], gpus: tuple[int, ...], at_seconds: float) -> Holding:
        late = self._last_seconds is None  # it ran before this daemon did
        return Holding(*key, gpus, at_seconds, self._unix(at_seconds), counts_from_zero=not late)

    def _move(self, holding: Holding, now: float) -> None:
        if not holding.uid:
            is_new = now - holding.start_seconds < _FOLDER_SECONDS
            holding.uid = self._find_uid(holding.namespace, holding.pod, is_new=is_new)
        if holding.meter is None and holding.uid:
            holding.meter = find_pod(self._cgroup_roots, holding.uid)
        delta = holding.read(now)
        for index in holding.gpus:
            gpu = self._control.gpu(index)
            gpu.cpu_seconds += delta
            gpu.cpu_cores = holding.cores()

    def _find_uid(self, namespace: str, pod: str, *, is_new: bool) -> str:
        """Return the UID from the kubelet's log folders, `<namespace>_<pod>_<uid>`.

        The folder of an earlier pod of this name may still be there when a new one's is not yet.
        """
        folders = self._pod_logs.glob(f"{namespace}_{pod}_*")
        found = sorted(folders, key=lambda folder: folder.stat().st_mtime)
        uids = [folder.name.rsplit("_", 1)[1] for folder in found]
        own = next((uid for uid in reversed(uids) if uid not in self._ended), "")
        # A kubelet that restarts lists nothing for a moment, and then the same pod again.
        return own if own or is_new or not uids else uids[-1]

    def _finish(self, holding: Holding, at_seconds: float, *, is_running: bool) -> None:
        for index in holding.gpus:
            self._control.gpu(index).cpu_cores = 0.0
        self._ended.add(holding.uid)
        seconds = at_seconds - holding.start_seconds
        watts = self._idle_watts * seconds + self._watts_per_core * holding.cpu_seconds
        record = {
            "namespace": holding.namespace,
            "pod": holding.pod,
            "uid": holding.uid,
            "gpu_uuids": [gpu_uuid(index) for index in holding.gpus],
            "start": holding.start_unix,
            "end": self._unix(at_seconds),
            "cpu_seconds": holding.cpu_seconds,
            "energy_joules": watts * len(holding.gpus),
            "running": is_running,
        }
        with self._truth.open("a") as file:
            file.write(json.dumps(record) + "\n")

    def _unix(self, at_seconds: float) -> float:
        return time.time() - (self._control.now_seconds() - at_seconds)


def run(arguments: argparse.Namespace) -> int:
    """Follow until SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    directory: Path = arguments.directory
    directory.mkdir(parents=True, exist_ok=True)
    state = directory / "state"
    control = Control(state) if state.exists() else Control.create(state, arguments.gpus)
    follower = Follower(
        control,
        Kubelet(str(arguments.kubelet_socket), frozenset({"nvidia.com/gpu"})),
        gpus=arguments.gpus,
        pod_logs=arguments.pod_logs_dir,
        cgroup_roots=tuple(arguments.cgroup_root) or default_roots(),
        truth=arguments.truth or directory / "truth.jsonl",
        idle_watts=arguments.idle_watts,
        watts_per_core=arguments.watts_per_core,
    )
    pid_file = arguments.pid_file or directory / "follow.pid"
    follower.step()
    pid_file.write_text(f"{os.getpid()}\n")
    try:
        while not stop.wait(1 / arguments.hertz):
            follower.step()
    finally:
        follower.finish()
        pid_file.unlink(missing_ok=True)
    return 0


def start(arguments: argparse.Namespace, command_line: list[str]) -> int:
    """Start `run` in the background; return once it follows."""
    arguments.directory.mkdir(parents=True, exist_ok=True)
    pid_file = arguments.pid_file or arguments.directory / "follow.pid"
    pid_file.unlink(missing_ok=True)
    with (arguments.directory / "follow.log").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, __file__, "run", *command_line[1:]],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    for _ in range(200):
        if pid_file.exists():
            print(child.pid)
            return 0
        if child.poll() is not None:
            break
        time.sleep(0.05)
    print(f"follow.py did not start; see {arguments.directory}/follow.log", file=sys.stderr)
    return 1


def stop(arguments: argparse.Namespace) -> int:
    """Stop the daemon named by the pid file and wait until it has written its truth."""
    pid_file = arguments.pid_file or arguments.directory / "follow.pid"
    try:
        pid = int(pid_file.read_text())
        os.kill(pid, signal.SIGTERM)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        pid_file.unlink(missing_ok=True)
        return 0
    for _ in range(200):
        if not pid_file.exists():
            return 0
        time.sleep(0.05)
    print(f"process {pid} does not end", file=sys.stderr)
    return 1


def main(command_line: list[str]) -> int:
    """Run one verb and return the exit code."""
    parser = argparse.ArgumentParser(prog="follow.py", description=__doc__)
    parser.add_argument("verb", choices=("run", "start", "stop"))
    parser.add_argument("--directory", type=Path, required=True, help="holds the control file")
    parser.add_argument("--kubelet-socket", type=Path, help="PodResources socket")
    parser.add_argument("--gpus", type=int, default=2)
    parser.add_argument("--pod-logs-dir", type=Path, default=Path("/var/log/pods"))
    parser.add_argument("--cgroup-root", type=Path, action="append", default=[])
    parser.add_argument("--truth", type=Path, help="default DIRECTORY/truth.jsonl")
    parser.add_argument("--pid-file", type=Path, help="default DIRECTORY/follow.pid")
    parser.add_argument("--idle-watts", type=float, default=10.0)
    parser.add_argument("--watts-per-core", type=float, default=200.0)
    parser.add_argument("--hertz", type=float, default=10.0)
    arguments = parser.parse_args(command_line)
    if arguments.verb == "stop":
        return stop(arguments)
    if arguments.kubelet_socket is None:
        parser.error("--kubelet-socket is needed")
    return run(arguments) if arguments.verb == "run" else start(arguments, command_line)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
