"""Meter of GPUs by NVML: the energy counter first, power beside it as a check.

One thread only: the driver takes a lock that the workload needs too. Handles are found by UUID
after every (re-)initialisation, because indices move. `NOT_SUPPORTED` is never 0 J: the reading
says that there is no counter. A stand-in library is refused unless it was allowed.

Facts about calls and fields: nvml.h, "Field Identifiers" and "Power Scope".
"""

import ctypes
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pynvml

from lowtide.limits import believable_counter, believable_hertz, believable_ratio
from lowtide.meters.calls import CallLog
from lowtide.meters.errors import MockRefusedError, SourceError
from lowtide.meters.nvml_fields import code_of, make_buffer, read_fields, value_of, watts_of
from lowtide.meters.nvml_models import (
    ARCHITECTURES,
    cores_per_multiprocessor,
    power_usage_is_mean,
    throttle_reasons,
)
from lowtide.meters.readings import GpuIdentity, GpuReading, MigInstance

_log = logging.getLogger(__name__)

_SURVEY_SECONDS: Final = 10.0
"""How often the device list, power limits and MIG layouts are looked at again."""
_BACKOFF_FIRST_SECONDS: Final = 1.0
_BACKOFF_MAX_SECONDS: Final = 60.0
_DRIVER_GONE: Final = frozenset(
    {
        pynvml.NVML_ERROR_UNINITIALIZED,
        pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
        pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH,
    }
)
_ABSENT: Final = frozenset(
    {
        pynvml.NVML_ERROR_NOT_SUPPORTED,
        pynvml.NVML_ERROR_INVALID_ARGUMENT,
        pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
    }
)
_CLOCKS: Final = {"sm": pynvml.NVML_CLOCK_SM, "memory": pynvml.NVML_CLOCK_MEM}


@dataclass(slots=True)
class _Device:
    """What is kept of one GPU between reads."""

    identity: GpuIdentity
    handle: Any
    buffer: Any
    has_fields: bool = True
    limit_watts: float | None = None
    limit_max_watts: float | None = None
    busy_ratio: float | None = None
    clocks_hertz: Mapping[str, float] = field(default_factory=dict)
    throttled_by: frozenset[str] | None = None
    mig_enabled: bool = False
    instances: tuple[MigInstance, ...] = ()
    backoff_seconds: float = 0.0
    retry_at: float = 0.0
    error: str | None = None
    sampled_until: int = 0


class NvmlMeters:
    """`GpuMeters` from the NVIDIA driver."""

    def __init__(self, library: str, allow_mock: bool, calls: CallLog) -> None:
        self._library = library
        self._allow_mock = allow_mock
        self._calls = calls
        self._devices: dict[str, _Device] = {}
        self._is_open = False
        self._retry_at = 0.0
        self._backoff_seconds = 0.0
        self._survey_at = 0.0

    def read(self, monotonic_seconds: float) -> tuple[GpuReading, ...]:
        """See `GpuMeters`.

        Raises:
            SourceError: the driver cannot be reached; it is tried again with growing pauses.
            MockRefusedError: the library is a stand-in, which was not allowed.
        """
        self._open(monotonic_seconds)
        try:
            if monotonic_seconds >= self._survey_at:
                self._survey(monotonic_seconds)
            readings = tuple(
                self._read_device(d, monotonic_seconds) for d in self._devices.values()
            )
        except pynvml.NVMLError as error:
            self.close()
            self._pause(monotonic_seconds)
            raise SourceError(f"NVML: the driver is gone: {error}") from None
        self._backoff_seconds = 0.0
        return readings

    def survey_soon(self) -> None:
        """See `GpuMeters`."""
        self._survey_at = 0.0

    def close(self) -> None:
        """See `GpuMeters`."""
        if self._is_open:
            self._is_open = False
            try:
                pynvml.nvmlShutdown()
            except pynvml.NVMLError as error:
                _log.debug("nvmlShutdown failed: %s", error)

    def process_utilisation(self, uuid: str) -> dict[int, float] | None:
        """Return the mean SM utilisation by process since the last call, in percent.

        Host process ids; empty where no process did anything. None where the GPU cannot tell (MIG,
        old drivers), or is lost. The driver keeps samples of non-zero use only, so the mean is
        over the samples it has, not over time: only ratios between processes mean anything.
        """
        device = self._devices.get(uuid)
        if device is None or device.error is not None or device.mig_enabled:
            return None
        try:
            samples = self._call(
                pynvml.nvmlDeviceGetProcessUtilization, device.handle, device.sampled_until
            )
        except pynvml.NVMLError as error:
            return {} if error.value == pynvml.NVML_ERROR_NOT_FOUND else None
        fresh = [s for s in samples if s.timeStamp > device.sampled_until]
        moments = len({s.timeStamp for s in fresh}) or 1
        device.sampled_until = max((s.timeStamp for s in fresh), default=device.sampled_until)
        sums: dict[int, float] = {}
        for sample in fresh:
            sums[sample.pid] = sums.get(sample.pid, 0.0) + sample.smUtil
        return {pid: total / moments for pid, total in sums.items()}

    def process_ids(self, uuid: str) -> frozenset[int] | None:
        """Return the processes that hold a context on a GPU, by host process id.

        None where the GPU cannot tell, or is lost.
        """
        device = self._devices.get(uuid)
        if device is None or device.error is not None:
            return None
        found = self._optional(pynvml.nvmlDeviceGetComputeRunningProcesses, device.handle)
        return None if found is None else frozenset(one.pid for one in found)

    def counter_millijoules(self, uuid: str) -> int | None:
        """Return the energy counter of one GPU, by one call and nothing else.

        None where it cannot be read.
        """
        device = self._devices.get(uuid)
        if device is None or device.error is not None:
            return None
        found = self._optional(pynvml.nvmlDeviceGetTotalEnergyConsumption, device.handle)
        return believable_counter(found)

    def _open(self, now: float) -> None:
        if self._is_open:
            return
        if now < self._retry_at:
            raise SourceError("NVML: waiting before the next attempt to open the driver")
        try:
            if self._library and pynvml.nvmlLib is None:
                pynvml.nvmlLib = ctypes.CDLL(self._library)
            self._calls.call("nvmlInit", pynvml.nvmlInit)
        except (pynvml.NVMLError, OSError) as error:
            self._pause(now)
            raise SourceError(f"NVML: cannot open the driver: {error}") from None
        self._is_open, self._survey_at = True, now

    def _pause(self, now: float) -> None:
        self._backoff_seconds = _next_backoff(self._backoff_seconds)
        self._retry_at = now + self._backoff_seconds

    def _survey(self, now: float) -> None:
        """Look at what is there: devices by UUID, limits, MIG layouts."""
        self._survey_at = now + _SURVEY_SECONDS
        driver = _text(self._call(pynvml.nvmlSystemGetDriverVersion))
        found: dict[str, _Device] = {}
        for index in range(self._call(pynvml.nvmlDeviceGetCount)):
            try:
                handle = self._call(pynvml.nvmlDeviceGetHandleByIndex, index)
                uuid = _text(self._call(pynvml.nvmlDeviceGetUUID, handle))
                known = self._devices.get(uuid)
                if known is None or (known.identity.index, known.identity.driver) != (
                    index,
                    driver,
                ):
                    known = _Device(
                        self._identify(handle, uuid, index, driver), handle, make_buffer()
                    )
                known.handle = handle
                self._refresh(known)
            except pynvml.NVMLError as error:
                _raise_if_driver_gone(error)
                _log.debug("GPU %d cannot be identified: %s", index, error)
                continue
            found[uuid] = known
        for uuid, device in self._devices.items():  # lost ones stay known, so gpu_up can say 0
            found.setdefault(uuid, device)
        self._devices = found

    def _identify(self, handle: Any, uuid: str, index: int, driver: str) -> GpuIdentity:
        model = _text(self._call(pynvml.nvmlDeviceGetName, handle))
        is_mock = "mock" in driver.lower() or "mock" in model.lower()
        if is_mock and not self._allow_mock:
            raise MockRefusedError(
                f"the NVML library is a stand-in (driver {driver}, GPU {model}): it measures "
                "nothing real; add --allow-mock if this is a test"
            )
        architecture = ARCHITECTURES.get(
            self._optional(pynvml.nvmlDeviceGetArchitecture, handle), "unknown"
        )
        return GpuIdentity(
            uuid=uuid,
            index=index,
            model=model,
            architecture=architecture,
            driver=driver,
            is_mock=is_mock,
            multiprocessors=self._multiprocessors(handle, model, architecture),
        )

    def _multiprocessors(self, handle: Any, model: str, architecture: str) -> int | None:
        cores = self._optional(pynvml.nvmlDeviceGetNumGpuCores, handle)
        per_unit = cores_per_multiprocessor(model, architecture)
        return cores // per_unit if cores and per_unit else None

    def _refresh(self, device: _Device) -> None:
        limit = self._optional(pynvml.nvmlDeviceGetEnforcedPowerLimit, device.handle)
        device.limit_watts = limit / 1000 if limit else None
        limits = self._optional(pynvml.nvmlDeviceGetPowerManagementLimitConstraints, device.handle)
        device.limit_max_watts = limits[1] / 1000 if limits else None
        use = self._optional(pynvml.nvmlDeviceGetUtilizationRates, device.handle)
        device.busy_ratio = None if use is None else believable_ratio(use.gpu / 100)
        clocks = {
            name: self._optional(pynvml.nvmlDeviceGetClockInfo, device.handle, kind)
            for name, kind in _CLOCKS.items()
        }
        device.clocks_hertz = {
            name: hertz
            for name, megahertz in clocks.items()
            if megahertz and (hertz := believable_hertz(1e6 * megahertz)) is not None
        }
        bits = self._optional(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons, device.handle)
        device.throttled_by = None if bits is None else throttle_reasons(bits)
        mode = self._optional(pynvml.nvmlDeviceGetMigMode, device.handle)
        device.mig_enabled = bool(mode and mode[0])
        device.instances = self._list_instances(device.handle) if device.mig_enabled else ()

    def _list_instances(self, handle: Any) -> tuple[MigInstance, ...]:
        instances = []
        for position in range(self._optional(pynvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0):
            mig = self._optional(pynvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, position)
            if mig is None:
                continue
            attributes = self._optional(pynvml.nvmlDeviceGetAttributes_v2, mig)
            instance = self._optional(pynvml.nvmlDeviceGetGpuInstanceId, mig)
            if attributes is None or instance is None:
                continue
            instances.append(
                MigInstance(
                    uuid=_text(self._call(pynvml.nvmlDeviceGetUUID, mig)),
                    gpu_instance=instance,
                    multiprocessors=attributes.multiprocessorCount,
                )
            )
        return tuple(instances)

    def _read_device(self, device: _Device, now: float) -> GpuReading:
        if now < device.retry_at:
            return self._failed(device)
        try:
            reading = self._read_fields(device) if device.has_fields else self._read_calls(device)
        except pynvml.NVMLError as error:
            _raise_if_driver_gone(error)
            return self._give_up(device, now, str(error))
        except (ValueError, TypeError, ArithmeticError) as error:  # affects this GPU only
            return self._give_up(device, now, f"an answer that cannot be understood: {error!r}")
        device.error, device.backoff_seconds = None, 0.0
        return reading

    def _give_up(self, device: _Device, now: float, error: str) -> GpuReading:
        """Leave a GPU alone for a while and return its failed reading."""
        device.error = error
        device.backoff_seconds = _next_backoff(device.backoff_seconds)
        device.retry_at = now + device.backoff_seconds
        return self._failed(device)

    def _failed(self, device: _Device) -> GpuReading:
        return GpuReading(
            identity=device.identity,
            instances=device.instances,
            mig_enabled=device.mig_enabled,
            error=device.error,
        )

    def _read_fields(self, device: _Device) -> GpuReading:
        """Read counter and power in one call; each value has a return code of its own."""
        try:
            values = self._call(read_fields, device.handle, device.buffer)
        except pynvml.NVMLError as error:
            if error.value not in _ABSENT:
                raise
            device.has_fields = False
            return self._read_calls(device)
        by_scope, by_field, average, instant = values
        counter = by_scope if code_of(by_scope) == pynvml.NVML_SUCCESS else by_field
        if code_of(counter) in _ABSENT:
            return self._read_calls(device, watts_of(average), watts_of(instant))
        return self._reading(
            device,
            counter_millijoules=believable_counter(value_of(counter)),
            average_watts=watts_of(average),
            instant_watts=watts_of(instant),
        )

    def _read_calls(
        self, device: _Device, average: float | None = None, instant: float | None = None
    ) -> GpuReading:
        """Read with one call each: old drivers, and devices without the fields."""
        energy, has_counter = None, True
        try:
            energy = self._call(pynvml.nvmlDeviceGetTotalEnergyConsumption, device.handle)
        except pynvml.NVMLError as error:
            if error.value not in _ABSENT:
                raise
            has_counter = False
        if average is None and instant is None:
            milliwatts = self._optional(pynvml.nvmlDeviceGetPowerUsage, device.handle)
            watts = None if milliwatts is None else milliwatts / 1000
            is_mean = power_usage_is_mean(device.identity)
            average, instant = (watts, None) if is_mean else (None, watts)
        return self._reading(
            device,
            counter_millijoules=believable_counter(energy),
            has_counter=has_counter,
            average_watts=average,
            instant_watts=instant,
        )

    def _reading(self, device: _Device, **values: Any) -> GpuReading:
        return GpuReading(
            identity=device.identity,
            limit_watts=device.limit_watts,
            limit_max_watts=device.limit_max_watts,
            busy_ratio=device.busy_ratio,
            clocks_hertz=device.clocks_hertz,
            throttled_by=device.throttled_by,
            instances=device.instances,
            mig_enabled=device.mig_enabled,
            **values,
        )

    def _call(self, function: Any, *arguments: Any) -> Any:
        return self._calls.call("nvml", function, *arguments)

    def _optional(self, function: Any, *arguments: Any) -> Any:
        """Return the answer, or None where the device does not support the call."""
        try:
            return self._call(function, *arguments)
        except pynvml.NVMLError as error:
            _raise_if_driver_gone(error)
            return None


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _next_backoff(seconds: float) -> float:
    return min(_BACKOFF_MAX_SECONDS, max(_BACKOFF_FIRST_SECONDS, seconds * 2))


def _raise_if_driver_gone(error: Any) -> None:
    if error.value in _DRIVER_GONE:
        raise error
