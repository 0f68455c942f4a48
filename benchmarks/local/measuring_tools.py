"""Tools that measure one command, each started as its own documentation says, and its figures read.

A tool gets the same command in the same surroundings. What it says is taken from the file or the
line that it writes for people and programs, before any factor for a data centre.
"""

import csv
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

KILOWATT_HOUR = 3.6e6


@dataclass(frozen=True)
class Joules:
    """What a tool says a command used; None where it says nothing."""

    gpu: float | None = None
    cpu: float | None = None


@dataclass(frozen=True)
class Tool:
    """A tool that wraps a command."""

    name: str
    command: Callable[[list[str]], list[str]]
    """Returns what is typed to measure a command."""
    read: Callable[[Path, str], Joules]
    """Returns the figures from the tool's working directory and its standard output."""


ZEUS = """
import subprocess, sys
from zeus.monitor import ZeusMonitor
if __name__ == "__main__":
    monitor = ZeusMonitor()
    monitor.begin_window("command", sync_execution=False)
    subprocess.run(sys.argv[1:])
    found = monitor.end_window("command", sync_execution=False)
    print("joules", sum(found.gpu_energy.values()), sum((found.cpu_energy or {}).values()))
"""
"""The use that zeus' documentation shows, around a command instead of epochs."""


def read_lowtide(folder: Path, output: str) -> Joules:
    """Return the figures of `lowtide measure --output json`."""
    energy = json.loads(output.splitlines()[-1])["status"].get("energy") or {}
    sums: dict[str, float] = {}
    for part in energy.get("components", ()):
        sums[part["component"]] = sums.get(part["component"], 0.0) + part["joules"]
    return Joules(sums.get("gpu"), sums.get("cpu"))


def read_codecarbon(folder: Path, output: str) -> Joules:
    """Return the figures of codecarbon's table."""
    with (folder / "emissions.csv").open() as file:
        row = list(csv.DictReader(file))[-1]
    return Joules(*(float(row[name]) * KILOWATT_HOUR for name in ("gpu_energy", "cpu_energy")))


CARBONTRACKER_LOG = """
import json, sys
from carbontracker.parser import parse_logs
found = parse_logs("logs")
print(json.dumps({name: float(sum(sum(row) for row in one["avg_energy_usages (J)"]))
                  for name, one in found.items() if one["avg_energy_usages (J)"] is not None}))
"""


def reader_of_carbontracker(python: Path) -> Callable[[Path, str], Joules]:
    """Return what reads carbontracker's log, by its own parser."""
    import subprocess

    def read(folder: Path, output: str) -> Joules:
        done = subprocess.run(
            [python, "-c", CARBONTRACKER_LOG],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
        found = json.loads(done.stdout.splitlines()[-1])
        return Joules(found.get("gpu"), found.get("cpu"))

    return read


def read_zeus(folder: Path, output: str) -> Joules:
    """Return the figures that the lines with zeus print."""
    line = next(line for line in output.splitlines() if line.startswith("joules"))
    gpu, cpu = map(float, line.split()[1:])
    return Joules(gpu, cpu)


def all_tools(rivals: Path) -> list[Tool]:
    """Return Lowtide and the rivals, which are installed beside the interpreter `rivals`."""
    folder = rivals.parent
    codecarbon = [str(folder / "codecarbon"), "monitor", "--offline", "--country-iso-code", "DEU"]
    return [
        Tool(
            "lowtide measure",
            lambda command: [
                str(Path(sys.executable).with_name("lowtide")),
                *("measure", "--output", "json", "--", *command),
            ],
            read_lowtide,
        ),
        Tool("codecarbon", lambda command: [*codecarbon, "--", *command], read_codecarbon),
        Tool(
            "codecarbon, 1 s",
            lambda command: [*codecarbon, "--measure-power-secs", "1", "--", *command],
            read_codecarbon,
        ),
        Tool(
            "carbontracker",
            lambda command: [str(folder / "carbontracker"), *command],
            reader_of_carbontracker(rivals),
        ),
        Tool("zeus", lambda command: [str(rivals), "zeus_window.py", *command], read_zeus),
    ]
