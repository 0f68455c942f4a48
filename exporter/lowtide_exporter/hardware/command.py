"""The sequence of `measure-hardware` and its command line."""

import argparse
import csv
import ctypes
import json
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pynvml

from lowtide import __version__
from lowtide.meters.errors import MockRefusedError, SourceError
from lowtide_exporter.hardware.load import Rhythm, loading
from lowtide_exporter.hardware.probes import (
    PolledSample,
    answer_of,
    compare_meters,
    find_step,
    poll,
    take_inventory,
    time_calls,
    watch_counter,
)

_RHYTHMS: Final = {
    "steady": Rhythm(1000, 1.0),
    "square 100 ms": Rhythm(100, 0.5),
    "square 130 ms": Rhythm(130, 0.5),
    "square 1 s": Rhythm(1000, 0.5),
}
_POLL_HERTZ: Final = (0, 1, 10, 100)


def main(arguments: Sequence[str]) -> int:
    """Measure one GPU, write the report, return the exit code."""
    parser = argparse.ArgumentParser(
        prog="lowtide-exporter measure-hardware",
        description="Measure what the energy and power meters of a GPU do. Read-only.",
    )
    parser.add_argument("--gpu", type=int, default=0, help="index of the GPU")
    parser.add_argument("--output", type=Path, help="file for the report; default standard output")
    parser.add_argument("--trace", type=Path, help="CSV file for the raw samples")
    parser.add_argument(
        "--load", default="", help="program that loads the GPU; without it only idle is measured"
    )
    parser.add_argument("--seconds", type=_length, default=8.0, help="length of one measurement, s")
    parser.add_argument("--nvml-library", default="", help="path of an NVML stand-in, for tests")
    parser.add_argument("--allow-mock", action="store_true", help="measure a stand-in, for tests")
    options = parser.parse_args(arguments)
    try:
        _open_driver(options.nvml_library)
    except SourceError as error:
        return _fail(f"no GPU can be measured here: {error}")
    try:
        measurement = HardwareMeasurement(
            _find_gpu(options.gpu, options.allow_mock), options.load, options.seconds
        )
        _write_report(measurement.run(), options.output)
        if options.trace:
            _write_trace(options.trace, measurement.traces)
    except (pynvml.NVMLError, SourceError, OSError) as error:
        return _fail(f"the measurement failed: {error}")
    finally:
        pynvml.nvmlShutdown()
    return 0


def _length(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 600:
        raise argparse.ArgumentTypeError(f"{text} s: give more than 0 and at most 600")
    return seconds


def _fail(sentence: str) -> int:
    print(f"lowtide-exporter: {sentence}", file=sys.stderr)
    return 1


def _open_driver(library: str) -> None:
    """Open NVML.

    Raises:
        SourceError: the driver is missing or does not answer.
    """
    try:
        if library and pynvml.nvmlLib is None:
            pynvml.nvmlLib = ctypes.CDLL(library)
        pynvml.nvmlInit()
    except (pynvml.NVMLError, OSError) as error:
        raise SourceError(str(error)) from None


def _find_gpu(index: int, allow_mock: bool) -> Any:
    """Return the handle of a GPU.

    Raises:
        MockRefusedError: the GPU is a stand-in, which teaches nothing real.
        SourceError: the GPU does not exist.
    """
    count = pynvml.nvmlDeviceGetCount()
    if not 0 <= index < count:
        raise SourceError(f"--gpu is {index}, and the driver lists {count} GPUs, counted from 0")
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    name = str(pynvml.nvmlDeviceGetName(handle))
    if "mock" in name.lower() and not allow_mock:
        raise MockRefusedError(f"{name} is a stand-in: its behaviour says nothing about a real GPU")
    return handle


def _write_report(report: dict[str, Any], path: Path | None) -> None:
    text = json.dumps(report, indent=1, default=str)
    if path is None:
        print(text)
    else:
        path.write_text(text + "\n")


class HardwareMeasurement:
    """All measurements of one GPU, in an order that begins before the first CUDA context."""

    def __init__(self, handle: Any, load: str, seconds: float) -> None:
        self._handle, self._load, self._seconds = handle, load, seconds
        self.traces: dict[str, list[PolledSample]] = {}

    def run(self) -> dict[str, Any]:
        """Return the report."""
        report: dict[str, Any] = {"lowtide": __version__, "inventory": take_inventory(self._handle)}
        self._say("idle")
        report["idle"] = {
            "counter": self._watch(),
            "calls": time_calls(self._handle, 300),
            "meters": self._compare("idle", 10),
        }
        if not self._load:
            return report
        report["rhythms"] = {name: self._under(name, r) for name, r in _RHYTHMS.items()}
        self._say("context without work")
        with loading(self._load, Rhythm(1000, 0.0)):
            time.sleep(self._seconds)
            report["idle with context"] = self._compare("idle with context", 10)
        report["loaded"] = self._loaded()
        report["step"] = self._step()
        report["shifted 100 ms waves"] = self._shifted()
        report["polling"] = self._polling()
        self._say("after load")
        report["after load"] = self._compare("after load", 10)
        return report

    def _under(self, name: str, rhythm: Rhythm) -> dict[str, Any]:
        self._say(name)
        with loading(self._load, rhythm):
            time.sleep(2.0)  # the one-second average must have forgotten the start
            return self._compare(name, 20)

    def _loaded(self) -> dict[str, Any]:
        self._say("calls and counter under load")
        with loading(self._load, Rhythm(1000, 1.0)):
            return {
                "counter": self._watch(),
                "calls": time_calls(self._handle, 300),
            }

    def _step(self) -> dict[str, Any]:
        """Poll fast over two bursts of three seconds: the rising edge shows the window."""
        self._say("step response")
        with loading(self._load, Rhythm(6000, 0.5)):
            samples = poll(self._handle, 12.0, 100)
        self.traces["step"] = samples
        rising = _rising_window(samples)
        return {
            "average_watts": find_step(rising, "average_watts"),
            "instant_watts": find_step(rising, "instant_watts"),
        }

    def _shifted(self) -> list[dict[str, Any]]:
        """Move a 100 ms wave in 10 ms steps: does the counter follow, as a gated sensor would?"""
        rows = []
        for shift in range(0, 100, 10):
            self._say(f"100 ms wave shifted by {shift} ms")
            with loading(self._load, Rhythm(100, 0.5, shift)):
                time.sleep(1.5)
                meters = compare_meters(poll(self._handle, self._seconds / 2, 20))
            rows.append({"shift_milliseconds": shift, **meters})
        return rows

    def _polling(self) -> list[dict[str, Any]]:
        """Does polling slow the workload? Throughput beside different poll rates."""
        rows = []
        for processes in (False, True):
            for hertz in _POLL_HERTZ if not processes else _POLL_HERTZ[1:]:
                self._say(f"throughput beside {hertz} polls a second")
                with (
                    loading(self._load, Rhythm(1000, 1.0)) as outcome,
                    self._poller(hertz, processes),
                ):
                    time.sleep(self._seconds / 2)
                rows.append(
                    {
                        "hertz": hertz,
                        "process_lists": processes,
                        "iterations_per_second": outcome.iterations_per_second,
                    }
                )
        return rows

    def _poller(self, hertz: float, processes: bool) -> "_Poller":
        return _Poller(self._handle, hertz, processes)

    def _watch(self) -> Any:
        """Return how the counter moves, or why there is none."""
        return answer_of(lambda: watch_counter(self._handle, self._seconds))

    def _compare(self, name: str, hertz: float) -> dict[str, Any]:
        self.traces[name] = poll(self._handle, self._seconds, hertz)
        return compare_meters(self.traces[name])

    def _say(self, what: str) -> None:
        if sys.stderr.isatty():
            print(f"measuring: {what}", file=sys.stderr)


class _Poller:
    """Polls in a thread while it is entered."""

    def __init__(self, handle: Any, hertz: float, processes: bool) -> None:
        self._handle, self._hertz, self._processes = handle, hertz, processes
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        if self._hertz:
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._hertz:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(1 / self._hertz):
            poll(self._handle, 1e-9, 1)
            if self._processes:
                pynvml.nvmlDeviceGetComputeRunningProcesses(self._handle)


def _rising_window(samples: Sequence[PolledSample]) -> list[PolledSample]:
    """Return 0.5 s before to 2.5 s after the largest rise of instant power."""
    rises = [
        ((later.instant_watts or 0) - (sooner.instant_watts or 0), sooner.at_seconds)
        for sooner, later in zip(samples, samples[10:], strict=False)
        if 0.5 < sooner.at_seconds < samples[-1].at_seconds - 2.5
    ]
    if not rises:
        return list(samples)
    at = max(rises)[1]
    return [s for s in samples if at - 0.5 <= s.at_seconds <= at + 2.5]


def _write_trace(path: Path, traces: dict[str, list[PolledSample]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        header = ("measurement", "at_seconds", "counter_millijoules", "average_watts")
        writer.writerow((*header, "instant_watts"))
        for name, samples in traces.items():
            for s in samples:
                row = (f"{s.at_seconds:.4f}", s.counter_millijoules, s.average_watts)
                writer.writerow((name, *row, s.instant_watts))
