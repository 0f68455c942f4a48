"""`measure-hardware` against a stand-in whose meters are known, and without any GPU."""

import json
import os
import subprocess
import sys
from itertools import pairwise

import pynvml
import pytest
from standins.nvml.control import Control, Sensor

from lowtide_exporter.hardware.probes import PolledSample, compare_meters, find_step, quantiles

pytestmark = [pytest.mark.slow, pytest.mark.waits]

COMMAND = [sys.executable, "-m", "lowtide_exporter.main", "measure-hardware"]
IDLE_WATTS, REFRESH_SECONDS, LATENCY_SECONDS, GAIN = 75.0, 0.05, 0.001, 0.8

LOAD = """
import signal, sys, time
from pathlib import Path
from standins.nvml.control import Control
control = Control(Path(sys.argv[1]))
duty = float(sys.argv[3])
control.set_trace(0, [(0, 75.0), (control.now_seconds(), 75.0 + 500.0 * duty)])
done = []
signal.signal(signal.SIGTERM, lambda *_: done.append(1))
print("ready", flush=True)
while not done:
    time.sleep(0.01)
control.set_trace(0, [(0, 75.0)])
print('{"iterations": 100, "seconds": 2.0}', flush=True)
"""


@pytest.fixture
def control(tmp_path):
    """One GPU with a known floor, refresh, latency and a counter that shows four fifths."""
    made = Control.create(tmp_path / "state", 1)
    made.set_trace(0, [(0.0, IDLE_WATTS)])
    gpu = made.gpu(0)
    gpu.refresh_seconds, gpu.gain, gpu.sensor = REFRESH_SECONDS, GAIN, Sensor.HOPPER
    return made


@pytest.fixture
def measure(control, nvml_library):
    """Run the command on the stand-in."""

    def run(*arguments, allow=True):
        flags = ["--nvml-library", str(nvml_library), *(["--allow-mock"] if allow else [])]
        path = os.pathsep.join(sys.path)
        environment = os.environ | {"LOWTIDE_MOCK_STATE": str(control.path), "PYTHONPATH": path}
        return subprocess.run(
            [*COMMAND, *flags, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
        )

    return run


def test_the_report_finds_what_the_meters_do(measure, control, tmp_path):
    """Refresh, step, latency, floor and the counter's gain, each within a tenth of what was set.

    A busy machine reads late: an interval is known to the longest pause between two reads.
    """
    control.set_latency(LATENCY_SECONDS)

    result = measure("--seconds", "0.6", "--trace", str(tmp_path / "trace.csv"))

    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    idle = report["idle"]
    doubt = REFRESH_SECONDS / 10 + idle["counter"]["longest_pause_seconds"]
    interval = idle["counter"]["interval_seconds"]["median"]
    assert interval == pytest.approx(REFRESH_SECONDS, abs=doubt)
    step = 1000 * IDLE_WATTS * GAIN * REFRESH_SECONDS
    missed = round(idle["counter"]["step_millijoules"]["min"] / step)
    assert 1 <= missed <= 1 + doubt / REFRESH_SECONDS
    assert idle["counter"]["step_millijoules"]["min"] == pytest.approx(missed * step, rel=0.02)
    latency = idle["calls"]["TotalEnergyConsumption"]["latency_seconds"]["min"]
    assert LATENCY_SECONDS <= latency < 20 * LATENCY_SECONDS
    assert idle["meters"]["average_watts"] == pytest.approx(IDLE_WATTS, rel=0.01)
    assert idle["meters"]["average_watts_to_counter"] == pytest.approx(1 / GAIN, rel=0.1)
    assert report["inventory"]["fields"]["energy/module"]["code"] != 0
    assert report["inventory"]["calls"]["mig_mode"] == [0, 0]
    header, first, *_ = (tmp_path / "trace.csv").read_text().splitlines()
    assert header.startswith("measurement,at_seconds,counter_millijoules")
    assert first.startswith("idle,")


def test_a_gpu_without_counter_is_measured_as_far_as_it_goes(measure, control):
    """What is refused stands in the report with its code; the rest is measured."""
    control.gpu(0).energy_error = pynvml.NVML_ERROR_NOT_SUPPORTED

    result = measure("--seconds", "0.2")

    assert result.returncode == 0, result.stderr
    idle = json.loads(result.stdout)["idle"]
    assert idle["counter"]["code"] == pynvml.NVML_ERROR_NOT_SUPPORTED
    assert idle["calls"]["TotalEnergyConsumption"]["code"] == pynvml.NVML_ERROR_NOT_SUPPORTED
    assert idle["calls"]["PowerUsage"]["latency_seconds"]["median"] > 0
    assert idle["meters"]["average_watts"] == pytest.approx(IDLE_WATTS, rel=0.01)


def test_what_handles_of_mig_instances_answer_is_in_the_report(measure, control):
    """One entry per instance; the stand-in refuses energy and power, a real one may not."""
    control.set_instances(0, [(7, 1, 16), (1, 4, 64)])

    result = measure("--seconds", "0.2")

    first, second = json.loads(result.stdout)["inventory"]["mig_instances"]
    assert first["total_energy_millijoules"]["code"] != 0
    assert second["power_milliwatts"]["code"] != 0


def test_a_load_shows_its_power_and_its_throughput(measure, control, tmp_path):
    """The whole sequence: 575 W steady, 325 W at half duty, 50 iterations a second."""
    program = tmp_path / "load.py"
    program.write_text(LOAD)
    load = f"{sys.executable} {program} {control.path}"

    result = measure("--seconds", "0.4", "--load", load)

    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["rhythms"]["steady"]["instant_watts"] == pytest.approx(575, rel=0.02)
    assert report["rhythms"]["square 1 s"]["average_watts"] == pytest.approx(325, rel=0.05)
    assert report["idle with context"]["instant_watts"] == pytest.approx(75, rel=0.02)
    assert report["after load"]["instant_watts"] == pytest.approx(75, rel=0.02)
    assert report["polling"][0]["iterations_per_second"] == 50
    assert len(report["shifted 100 ms waves"]) == 10


def test_a_load_program_that_does_not_start_is_said(measure):
    """One sentence, exit code 1, and no report that looks whole."""
    result = measure("--seconds", "0.1", "--load", "false")

    assert result.returncode == 1
    assert "load program false did not become ready" in result.stderr
    assert result.stdout == ""


def test_without_a_gpu_the_command_refuses_with_one_sentence():
    """No driver here: exit code 1, nothing on standard output, no traceback."""
    result = subprocess.run(COMMAND, capture_output=True, text=True, timeout=240)

    assert result.returncode == 1
    assert "no GPU can be measured here" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_a_stand_in_is_not_measured_by_mistake(measure):
    """A report about a stand-in must not pass for one about a GPU."""
    result = measure(allow=False)

    assert result.returncode == 1
    assert "is a stand-in" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--gpu", "3"], 1, "the driver lists 1 GPUs"),
        (["--seconds", "0"], 2, "give more than 0"),
        (["--seconds", "0.05", "--output", "/nowhere/report.json"], 1, "No such file"),
    ],
)
def test_wrong_use_is_said(measure, arguments, code, message):
    """The value seen, and what would be right."""
    result = measure(*arguments)

    assert result.returncode == code
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_step_is_found_where_the_reading_passes_it():
    """A ramp from 100 to 200 W between second 1 and 2: 10, 50 and 90 percent of it."""
    ramp = [min(200.0, max(100.0, 100.0 * t / 10)) for t in range(31)]
    samples = [PolledSample(t / 10, None, watts, None) for t, watts in enumerate(ramp)]

    assert find_step(samples, "average_watts") == {
        "10%": pytest.approx(1.1),
        "50%": pytest.approx(1.5),
        "90%": pytest.approx(1.9),
    }
    assert find_step(samples, "instant_watts") is None
    assert find_step(samples[:5], "average_watts") is None


def test_meters_that_agree_have_a_ratio_of_one():
    """100 W for 4 s by counter and by power; a missing counter leaves only the powers."""
    samples = [PolledSample(float(t), 100_000 * t, 100.0, None) for t in range(5)]

    found = compare_meters(samples)

    assert found["counter_watts"] == 100.0
    assert found["average_watts_to_counter"] == 1.0
    assert "instant_watts" not in found
    assert "counter_watts" not in compare_meters([PolledSample(0.0, None, 100.0, None)])


def test_quantiles_are_in_order():
    """Of 1 to 100: the ends, the middle and what lies between."""
    found = quantiles(list(range(1, 101)))

    assert found["min"] == 1
    assert found["median"] == 50.5
    assert found["max"] == 100
    assert all(a <= b for a, b in pairwise(found.values()))
    assert quantiles([]) is None
