"""Power that a device draws while nothing uses it.

The floor separates the power that a job caused from what the device would have drawn anyway. It is
learnt from free time only, as a low quantile, so that a straggling clock-down or a stray process
does not raise it. "Free" is what the kubelet says, but something that it does not list may still
use the device, so a learnt floor only falls. Until enough free time was seen the floor is 0 W:
everything then counts as active, which is honest, where a typical figure from a data sheet would be
a guess.
"""

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field
from typing import Final

QUANTILE: Final = 0.05
SAMPLES_NEEDED: Final = 10
SAMPLES_KEPT: Final = 600


@dataclass(slots=True)
class IdleFloor:
    """Idle power of one device, from samples that are about a second apart."""

    learnt_watts: float | None = None
    """The floor; None until enough free time was seen."""
    _recent: deque[float] = field(default_factory=deque)
    _ordered: list[float] = field(default_factory=list)

    def observe_free(self, power_watts: float) -> None:
        """Take the power of an interval at both ends of which no pod held the device."""
        if len(self._recent) == SAMPLES_KEPT:
            oldest = self._recent.popleft()
            del self._ordered[bisect_left(self._ordered, oldest)]
        self._recent.append(power_watts)
        insort(self._ordered, power_watts)
        if len(self._ordered) >= SAMPLES_NEEDED:
            quantile = self._ordered[int(QUANTILE * (len(self._ordered) - 1))]
            is_first = self.learnt_watts is None
            self.learnt_watts = quantile if is_first else min(quantile, self.learnt_watts or 0.0)

    @property
    def samples(self) -> tuple[float, ...]:
        """The samples kept, oldest first, in watts."""
        return tuple(self._recent)

    def idle_millijoules(self, seconds: float, energy_millijoules: int) -> int:
        """Return how much of an interval's energy is idle: the floor's, at most all of it."""
        floor = (self.learnt_watts or 0.0) * seconds * 1000.0
        return min(round(floor), energy_millijoules)
