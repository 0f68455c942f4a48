"""A made-up node for `--demo`: four GPUs, training pods that come and go, a kubelet, an API server.

For trying dashboards and rules without a GPU. Everything says `mock`; no number here was measured.
The day depends only on the clock and a fixed seed, so two demos at one time look alike.
"""

import math
import uuid
from dataclasses import dataclass
from typing import Final

from lowtide.meters.readings import GpuIdentity, GpuReading
from lowtide.ownership import OwnerReference
from lowtide_exporter.readings import Allocation, PodRecord

_GPUS: Final = 4
_IDLE_WATTS: Final = 72.0
_LIMIT_WATTS: Final = 700.0
_STEP_SECONDS: Final = 0.25
_MODELS: Final = ("inceptionv3", "densenet121", "resnet50", "vit-b16")
_NAMESPACE: Final = "demo"


@dataclass(frozen=True, slots=True)
class _Job:
    """What runs on a GPU at a moment; `began` is in seconds of the demo's clock."""

    name: str
    uid: str
    began: float


def _job_at(gpu: int, seconds: float) -> _Job | None:
    """Return the job of a GPU: each runs for three quarters of its turn."""
    turn = 150.0 + 45.0 * gpu
    number, phase = divmod(seconds + 37.0 * gpu, turn)
    if phase > 0.75 * turn:
        return None
    name = f"{_MODELS[(gpu + int(number)) % len(_MODELS)]}-{gpu}-{int(number)}"
    return _Job(name, str(uuid.uuid5(uuid.NAMESPACE_OID, name)), seconds - phase)


def _watts(gpu: int, seconds: float) -> float:
    """Return the power: the floor, or a warm-up and the rhythm of epochs."""
    floor = _IDLE_WATTS + 1.5 * gpu
    job = _job_at(gpu, seconds)
    if job is None:
        return floor
    age = seconds - job.began
    epochs = 60.0 * math.sin(2 * math.pi * age / (12.0 + 3 * gpu))
    return floor + (1 - math.exp(-age / 4.0)) * (430.0 + 20.0 * gpu + epochs)


class DemoNode:
    """`GpuMeters`, `DeviceOwners` and `PodInformant` of a node that does not exist."""

    def __init__(self, unix_offset: float) -> None:
        self._unix_offset = unix_offset
        self._seconds: float | None = None
        self._joules = [0.0] * _GPUS
        self.is_up = True
        self.good_at: float | None = None

    def read(self, monotonic_seconds: float) -> tuple[GpuReading, ...]:
        """Return the GPUs, their energy integrated up to this moment."""
        at = monotonic_seconds if self._seconds is None else self._seconds
        while at < monotonic_seconds:
            step = min(_STEP_SECONDS, monotonic_seconds - at)
            for gpu in range(_GPUS):
                self._joules[gpu] += step * _watts(gpu, at + step / 2)
            at += step
        self._seconds = self.good_at = monotonic_seconds
        return tuple(self._reading(gpu, monotonic_seconds) for gpu in range(_GPUS))

    def _reading(self, gpu: int, seconds: float) -> GpuReading:
        watts = _watts(gpu, seconds)
        return GpuReading(
            identity=GpuIdentity(
                uuid=_gpu_uuid(gpu),
                index=gpu,
                model="NVIDIA H100 80GB HBM3 (mock)",
                architecture="hopper",
                driver="demo.mock",
                is_mock=True,
                multiprocessors=132,
            ),
            counter_millijoules=int(1000 * self._joules[gpu]),
            average_watts=watts,
            instant_watts=watts,
            limit_watts=_LIMIT_WATTS,
        )

    def allocations(self) -> tuple[Allocation, ...]:
        """Return the containers that hold the GPUs."""
        return tuple(
            Allocation(_NAMESPACE, job.name, "trainer", (_gpu_uuid(gpu),))
            for gpu, job in self._jobs()
        )

    def advertised_replicas(self) -> dict[str, int]:
        """Return nothing: the demo's GPUs are whole."""
        return {}

    @property
    def pods(self) -> tuple[PodRecord, ...]:
        """The running pods; a finished one is gone, as after its deletion."""
        return tuple(
            PodRecord(
                namespace=_NAMESPACE,
                name=job.name,
                uid=job.uid,
                started_at=math.floor(job.began + self._unix_offset),
                containers=("trainer",),
                controller=OwnerReference("batch", "v1", "Job", job.name, f"job-{job.uid}"),
            )
            for _, job in self._jobs()
        )

    def _jobs(self) -> list[tuple[int, _Job]]:
        seconds = self._seconds or 0.0
        found = ((gpu, _job_at(gpu, seconds)) for gpu in range(_GPUS))
        return [(gpu, job) for gpu, job in found if job is not None]

    def survey_soon(self) -> None:
        """Do nothing: there is nothing new to find."""

    def close(self) -> None:
        """Do nothing: there is no device."""


def _gpu_uuid(gpu: int) -> str:
    return f"GPU-{0xDE300000 + gpu:08x}-0000-4000-8000-{gpu:012x}"
