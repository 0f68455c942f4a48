"""Meter of the platform's own RAPL zone: packages, memory and what hangs on the board.

It is a cross-check of the whole node and nothing else: its joules contain those of the packages, so
`rapl` never counts it. Not every platform has the zone, and the maker decides what it covers.
Kernel documentation: Documentation/power/powercap/powercap.rst.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lowtide.meters.errors import SourceError

_ZONE: Final = "psys"
_FIRST_SECONDS: Final = 1.0
"""Length of the first measurement; each later one begins where the last one ended."""

_Moment = tuple[float, dict[str, tuple[int, int]]]


class PsysMeter:
    """The mean power since the last reading, of all platform zones below a sysfs root."""

    source = "psys"

    def __init__(
        self,
        sysfs: str,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._root = Path(sysfs) / "class" / "powercap"
        self._clock = clock
        self._pause = pause
        self._last: _Moment | None = None

    def read(self) -> float:
        """Return the power in watts.

        Raises:
            SourceError: no platform zone exists, or it may not be read.
        """
        if self._last is None:
            self._last = self._look()
            self._pause(_FIRST_SECONDS)
        (began, before), self._last = self._last, self._look()
        now, after = self._last
        if before.keys() != after.keys() or now <= began:
            raise SourceError("psys: the zones changed, so no difference is known yet")
        microjoules = sum(
            energy - before[name][0] + (highest + 1 if energy < before[name][0] else 0)
            for name, (energy, highest) in after.items()
        )
        return microjoules / 1e6 / (now - began)

    def _look(self) -> _Moment:
        """Return the time, and energy and range of every platform zone in microjoules."""
        try:
            zones = {
                directory.name: (
                    int((directory / "energy_uj").read_text()),
                    int((directory / "max_energy_range_uj").read_text()),
                )
                for directory in self._root.glob("intel-rapl:*")
                if (directory / "name").read_text().strip() == _ZONE
            }
        except OSError as error:
            raise SourceError(f"psys: {error.filename} cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise SourceError(f"psys: a zone holds no number: {error}") from None
        if not zones:
            raise SourceError(f"psys: no zone of that name below {self._root}")
        return self._clock(), zones
