"""Drive the stand-in NVML library: clock, power, faults, processes, MIG, and the exact truth.

A `Control` owns the file that the library maps (`LOWTIDE_MOCK_STATE`). Fields are written with
one store each, so the library in another process never sees half a number. The structures repeat
`standin.h`; `check_layout` compares the sizes.
"""

import ctypes
import mmap
import os
import time
from collections.abc import Iterable, Sequence
from enum import IntEnum
from pathlib import Path

MAGIC = 0x6C6F777469646531
MAX_GPUS, MAX_PROCESSES, MAX_INSTANCES, MAX_POINTS = 16, 8, 7, 512
ARCHITECTURE_HOPPER = 9


class Sensor(IntEnum):
    """Averaging behaviour of the power readings (SC'24 sensor study)."""

    HOPPER = 0
    GA100 = 1
    VOLTA = 2
    IDEAL = 3


class Draw(IntEnum):
    """Which truth the meters see."""

    CURVE = 0
    FOLLOW = 1
    TRACE = 2


class Process(ctypes.Structure):
    _fields_ = (
        ("pid", ctypes.c_uint32),
        ("sm_percent", ctypes.c_uint32),
        ("memory_bytes", ctypes.c_uint64),
    )


class Instance(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint32)
        for name in ("gpu_instance", "slices", "multiprocessors", "replaced")
    )


class Point(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_double) for name in ("at_seconds", "watts", "joules"))


_WORDS = (
    *("error", "energy_error", "power_error", "sensor", "architecture"),
    *("draw", "mig_enabled", "instances", "processes", "points"),
    *("sm_clock_megahertz", "throttle_reasons"),
)
_NUMBERS = (
    *("high_watts", "mid_watts", "low_watts", "high_seconds", "mid_seconds", "low_seconds"),
    *("phase_seconds", "idle_watts", "watts_per_core", "cpu_seconds", "cpu_cores", "gain"),
    *("refresh_seconds", "reset_at_seconds", "stuck_from_seconds", "stuck_until_seconds"),
    "limit_watts",
)


class Gpu(ctypes.Structure):
    """One GPU of the control file; assign to a field to change what the library answers."""

    _fields_ = (
        *((name, ctypes.c_uint32) for name in _WORDS),
        *((name, ctypes.c_double) for name in _NUMBERS),
        ("process", Process * MAX_PROCESSES),
        ("instance", Instance * MAX_INSTANCES),
        ("point", Point * MAX_POINTS),
    )


class Block(ctypes.Structure):
    _fields_ = (
        *(
            (name, ctypes.c_uint64)
            for name in ("magic", "virtual_ns", "epoch_ns", "calls", "latency_ns")
        ),
        *((name, ctypes.c_uint32) for name in ("generation", "init_error", "visible")),
        ("order", ctypes.c_uint32 * MAX_GPUS),
        ("padding", ctypes.c_uint32),
        ("gpu", Gpu * MAX_GPUS),
    )


def gpu_uuid(index: int) -> str:
    """Return the UUID that the library and the fake device plugin give GPU `index`."""
    return f"GPU-{0xABC00000 + index:08x}-0000-4000-8000-{index:012x}"


class Control:
    """The control file of one node: make it, open it, change it, ask for the truth."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self.path = path
        self._block = Block.from_buffer(self._map)
        if self._block.magic != MAGIC or len(self._map) != ctypes.sizeof(Block):
            raise ValueError(f"{path} is not a control file of this stand-in")

    @classmethod
    def create(cls, path: Path, gpus: int = 8) -> "Control":
        """Write a fresh file with `gpus` healthy Hopper GPUs and open it."""
        if not 0 <= gpus <= MAX_GPUS:
            raise ValueError(f"{gpus} GPUs asked for, the stand-in has at most {MAX_GPUS}")
        block = Block(magic=MAGIC, epoch_ns=time.monotonic_ns(), generation=1, visible=gpus)
        for index in range(MAX_GPUS):
            block.order[index] = index
            _set_defaults(block.gpu[index], index)
        fresh = path.with_name(path.name + ".new")
        fresh.write_bytes(bytes(block))
        fresh.replace(path)
        return cls(path)

    def close(self) -> None:
        """Let go of the mapping; the file stays."""
        del self._block
        self._map.close()

    def gpu(self, index: int) -> Gpu:
        """Return the live fields of GPU `index`."""
        gpu: Gpu = self._block.gpu[index]
        return gpu

    @property
    def calls(self) -> int:
        """Device calls served so far."""
        return int(self._block.calls)

    def set_clock(self, seconds: float) -> None:
        """Set the virtual clock; the library never looks at the real one again."""
        self._block.virtual_ns = round(seconds * 1e9)

    def now_seconds(self) -> float:
        """Return the library's time: virtual where set, else since the file was made."""
        if self._block.virtual_ns:
            return float(self._block.virtual_ns) / 1e9
        return (time.monotonic_ns() - int(self._block.epoch_ns)) / 1e9

    def set_latency(self, seconds: float) -> None:
        """Make every device call take this long (virtual time where that runs)."""
        self._block.latency_ns = round(seconds * 1e9)

    def set_init_error(self, code: int) -> None:
        """Make nvmlInit return `code`; 0 heals."""
        self._block.init_error = code

    def reload_driver(self, order: Sequence[int] | None = None) -> None:
        """Kill every open handle and restart all counters; `order` moves the indices."""
        now = self.now_seconds()
        for index in range(MAX_GPUS):
            self.gpu(index).reset_at_seconds = now
        if order is not None:
            self.list_gpus(order)
        self._block.generation += 1

    def list_gpus(self, order: Sequence[int]) -> None:
        """List exactly these GPUs, in this order; one left out is unplugged."""
        for position, index in enumerate(order):
            self._block.order[position] = index
        self._block.visible = len(order)

    def set_trace(self, index: int, segments: Iterable[tuple[float, float]]) -> None:
        """Let GPU `index` draw `watts` from `at_seconds` on, for each (at_seconds, watts)."""
        gpu, joules, previous = self.gpu(index), 0.0, None
        for count, (at_seconds, watts) in enumerate(segments):
            if previous is not None:
                joules += previous[1] * (at_seconds - previous[0])
            gpu.point[count] = Point(at_seconds, watts, joules)
            previous, gpu.points = (at_seconds, watts), count + 1
        gpu.draw = Draw.TRACE

    def set_processes(self, index: int, rows: Sequence[tuple[int, int]]) -> None:
        """Set the process list: rows of (pid, SM percent)."""
        gpu = self.gpu(index)
        for k, (pid, sm_percent) in enumerate(rows):
            gpu.process[k] = Process(pid, sm_percent, 10 << 30)
        gpu.processes = len(rows)

    def set_instances(self, index: int, rows: Sequence[tuple[int, int, int]]) -> None:
        """Cut GPU `index` into MIG instances: rows of (instance id, slices, multiprocessors)."""
        gpu = self.gpu(index)
        for k, (instance, slices, multiprocessors) in enumerate(rows):
            made = gpu.instance[k].replaced + 1
            gpu.instance[k] = Instance(instance, slices, multiprocessors, made)
        gpu.instances, gpu.mig_enabled = len(rows), int(bool(rows))

    def instance_uuid(self, index: int, instance: int) -> str:
        """Return the UUID of a MIG instance in the present layout."""
        made = self.gpu(index).instance[instance].replaced
        return f"MIG-{0xDEF00000 + index:08x}-{made:04x}-5000-9000-{instance:012x}"


def _set_defaults(gpu: Gpu, index: int) -> None:
    gpu.sensor, gpu.architecture, gpu.draw = Sensor.HOPPER, ARCHITECTURE_HOPPER, Draw.CURVE
    gpu.high_watts, gpu.mid_watts, gpu.low_watts = 690, 320, 120
    gpu.high_seconds, gpu.mid_seconds, gpu.low_seconds = 0.180, 0.060, 0.040
    gpu.phase_seconds = 0.011 * index
    gpu.sm_clock_megahertz = 1980
    gpu.gain, gpu.refresh_seconds, gpu.limit_watts = 1.0, 0.1, 700
    gpu.reset_at_seconds = gpu.stuck_from_seconds = gpu.stuck_until_seconds = -1


class Truth:
    """The exact energy, computed by the library's own closed form."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(os.fspath(library))
        self._library.standin_sizeof.restype = ctypes.c_ulong
        self._joules = self._library.standin_true_joules
        self._joules.restype, self._joules.argtypes = (
            ctypes.c_double,
            [ctypes.c_void_p] * 1 + [ctypes.c_double],
        )
        if self._library.standin_sizeof() != ctypes.sizeof(Block):
            raise ValueError(f"{library} was built from another standin.h")

    def joules(self, gpu: Gpu, start_seconds: float, end_seconds: float) -> float:
        """Return the energy that `gpu` drew between two library times."""
        address = ctypes.addressof(gpu)
        return float(self._joules(address, end_seconds) - self._joules(address, start_seconds))
