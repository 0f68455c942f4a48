"""Probes of one GPU: single measurements that return plain numbers for the report.

All times are seconds of the monotonic clock unless named otherwise. Nothing here changes a
setting of the device.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pynvml

FIELD_NAMES: Final = {
    pynvml.NVML_FI_DEV_ENERGY: "energy",
    pynvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION: "total_energy",
    pynvml.NVML_FI_DEV_POWER_AVERAGE: "power_average",
    pynvml.NVML_FI_DEV_POWER_INSTANT: "power_instant",
}
SCOPES: Final = {0: "gpu", 1: "module", 2: "memory", 3: "gpu_base"}
_ENERGY_AND_POWER: Final = (
    (pynvml.NVML_FI_DEV_ENERGY, 0),
    (pynvml.NVML_FI_DEV_POWER_AVERAGE, 0),
    (pynvml.NVML_FI_DEV_POWER_INSTANT, 0),
)


@dataclass(frozen=True, slots=True)
class PolledSample:
    """One poll: counter in millijoules, powers in watts, None where the device has none."""

    at_seconds: float
    counter_millijoules: int | None
    average_watts: float | None
    instant_watts: float | None


def take_inventory(handle: Any) -> dict[str, Any]:
    """Return which fields, scopes and calls the device answers, and with which codes."""
    fields = {}
    for field_id, name in FIELD_NAMES.items():
        for scope, scope_name in SCOPES.items():
            (value,) = pynvml.nvmlDeviceGetFieldValues(handle, [(field_id, scope)])
            fields[f"{name}/{scope_name}"] = {
                "code": int(value.nvmlReturn),
                "value": int(value.value.ullVal) if value.nvmlReturn == 0 else None,
            }
    calls: dict[str, Callable[[], Any]] = {
        "name": lambda: pynvml.nvmlDeviceGetName(handle),
        "architecture": lambda: pynvml.nvmlDeviceGetArchitecture(handle),
        "total_energy_millijoules": lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle),
        "power_milliwatts": lambda: pynvml.nvmlDeviceGetPowerUsage(handle),
        "enforced_power_limit_milliwatts": lambda: pynvml.nvmlDeviceGetEnforcedPowerLimit(handle),
        "cuda_cores": lambda: pynvml.nvmlDeviceGetNumGpuCores(handle),
        "mig_mode": lambda: list(pynvml.nvmlDeviceGetMigMode(handle)),
        "persistence_mode": lambda: pynvml.nvmlDeviceGetPersistenceMode(handle),
        "gpm_supported": lambda: pynvml.nvmlGpmQueryDeviceSupport(handle).isSupportedDevice,
        "running_processes": lambda: len(pynvml.nvmlDeviceGetComputeRunningProcesses(handle)),
        "process_utilization": lambda: len(pynvml.nvmlDeviceGetProcessUtilization(handle, 0)),
    }
    answers = {name: answer_of(call) for name, call in calls.items()}
    return {
        "driver": answer_of(pynvml.nvmlSystemGetDriverVersion),
        "fields": fields,
        "calls": answers,
        "mig_instances": _mig_instances(handle),
    }


def _mig_instances(handle: Any) -> list[dict[str, Any]]:
    """Return what the handles of MIG instances answer: energy and power may be the parent's."""
    count = answer_of(lambda: pynvml.nvmlDeviceGetMaxMigDeviceCount(handle))
    found = []
    for position in range(count if isinstance(count, int) else 0):
        try:
            instance = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, position)
        except pynvml.NVMLError:
            continue
        found.append(
            {
                "total_energy_millijoules": answer_of(
                    partial(pynvml.nvmlDeviceGetTotalEnergyConsumption, instance)
                ),
                "power_milliwatts": answer_of(partial(pynvml.nvmlDeviceGetPowerUsage, instance)),
                "energy_and_power_codes": answer_of(partial(_field_codes, instance)),
            }
        )
    return found


def _field_codes(handle: Any) -> list[int]:
    values = pynvml.nvmlDeviceGetFieldValues(handle, _ENERGY_AND_POWER)
    return [int(value.nvmlReturn) for value in values]


def answer_of(call: Callable[[], Any]) -> Any:
    """Return what a call answers, or the driver's refusal as an entry of the report."""
    try:
        return call()
    except pynvml.NVMLError as error:
        return {"error": str(error), "code": error.value}


def poll(handle: Any, seconds: float, hertz: float) -> list[PolledSample]:
    """Return samples of counter and power at `hertz` over `seconds`."""
    began = time.monotonic()
    due, samples = began, []
    while due < began + seconds:
        time.sleep(max(0.0, due - time.monotonic()))
        energy, average, instant = pynvml.nvmlDeviceGetFieldValues(handle, _ENERGY_AND_POWER)
        samples.append(
            PolledSample(
                time.monotonic() - began,
                int(energy.value.ullVal) if energy.nvmlReturn == 0 else None,
                average.value.uiVal / 1000 if average.nvmlReturn == 0 else None,
                instant.value.uiVal / 1000 if instant.nvmlReturn == 0 else None,
            )
        )
        due += 1 / hertz
    return samples


def watch_counter(handle: Any, seconds: float) -> dict[str, Any]:
    """Return how often the counter moves and by how much, from a tight loop."""
    moves: list[float] = []
    steps: list[int] = []
    reads, began, longest = 0, time.monotonic(), 0.0
    looked = began
    last, moved_at = pynvml.nvmlDeviceGetTotalEnergyConsumption(handle), None
    while (now := time.monotonic()) - began < seconds:
        value = pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
        longest, looked = max(longest, now - looked), now
        reads += 1
        if value == last:
            continue
        if moved_at is not None:
            moves.append(now - moved_at)
        steps.append(value - last)
        last, moved_at = value, now
    return {
        "reads": reads,
        "reads_per_second": reads / seconds,
        "longest_pause_seconds": longest,
        "moves": len(steps),
        "interval_seconds": quantiles(moves),
        "step_millijoules": quantiles(steps),
    }


def time_calls(handle: Any, count: int) -> dict[str, Any]:
    """Return latency and CPU time of each call that a tick may make."""
    calls: dict[str, Callable[[], Any]] = {
        "TotalEnergyConsumption": lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle),
        "FieldValues of 3": lambda: pynvml.nvmlDeviceGetFieldValues(handle, _ENERGY_AND_POWER),
        "PowerUsage": lambda: pynvml.nvmlDeviceGetPowerUsage(handle),
        "ComputeRunningProcesses": lambda: pynvml.nvmlDeviceGetComputeRunningProcesses(handle),
        "ProcessUtilization": lambda: answer_of(
            lambda: pynvml.nvmlDeviceGetProcessUtilization(handle, 0)
        ),
    }
    return {name: answer_of(partial(_time_call, call, count)) for name, call in calls.items()}


def _time_call(call: Callable[[], Any], count: int) -> dict[str, Any]:
    times = []
    cpu = time.process_time()
    for _ in range(count):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return {
        "latency_seconds": quantiles(times),
        "cpu_seconds_per_call": (time.process_time() - cpu) / count,
    }


def compare_meters(samples: Sequence[PolledSample]) -> dict[str, Any]:
    """Return mean powers by counter, by average and by instant readings, and their ratios."""
    counted = [s for s in samples if s.counter_millijoules is not None]
    result: dict[str, Any] = {"samples": len(samples)}
    if len(counted) > 1:
        first, last = counted[0], counted[-1]
        joules = ((last.counter_millijoules or 0) - (first.counter_millijoules or 0)) / 1000
        result["counter_watts"] = joules / (last.at_seconds - first.at_seconds)
    for name in ("average_watts", "instant_watts"):
        values = [v for s in samples if (v := getattr(s, name)) is not None]
        if values:
            result[name] = statistics.fmean(values)
            if result.get("counter_watts"):
                result[f"{name}_to_counter"] = result[name] / result["counter_watts"]
    return result


def find_step(samples: Sequence[PolledSample], name: str) -> dict[str, float] | None:
    """Return when a power reading passed 10, 50 and 90 percent of its step, in seconds."""
    values = [(s.at_seconds, v) for s in samples if (v := getattr(s, name)) is not None]
    if len(values) < 10:
        return None
    tenth = len(values) // 10
    low = statistics.median(v for _, v in values[:tenth])
    high = statistics.median(v for _, v in values[-tenth:])
    if high <= low:
        return None
    passed = {}
    for share in (0.1, 0.5, 0.9):
        level = low + share * (high - low)
        passed[f"{share:.0%}"] = next(at for at, value in values if value >= level)
    return passed


def quantiles(values: Sequence[float]) -> dict[str, float] | None:
    """Return minimum, median, 99th percentile and maximum; all None without values."""
    if not values:
        return None
    ordered = sorted(values)
    return {
        "min": ordered[0],
        "p5": ordered[int(0.05 * (len(ordered) - 1))],
        "median": statistics.median(ordered),
        "p95": ordered[int(0.95 * (len(ordered) - 1))],
        "p99": ordered[int(0.99 * (len(ordered) - 1))],
        "max": ordered[-1],
    }
