"""Energy, overhead and start of `lowtide measure` beside codecarbon, carbontracker and zeus.

    python -m venv /tmp/rivals && /tmp/rivals/bin/pip install -r benchmarks/local/rivals.txt
    PYTHONPATH=tests .venv/bin/python benchmarks/local/beside_others.py \
        --rivals /tmp/rivals/bin/python

Every tool measures the same command on a stand-in GPU of its own whose true energy is known in
closed form (a square wave of 690, 320 and 120 W, counter refreshed each 0.1 s, as on an H100), at
the same time. The command writes when it began and ended, and the truth is counted between these.
In the rows `shared` another process works on the GPU at a third of the command's load, and the
truth is three quarters. Run as root, every tool also sees a processor of 50 W below
/sys/class/powercap, in a mount namespace of its own; without root none sees one. CPU time is what
the tool and its helpers use, without the command, which sleeps.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from measuring_tools import ZEUS, Joules, Tool, all_tools
from standins.nvml.build import build_library
from standins.nvml.control import Control, Truth

PACKAGE_WATTS = 50.0
OWN_LOAD, OTHER_LOAD = 60, 20
COMMAND = """
exec 3<>"$PLACE/wait"
read -r line < "/proc/$TOOL/stat"
echo "$EPOCHREALTIME $$ ${line##*) }" > "$PLACE/began.new"
mv "$PLACE/began.new" "$PLACE/began"
read -r -t "$LENGTH" -u 3
echo "$EPOCHREALTIME" > "$PLACE/ended"
"""
LAUNCH = 'export TOOL=$$; exec "$@"'
MOUNT = 'mount --bind "$PLACE/class" /sys/class; exec "$@"'
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Seen:
    """One command that one tool measured."""

    said: Joules
    gpu_truth: float
    cpu_truth: float
    start_seconds: float
    """From typing to the command's first line."""
    start_cpu_seconds: float
    steady: float | None
    """CPU seconds per second while the command runs; None where it was too short to tell."""
    cpu_seconds: float
    """All CPU time of the tool, from its start to its end."""


class Processor:
    """A package zone whose counter a thread moves on; energy is a closed form of time."""

    def __init__(self, folder: Path) -> None:
        zone = folder / "intel-rapl" / "intel-rapl:0"
        zone.mkdir(parents=True)
        (zone / "name").write_text("package-0\n")
        (zone / "max_energy_range_uj").write_text("999999999999\n")
        (folder / "intel-rapl:0").symlink_to("intel-rapl/intel-rapl:0")
        (folder / "intel-rapl" / "subsystem").symlink_to("..")
        self._file = (zone / "energy_uj").open("w")
        self._began, self._ended = time.monotonic(), threading.Event()
        self._write()
        self._thread = threading.Thread(target=self._move_on, daemon=True)
        self._thread.start()

    def _write(self) -> None:
        joules = 2e5 + PACKAGE_WATTS * (time.monotonic() - self._began)
        os.pwrite(self._file.fileno(), f"{joules * 1e6:.0f}\n".encode(), 0)

    def _move_on(self) -> None:
        while not self._ended.wait(0.02):
            self._write()

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join()
        self._file.close()


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a process, with those of its threads that have ended."""
    return time.clock_gettime(~pid << 3 | 2)  # as clock_getcpuclockid makes the clock's number


def cpu_of_tree(pid: int, without: int) -> float:
    """Return the CPU seconds of a process and of those below it, but of one."""
    used = cpu_of(pid)
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            if child != without:
                used += cpu_of_tree(child, without)
    return used


def awaited(path: Path, process: "subprocess.Popen[str]") -> str:
    """Return a file's text once it is there."""
    while not path.exists():
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} ended with {process.returncode} before its command")
        time.sleep(0.005)
    return path.read_text()


def measured(tool: Tool, seconds: float, folder: Path, library: Path, *, is_shared: bool) -> Seen:
    """Let a tool measure a command of this length, and return what it said and what was true."""
    folder.mkdir(parents=True)
    (folder / "zeus_window.py").write_text(ZEUS)
    (folder / "command.sh").write_text(COMMAND)
    os.mkfifo(folder / "wait")
    (folder / "nvidia-smi").write_text("#!/bin/sh\n")  # codecarbon looks for it, and not into it
    (folder / "nvidia-smi").chmod(0o755)
    control = Control.create(folder / "nvml.state", gpus=1)
    with contextlib.ExitStack() as stack:
        words = ["bash", "-c", LAUNCH, "bash"]
        if os.geteuid() == 0:
            stack.callback(Processor(folder / "class" / "powercap").close)
            words = ["unshare", "--mount", "sh", "-c", MOUNT, "sh", *words]
        environment = {
            **{k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
            "PATH": f"{folder}:{os.environ['PATH']}",
            "PLACE": str(folder),
            "LENGTH": str(seconds),
            "LOWTIDE_MOCK_STATE": str(control.path),
            "LOWTIDE_ALLOW_MOCK": "1",
            "LD_LIBRARY_PATH": str(library.parent),
            "XDG_DATA_HOME": str(folder / "data"),
            "HOME": str(folder),
        }
        typed = [*words, *tool.command(["bash", str(folder / "command.sh")])]
        launched = time.time()
        process = subprocess.Popen(
            typed, cwd=folder, env=environment, text=True,
            stdout=(folder / "out").open("w"), stderr=(folder / "err").open("w"),
        )  # fmt: skip
        began, pid, *stat = awaited(folder / "began", process).split()
        if is_shared:
            control.set_processes(0, [(int(pid), OWN_LOAD), (os.getpid(), OTHER_LOAD)])
        steady = None
        if seconds >= 30:
            time.sleep(12)
            before, since = cpu_of_tree(process.pid, int(pid)), time.monotonic()
            time.sleep(seconds - 20)
            used = cpu_of_tree(process.pid, int(pid)) - before
            steady = used / (time.monotonic() - since)
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
        ended = float((folder / "ended").read_text())
        offset = time.time() - control.now_seconds()
        share = OWN_LOAD / (OWN_LOAD + OTHER_LOAD) if is_shared else 1.0
        gpu = control.gpu(0)
        truth = Truth(library).joules(gpu, float(began) - offset, ended - offset)
        del gpu
    control.close()
    return Seen(
        said=tool.read(folder, (folder / "out").read_text()),
        gpu_truth=share * truth,
        cpu_truth=PACKAGE_WATTS * (ended - float(began)),
        start_seconds=float(began) - launched,
        start_cpu_seconds=(int(stat[11]) + int(stat[12])) / TICKS,
        steady=steady,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
    )


def shown(said: float | None, truth: float, *, whole: bool) -> str:
    """Return what was said of the package, and how far it is from the whole package's truth.

    Lowtide gives the run its share by CPU time, which is next to nothing of a command that sleeps.
    """
    if said is None:
        return "–"
    return f"{said:.1f} J ({said / truth - 1:+.2%})" if whole else f"{said:.1f} J, its share"


def compare(
    tools: list[Tool], seconds: float, rounds: int, folder: Path, library: Path, *, is_shared: bool
) -> None:
    """Print a row for each tool: the median of the rounds."""
    print(f"\ncommand of {seconds:g} s{', GPU shared' if is_shared else ''}, {rounds} rounds")
    print(
        f"{'tool':18}{'GPU, median error':>20}{'worst':>9}{'package':>24}"
        f"{'CPU per second':>16}{'CPU in all':>12}"
    )
    seen: dict[str, list[Seen]] = {tool.name: [] for tool in tools}
    for number in range(rounds):
        with ThreadPoolExecutor(len(tools)) as pool:
            place = folder / f"{seconds:g}-{is_shared}-{number}"
            pending = {
                tool.name: pool.submit(
                    measured, tool, seconds, place / tool.name, library, is_shared=is_shared
                )
                for tool in tools
            }
        for name, one in pending.items():
            seen[name].append(one.result())
    for name, found in seen.items():
        errors = [one.said.gpu / one.gpu_truth - 1 for one in found if one.said.gpu is not None]
        middle = f"{statistics.median(errors):+.2%}" if errors else "–"
        worst = f"{max(errors, key=abs):+.2%}" if errors else "–"
        steady = [one.steady for one in found if one.steady is not None]
        package = shown(found[0].said.cpu, found[0].cpu_truth, whole=name != "lowtide measure")
        per_second = f"{statistics.median(steady):.2%}" if steady else "–"
        in_all = statistics.median(one.cpu_seconds for one in found)
        print(f"{name:18}{middle:>20}{worst:>9}{package:>24}{per_second:>16}{in_all:>10.2f} s")


def starts(tools: list[Tool], rounds: int, folder: Path, library: Path) -> None:
    """Print what passes before a command begins, one tool after the other, in turn."""
    print(f"\nstart: from typing to the command's first line, {rounds} rounds in turn")
    print(f"{'tool':18}{'CPU time':>10}{'time':>10}{'beside lowtide':>16}{'whole run, CPU':>16}")
    bare = Tool("no tool", lambda command: command, lambda folder, output: Joules())
    seen: dict[str, list[Seen]] = {tool.name: [] for tool in (bare, *tools)}
    for number in range(rounds + 1):  # the first compiles what was just installed
        for tool in (bare, *tools):
            place = folder / f"start-{number}" / tool.name
            found = measured(tool, 0.01, place, library, is_shared=False)
            if number:
                seen[tool.name].append(found)
    ours = statistics.median(one.start_seconds for one in seen["lowtide measure"])
    for name, kept in seen.items():
        cpu, wall, whole = (
            statistics.median(getattr(one, field) for one in kept)
            for field in ("start_cpu_seconds", "start_seconds", "cpu_seconds")
        )
        print(f"{name:18}{cpu:>8.2f} s{wall:>8.2f} s{wall / ours:>16.1f}{whole:>14.2f} s")


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rivals", type=Path, required=True, help="interpreter with rivals.txt")
    parser.add_argument("--rounds", type=int, default=5, help="of the start and of 5 s")
    parser.add_argument("--long", type=float, default=75.0, help="seconds of the long command")
    options = parser.parse_args()
    library, tools = build_library(), all_tools(options.rivals.absolute())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        starts(tools, options.rounds, folder, library)
        for is_shared in (False, True):
            compare(tools, 5, options.rounds, folder, library, is_shared=is_shared)
            compare(tools, options.long, 1, folder, library, is_shared=is_shared)
        print(f"\nload average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
