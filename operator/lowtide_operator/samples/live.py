"""Energy of running jobs so far, asked for all of them at once.

For display and predictions: the figures that count are read from raw samples after the end. There
is one query per interval however many jobs run; while the store does not answer, the last values
stay. Of pods that looks ask for, a bounded number of earlier answers is kept as well.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from lowtide import names
from lowtide.accounts.progress import Curve
from lowtide_operator.samples.source import (
    Samples,
    SamplesUnavailableError,
    selector_of_pods,
)

LOG: Final = logging.getLogger(__name__)
POINTS_MAX: Final = 96
"""Points of one pod's curve; at the bound every second one is dropped."""
PODS_MAX: Final = 8_192
MODEL_SEEN: Final = timedelta(minutes=5)
"""The series of held GPUs are looked for in the time before now."""


class LiveEnergy:
    """Joules of pods by namespace and uid, as of the last answer."""

    def __init__(self, samples: Samples | None, clock: Callable[[], datetime]) -> None:
        self._samples = samples
        self._clock = clock
        self._joules: Mapping[tuple[str, str], float] = {}
        self._curves: dict[tuple[str, str], list[tuple[datetime, float]]] = {}
        self._models: dict[tuple[str, str], str] = {}

    def of_pods(self, namespace: str, uids: Iterable[str]) -> dict[str, float]:
        """Return the joules of those of these pods of a namespace that are known, by uid."""
        known = self._joules
        return {uid: known[namespace, uid] for uid in uids if (namespace, uid) in known}

    def curve(self, namespace: str, uid: str) -> Curve:
        """Return what a pod had used at earlier answers; from the first question on."""
        pod = namespace, uid
        if pod not in self._curves and len(self._curves) < PODS_MAX and self._samples is not None:
            self._curves[pod] = []
            if pod in self._joules:
                self._curves[pod].append((self._clock(), self._joules[pod]))
        return tuple(self._curves.get(pod, ()))

    async def gpu_model(self, namespace: str, uids: Iterable[str]) -> str | None:
        """Return the one GPU model that these pods hold; `None` where that is not known."""
        pods = [(namespace, uid) for uid in uids]
        unknown = [uid for _, uid in pods if (namespace, uid) not in self._models]
        if unknown and self._samples is not None:
            now = self._clock()
            held = selector_of_pods(names.METRIC_POD_GPU_HELD_SECONDS, namespace, unknown)
            try:
                series = await self._samples.samples(held, now - MODEL_SEEN, now)
            except SamplesUnavailableError:
                return None
            for one in series:
                if len(self._models) < PODS_MAX:
                    model = one.labels.get("model", "")
                    self._models[namespace, one.labels.get("pod_uid", "")] = model
        models = {self._models[pod] for pod in pods if pod in self._models}
        return models.pop() if len(models) == 1 else None

    async def run(self, period_seconds: float) -> None:
        """Ask at this period until cancelled."""
        while True:
            if self._samples is not None:
                await self._ask(self._samples)
            await asyncio.sleep(period_seconds)

    async def _ask(self, samples: Samples) -> None:
        try:
            self._joules = await samples.pod_joules(self._clock())
        except SamplesUnavailableError as error:
            LOG.info("energy of running jobs: %s", error)
            return
        now = self._clock()
        for pod in [*self._curves]:
            if pod not in self._joules:
                self._drop(pod)
            else:
                _append(self._curves[pod], now, self._joules[pod])

    def _drop(self, pod: tuple[str, str]) -> None:
        """Forget a pod that had energy and has none any more; one that is new stays."""
        if self._curves[pod]:
            del self._curves[pod]
            self._models.pop(pod, None)


def _append(curve: list[tuple[datetime, float]], at: datetime, joules: float) -> None:
    if curve and (at <= curve[-1][0] or joules < curve[-1][1]):
        return
    if len(curve) >= POINTS_MAX:
        del curve[1::2]
    curve.append((at, joules))
