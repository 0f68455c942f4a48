"""One of the published comparisons on this machine: its runs, its table and its picture.

The manifest in `examples/comparisons` is the one for a cluster; each TrainingJob's arguments are
run here under `lowtide measure`, one after the other. Energy is that of this machine's meters;
--model models what has none, and calls it modelled. Without either there is a table and no picture.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import yaml

from lowtide.report.drawing import write_drawing
from lowtide.report.energy_lines import EnergyPoint, energy_lines
from lowtide_trainer.settings import parse_settings

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
MANIFESTS = ROOT / "examples" / "comparisons"
QUICK = {"--epochs": "1", "--samples": "8", "--image-size": None, "--data-share": None}
"""What a quick run changes: its figures mean nothing, but every step is gone."""
KEPT = {"sam": ("--epochs", "--data-share")}
"""What a quick run keeps, because the picture is of it."""


def main() -> int:
    """Run the comparison and return the exit status."""
    names = sorted(path.stem for path in MANIFESTS.glob("*.yaml"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=names)
    parser.add_argument("--quick", action="store_true", help="8 samples and one epoch for each run")
    parser.add_argument("--model", action="store_true", help="model energy that has no meter")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "comparisons")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    store = given.output / given.name
    environment = {**os.environ, "XDG_DATA_HOME": str(store)}
    options = ["--series", given.name, *(["--model"] if given.model else [])]
    for name, written in jobs(given.name):
        arguments = quick(written, keeps=KEPT.get(given.name, ())) if given.quick else written
        training = [BIN / "lowtide-trainer", *arguments, "--metrics-port", "0"]
        print(f"{name}: lowtide-trainer {' '.join(arguments)}", flush=True)
        status = lowtide(environment, "measure", "--name", name, *options, "--", *training)
        if status:
            return status
    page = given.output / f"{given.name}.html"
    runs = [name for name, _ in jobs(given.name)]
    status = lowtide(environment, "compare", *runs)
    status = status or lowtide(environment, "explore", "--from", "runs", "-o", page)
    if not status:
        print(f"picture: {page}")
    if not status and given.name == "sam":
        draw_lines(store, given.output / "sam-lines.svg", quick=given.quick)
    return status


def draw_lines(store: Path, picture: Path, *, quick: bool) -> None:
    """Draw the energy of the runs in a store against epochs and the share of the data."""
    points = []
    for name, written in jobs("sam"):
        document = json.loads((store / "lowtide" / "runs" / f"{name}.json").read_text("utf-8"))
        energies = [one.get("energyJoules") for one in document["status"].get("attempts", [])]
        if energies and None not in energies:
            settings = parse_settings(written, {})
            points.append(EnergyPoint(settings.epochs, settings.data_share, sum(energies)))
    if not points:
        print("picture: none of the runs has a measured or modelled energy; --model models it")
        return
    title = "ResNet-50: energy against epochs and data" + (" (a trial)" if quick else "")
    write_drawing(energy_lines(points, title), picture)
    print(f"picture: {picture}")


def jobs(name: str) -> list[tuple[str, list[str]]]:
    """Return the name and the trainer's arguments of each TrainingJob of a manifest."""
    document = yaml.safe_load((MANIFESTS / f"{name}.yaml").read_text("utf-8"))
    return [
        (
            job["metadata"]["name"],
            job["spec"]["template"]["spec"]["template"]["spec"]["containers"][0]["args"],
        )
        for job in document["items"]
    ]


def quick(arguments: list[str], *, keeps: Collection[str] = ()) -> list[str]:
    """Return the arguments of a run of seconds; the flags in `keeps` are what is compared."""
    kept = [arguments[0]]
    changes = {flag: changed for flag, changed in QUICK.items() if flag not in keeps}
    for flag, value in zip(arguments[1::2], arguments[2::2], strict=True):
        kept += [] if flag in changes else [flag, value]
    for flag, changed in changes.items():
        kept += [] if changed is None else [flag, changed]
    return [*kept, "--validation-samples", "8", "--batch-size", "4", "--threads", "1"]


def lowtide(environment: dict[str, str], *arguments: str | Path) -> int:
    """Run a command of lowtide and return its exit status."""
    command = [str(word) for word in (BIN / "lowtide", *arguments)]
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
