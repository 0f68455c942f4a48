"""Ten minutes of the exporter beside `nvidia-smi` on a machine with GPUs: each GPU's energy thrice.

The exporter's device counter, the driver's own counter (total energy consumption, read through NVML
at the same moments) and the power that `nvidia-smi -l 1` prints, integrated, are compared GPU by
GPU. Exporter and counter must agree to within a percent, since one counts the other; what
nvidia-smi's power gives is printed, not judged. `--load` keeps one GPU busy meanwhile, as in
`measure-hardware`; Ctrl-C ends the measurement early. A stand-in's figures are marked as such.

Run: python benchmarks/exporter/beside_smi.py [--seconds 600] [--output report.json]
"""

import argparse
import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pynvml
from prometheus_client.parser import text_string_to_metric_families
from smi_comparison import Moment, compare, parse_power

from lowtide import __version__, names
from lowtide_exporter.hardware.load import Rhythm, loading

QUERY = ("--query-gpu=timestamp,uuid,power.draw", "--format=csv,noheader,nounits", "-l", "1")
READY_SECONDS = 60.0
"""Exporter and driver are up by then, or the measurement has failed."""
POLL_SECONDS = 0.02
HALF_PERIOD_SECONDS = 0.5
"""The exporter looks each second; what a page says of one look varies by less."""
BUSY = Rhythm(1000, 0.8)


class MeasurementError(Exception):
    """What kept the measurement from being made, in one sentence."""


class ExporterProcess:
    """The installed exporter on a port of loopback."""

    def __init__(self, options: argparse.Namespace, log: Path) -> None:
        self._url = f"http://127.0.0.1:{options.port}/metrics"
        self._log = log
        command = [sys.executable, "-m", "lowtide_exporter.main", "--port", str(options.port)]
        command += ["--listen-address", "127.0.0.1", "--kubelet-socket", ""]
        command += ["--nvml-library", options.nvml_library] if options.nvml_library else []
        command += ["--allow-mock"] if options.allow_mock else []
        with log.open("wb") as file:
            self.process = subprocess.Popen(command, stdout=file, stderr=file)

    def look_anew(self) -> dict[str, float]:
        """Return the GPUs' joules as of a look that began after this call, by UUID.

        Raises:
            MeasurementError: the exporter ended, or shows no newer look within a minute.
        """
        until = time.monotonic() + READY_SECONDS
        seen = list[float]()
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise MeasurementError(f"the exporter ended: {self._log.read_text()[-500:]}")
            looked_at, joules = self._page()
            if (
                joules
                and looked_at is not None
                and (not seen or looked_at > seen[-1] + HALF_PERIOD_SECONDS)
            ):
                seen.append(looked_at)
            # The first is an old one, and the second may have begun before the call.
            if len(seen) > 2:
                return joules
            time.sleep(POLL_SECONDS)
        raise MeasurementError(f"the exporter shows no GPU: {self._log.read_text()[-500:]}")

    def _page(self) -> tuple[float | None, dict[str, float]]:
        """Return when the GPUs were last read, in the node's time, and their joules."""
        try:
            with urllib.request.urlopen(self._url, timeout=10) as answer:
                page = answer.read().decode()
        except (urllib.error.URLError, OSError):
            return None, {}
        joules, clock, age = dict[str, float](), None, None
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                if sample.name == names.METRIC_GPU_ENERGY:
                    joules[sample.labels["uuid"]] = sample.value
                elif sample.name == names.METRIC_NODE_CLOCK:
                    clock = sample.value
                elif sample.name == "lowtide_source_age_seconds":
                    age = sample.value if sample.labels["source"] == "nvml" else age
        return (None if clock is None or age is None else clock - age), joules


def driver_joules() -> dict[str, float | None]:
    """Return each GPU's energy counter, `None` where it has none."""
    found: dict[str, float | None] = {}
    for index in range(pynvml.nvmlDeviceGetCount()):
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        uuid = str(pynvml.nvmlDeviceGetUUID(handle))
        try:
            found[uuid] = pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000
        except pynvml.NVMLError:
            found[uuid] = None
    return found


@contextlib.contextmanager
def polling(program: str, output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Let nvidia-smi write into a file, each second, while the body runs.

    Raises:
        MeasurementError: there is no such program.
    """
    try:
        with output.open("wb") as file:
            smi = subprocess.Popen([program, *QUERY], stdout=file, env={**os.environ, "TZ": "UTC"})
    except OSError as error:
        raise MeasurementError(f"{program} cannot be run: {error}") from None
    try:
        yield smi
    finally:
        smi.terminate()
        smi.wait(20)


def measure(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    """Return the report of one measurement.

    Raises:
        MeasurementError: a program that takes part is missing or ended.
    """
    printed, is_told = directory / "power.csv", threading.Event()
    exporter = ExporterProcess(options, directory / "exporter.log")
    try:
        with polling(options.smi, printed) as smi:
            start = _moment(exporter)
            signal.signal(signal.SIGINT, lambda *_: is_told.set())
            print(f"measuring for {options.seconds:g} s", file=sys.stderr, flush=True)
            busy = loading(options.load, BUSY) if options.load else contextlib.nullcontext()
            with busy:
                is_told.wait(options.seconds)
            end = _moment(exporter)
            if smi.poll() is not None:
                raise MeasurementError(f"{options.smi} ended with {smi.returncode}")
    finally:
        exporter.process.terminate()
        exporter.process.wait(20)
    with printed.open(errors="replace") as lines:
        gpus = compare(start, end, parse_power(lines))
    return {
        "lowtide": __version__,
        "driver": str(pynvml.nvmlSystemGetDriverVersion()),
        "models": _models(),
        "began": datetime.fromtimestamp(start.unix_seconds, UTC).isoformat(),
        "gpus": [
            {
                **asdict(gpu),
                "exporter_to_driver": gpu.exporter_to_driver,
                "exporter_to_smi": gpu.exporter_to_smi,
                "agrees": gpu.agrees,
            }
            for gpu in gpus
        ],
    }


def _moment(exporter: ExporterProcess) -> Moment:
    joules = exporter.look_anew()
    return Moment(time.time(), joules, driver_joules())


def _models() -> list[str]:
    handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
    return [str(pynvml.nvmlDeviceGetName(handle)) for handle in handles]


def _table(report: Mapping[str, Any]) -> str:
    if any("mock" in model.lower() for model in report["models"]):
        lines = ["STAND-IN GPUS, NUMBERS ARE NOT REAL"]
    else:
        lines = []
    lines.append(f"{'GPU':<42} {'exporter J':>12} {'counter J':>12} {'ratio':>7} {'smi J':>12}")
    for gpu in report["gpus"]:
        lines.append(
            f"{gpu['uuid']:<42} {gpu['exporter_joules']:>12.1f} {_cell(gpu['driver_joules'], 12)}"
            f" {_cell(gpu['exporter_to_driver'], 7, 4)} {_cell(gpu['smi_joules'], 12)}"
            f"  {'' if gpu['agrees'] else 'exporter and counter differ'}".rstrip()
        )
    return "\n".join(lines)


def _cell(value: float | None, width: int, digits: int = 1) -> str:
    return f"{'–':>{width}}" if value is None else f"{value:>{width}.{digits}f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and return 1 where exporter and counter differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="length of the measurement")
    parser.add_argument("--output", type=Path, help="JSON file for the report")
    parser.add_argument("--smi", default="nvidia-smi", help="the program that prints the power")
    parser.add_argument("--load", default="", help="program that loads the GPU meanwhile")
    parser.add_argument("--port", type=int, default=19402, help="port of the exporter")
    parser.add_argument("--nvml-library", default="", help="path of an NVML stand-in, for tests")
    parser.add_argument("--allow-mock", action="store_true", help="measure a stand-in, for tests")
    options = parser.parse_args(arguments)
    try:
        if options.nvml_library:
            pynvml.nvmlLib = ctypes.CDLL(options.nvml_library)
        pynvml.nvmlInit()
        with tempfile.TemporaryDirectory() as directory:
            report = measure(options, Path(directory))
    except (pynvml.NVMLError, OSError, MeasurementError) as error:
        print(f"beside_smi: nothing was measured: {error}", file=sys.stderr)
        return 2
    print(_table(report))
    if options.output:
        options.output.write_text(json.dumps(report, indent=1) + "\n")
    return 0 if all(gpu["agrees"] for gpu in report["gpus"]) else 1


if __name__ == "__main__":
    sys.exit(main())
