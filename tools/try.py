"""Two trainings that wait for the clean hours of a replayed day, measured and compared.

The first thing to try: no cluster, no root, no account and no network. The energy is this machine's
where RAPL may be read, else that of a stand-in for a GPU, whose watts are made up; it says which.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
TRACE = ROOT / "examples" / "traces" / "DE.csv"
TRACE_START = "2021-08-11T23:00Z"
SPEED = 1800
"""An hour of the day passes in two seconds."""
WATTS_IDLE, WATTS_BUSY = 60.0, 300.0
RUNS = {"try-small": "4", "try-large": "12"}
"""Name of each run, and for how many epochs it trains."""


def main() -> int:
    """Run both, compare them, and return the exit status."""
    with tempfile.TemporaryDirectory(prefix="lowtide-try-") as folder:
        environment = {**os.environ, "XDG_DATA_HOME": folder, **_meters(Path(folder))}
        print(
            "One epoch is trained unmeasured: Python compiles torch when it is first loaded.",
            flush=True,
        )
        subprocess.run(
            _training("1"), env=environment, cwd=folder, check=False, capture_output=True
        )
        for name, epochs in RUNS.items():
            status = _lowtide(
                environment,
                *("run", "--name", name, "--trace", TRACE, "--trace-start", TRACE_START),
                *("--speed", str(SPEED), "--expected-duration", "10s", "--max-delay", "48s"),
                *("--", *_training(epochs)),
            )
            if status:
                return status
        _lowtide(environment, "status", "--runs")
        return _lowtide(environment, "compare", *RUNS)


def _training(epochs: str) -> list[str | Path]:
    """Return the command that trains a small network for so many epochs."""
    command = [BIN / "lowtide-trainer", "train", "--model", "tiny", "--device", "cpu"]
    return [*command, "--threads", "1", "--epochs", epochs, "--metrics-port", "0"]


def _meters(folder: Path) -> dict[str, str]:
    """Return the variables that name this machine's meters, or a stand-in where it has none."""
    zones = list(Path("/sys/class/powercap").glob("intel-rapl:*/energy_uj"))
    if any(os.access(zone, os.R_OK) for zone in zones):
        print("Energy: this machine's processor, read by RAPL.", flush=True)
        return {}
    if shutil.which("nvidia-smi"):
        print("Energy: this machine's GPUs, read by NVML.", flush=True)
        return {}
    sys.path.insert(0, str(ROOT / "tests"))
    from standins.nvml.build import StandInBuildError, build_library
    from standins.nvml.control import Control

    try:
        library = build_library()
    except StandInBuildError as error:
        print(f"Energy: not measured, as no meter can be read here and {error}", flush=True)
        return {}
    control = Control.create(folder / "nvml.state", gpus=1)
    control.gpu(0).high_watts, control.gpu(0).mid_watts = WATTS_BUSY, WATTS_BUSY
    control.gpu(0).low_watts = WATTS_IDLE
    print(
        "Energy: a stand-in for a GPU (mock), as no meter can be read here. The trainings are "
        "real, the watts are made up.",
        flush=True,
    )
    return {
        "LOWTIDE_NVML_LIBRARY": str(library),
        "LOWTIDE_ALLOW_MOCK": "1",
        "LOWTIDE_MOCK_STATE": str(folder / "nvml.state"),
    }


def _lowtide(environment: dict[str, str], *arguments: str | Path) -> int:
    """Show a command of lowtide, run it, and return its exit status."""
    words = [str(word) for word in arguments]
    shown = " ".join(
        word.replace(f"{ROOT}/", "").replace(f"{BIN.relative_to(ROOT)}/", "")
        if str(ROOT) in word
        else word
        for word in words
    )
    print(f"\n$ lowtide {shown}", flush=True)
    return subprocess.run([BIN / "lowtide", *words], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
