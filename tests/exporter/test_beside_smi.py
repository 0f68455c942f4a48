"""The exporter beside nvidia-smi: the arithmetic by hand, and the script on the stand-in driver."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from standins.nvml.control import Control, Sensor, gpu_uuid
from standins.ports import free_port

BENCHMARKS = Path(__file__).parents[2] / "benchmarks" / "exporter"
SMI = Path(__file__).parents[1] / "standins" / "nvml" / "smi.py"
AT = 1_796_083_200.0
"""2026-12-01 00:00:00 UTC, by `date -u -d 2026-12-01 +%s`."""
WATTS, SECONDS = 300.0, 3.0


@pytest.fixture(scope="module")
def comparison():
    """The arithmetic as a module."""
    spec = importlib.util.spec_from_file_location(
        "smi_comparison", BENCHMARKS / "smi_comparison.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_lines_that_say_nothing_are_left_out(comparison):
    """A power that is not known, a line cut short, a header, a time that stands still, 1 MW."""
    lines = [
        "timestamp, uuid, power.draw [W]",
        "2026/12/01 00:00:00.500, GPU-a, 100.00",
        "2026/12/01 00:00:00.500, GPU-b, [N/A]",
        "2026/12/01 00:00:01.500, GPU-a, [Unknown Error]",
        "2026/12/01 00:00:02.500, GPU-a, 200.00",
        "2026/12/01 00:00:02.500, GPU-a, 999.00",
        "2026/12/01 00:00:03.500, GPU-a, 1000000.00",
        "2026/12/01 00:00:04.500, GPU-a, nan",
        "2026/12/01 00:00:05.500, GPU-a, -3",
        "2026/12/01 00:00:06.5",
    ]

    found = comparison.parse_power(lines)

    assert found == {"GPU-a": [(AT + 0.5, 100.0), (AT + 2.5, 200.0)]}


def test_energies_of_one_time_are_compared(comparison):
    """Ten seconds: 3000 J by the exporter and 3010 by the counter; 100 to 300 W in 8 s is 1600 J.

    200 W on average, so 2000 J in the ten seconds; the sample before the start does not count.
    """
    start = comparison.Moment(AT, {"a": 500.0}, {"a": 7000.0})
    end = comparison.Moment(AT + 10, {"a": 3500.0}, {"a": 10010.0})
    power = [(AT - 1, 900.0), (AT + 1, 100.0), (AT + 5, 200.0), (AT + 9, 300.0)]

    (gpu,) = comparison.compare(start, end, {"a": power})

    assert (gpu.seconds, gpu.exporter_joules, gpu.driver_joules) == (10, 3000, 3010)
    assert (gpu.smi_joules, gpu.smi_samples, gpu.smi_covered_ratio) == (2000, 3, 1)
    assert gpu.exporter_to_driver == pytest.approx(0.99668, abs=1e-5)
    assert gpu.exporter_to_smi == 1.5
    assert gpu.agrees


@pytest.mark.parametrize("driver_joules", [2900.0, 3100.0])
def test_more_than_a_percent_between_exporter_and_counter_is_said(comparison, driver_joules):
    """3000 J against 100 J more or less."""
    start = comparison.Moment(AT, {"a": 0.0}, {"a": 0.0})
    end = comparison.Moment(AT + 10, {"a": 3000.0}, {"a": driver_joules})

    (gpu,) = comparison.compare(start, end, {})

    assert not gpu.agrees
    assert (gpu.smi_joules, gpu.smi_samples, gpu.exporter_to_smi) == (None, 0, None)


def test_a_gpu_without_a_counter_is_not_judged(comparison):
    """Its energy is integrated power, and there is nothing to hold it against."""
    start = comparison.Moment(AT, {"a": 0.0}, {"a": None})
    end = comparison.Moment(AT + 10, {"a": 3000.0}, {"a": None})

    (gpu,) = comparison.compare(start, end, {"a": [(AT + 1, 300.0)]})

    assert (gpu.driver_joules, gpu.exporter_to_driver, gpu.agrees) == (None, None, True)
    assert (gpu.smi_joules, gpu.smi_samples) == (None, 1)


@pytest.fixture
def control(tmp_path):
    """Two GPUs on a virtual clock that draw nothing at its start."""
    made = Control.create(tmp_path / "state", 2)
    made.set_clock(100.0)
    for index in range(2):
        made.set_trace(index, [(0, 0.0), (101, WATTS * (index + 1)), (101 + SECONDS, 0.0)])
        made.gpu(index).sensor = Sensor.IDEAL
    return made


@pytest.fixture
def start(control, nvml_library, tmp_path):
    """Start the script on the stand-ins and return its process."""
    smi = tmp_path / "nvidia-smi"
    smi.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{SMI}" "$@"\n')
    smi.chmod(0o755)

    def run(*arguments, smi=smi):
        environment = os.environ | {
            "LOWTIDE_MOCK_STATE": str(control.path),
            "LOWTIDE_MOCK_LIBRARY": str(nvml_library),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        command = [sys.executable, str(BENCHMARKS / "beside_smi.py"), "--smi", str(smi)]
        command += ["--nvml-library", str(nvml_library), "--port", str(free_port()), *arguments]
        return subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return run


@pytest.mark.slow
def test_exporter_and_counter_agree_to_the_joule(start, control, tmp_path):
    """Two GPUs draw 300 and 600 W for three seconds of the virtual clock: 900 and 1800 J.

    The clock stands while both ends are read, so it does not matter how long that takes; it goes no
    faster than the real one, because more than a GPU can draw would not be believed.
    """
    output = tmp_path / "report.json"
    script = start("--allow-mock", "--output", str(output))
    assert script.stderr.readline() == "measuring for 600 s\n"
    passed, last = 0.0, time.monotonic()
    while passed < SECONDS + 2:
        time.sleep(0.02)
        now = time.monotonic()
        passed, last = passed + min(now - last, 0.1), now
        control.set_clock(100.0 + passed)
    script.send_signal(signal.SIGINT)
    said, complaints = script.communicate(timeout=120)

    assert script.returncode == 0, complaints
    assert said.startswith("STAND-IN GPUS, NUMBERS ARE NOT REAL\n")
    report = json.loads(output.read_text())
    gpus = {gpu["uuid"]: gpu for gpu in report["gpus"]}
    for index, joules in enumerate((900.0, 1800.0)):
        gpu = gpus[gpu_uuid(index)]
        assert gpu["driver_joules"] == pytest.approx(joules, abs=0.01)
        assert gpu["exporter_joules"] == pytest.approx(joules, abs=0.01)
        assert gpu["smi_samples"] >= 2
        assert 0 < gpu["smi_joules"] < WATTS * (index + 1) * gpu["seconds"]


def test_without_nvidia_smi_nothing_is_measured(start):
    """One sentence, and no table."""
    script = start("--allow-mock", smi="/nowhere/nvidia-smi")
    said, complaint = script.communicate(timeout=120)

    assert (script.returncode, said) == (2, "")
    assert complaint.startswith("beside_smi: nothing was measured: /nowhere/nvidia-smi cannot be")


@pytest.mark.slow
def test_a_stand_in_is_measured_only_where_that_is_asked_for(start):
    """Without --allow-mock the exporter refuses it, and the script repeats its reason."""
    script = start()
    said, complaint = script.communicate(timeout=120)

    assert (script.returncode, said) == (2, "")
    assert "the exporter ended" in complaint
