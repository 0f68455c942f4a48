"""Facts about GPU models, and the meaning of NVML's codes, which the driver does not tell.

Pure: nothing here calls the driver.
"""

from typing import Final

import pynvml

from lowtide.meters.readings import GpuIdentity

ARCHITECTURES: Final = {
    value: name.removeprefix("NVML_DEVICE_ARCH_").lower()
    for name, value in vars(pynvml).items()
    if name.startswith("NVML_DEVICE_ARCH_") and isinstance(value, int)
}
_CORES_PER_MULTIPROCESSOR: Final = {"volta": 64, "turing": 64, "hopper": 128, "ada": 128}
"""CUDA programming guide, table of arithmetic throughput; Ampere differs by chip."""
_THROTTLE_MASKS: Final = {
    "power_cap": pynvml.nvmlClocksThrottleReasonSwPowerCap,
    "power_brake": pynvml.nvmlClocksThrottleReasonHwPowerBrakeSlowdown,
    "thermal": pynvml.nvmlClocksThrottleReasonHwThermalSlowdown
    | pynvml.nvmlClocksThrottleReasonSwThermalSlowdown,
    "slowdown": pynvml.nvmlClocksThrottleReasonHwSlowdown,
    "sync_boost": pynvml.nvmlClocksThrottleReasonSyncBoost,
}
"""Bits of nvml.h, "Clocks event reasons", by the names of `THROTTLE_REASONS`."""
_MEAN_OF_A_SECOND: Final = frozenset({"ampere", "ada", "hopper"})
_GA100_MODELS: Final = ("A100", "A30", "A800")


def cores_per_multiprocessor(model: str, architecture: str) -> int | None:
    """Return the CUDA cores of one multiprocessor, None where they are not known."""
    if architecture == "ampere":
        return 64 if any(name in model for name in _GA100_MODELS) else 128
    return _CORES_PER_MULTIPROCESSOR.get(architecture)


def throttle_reasons(bits: int) -> frozenset[str]:
    """Return the names of `THROTTLE_REASONS` of which a bit is set."""
    return frozenset(name for name, mask in _THROTTLE_MASKS.items() if bits & mask)


def power_usage_is_mean(identity: GpuIdentity) -> bool:
    """Return whether nvmlDeviceGetPowerUsage is the mean of a second on this GPU.

    Yang et al., "Part-time power measurements: nvidia-smi's lack of attention", SC'24, table of
    sensors: Hopper, Ada and GA10x average over a second, GA100 and what is older do not.
    """
    is_ga100 = any(name in identity.model for name in _GA100_MODELS)
    return identity.architecture in _MEAN_OF_A_SECOND and not is_ga100
