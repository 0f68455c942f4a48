"""Load of a GPU's only holder: its power says how long it ran in the interval in which it ended.

Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lowtide.energy.attribution import Method
from lowtide.energy.attribution_boundary import busy_ratio
from lowtide_exporter.books.slots import HeldSlot

CALMER_WEIGHT: Final = 0.5
"""Loads change in the last second too, so the mean of the last and the least power is taken."""


@dataclass(slots=True)
class HolderLoad:
    """Power of one GPU as its intervals were settled."""

    settled_watts: float | None = None
    """Power when the last interval was settled."""
    calmest_watts: float | None = None
    """The least of these powers since the GPU's holders last changed."""

    def busy_ratio(
        self,
        before: Mapping[str, HeldSlot],
        after: Mapping[str, HeldSlot],
        active_millijoules: int,
        seconds: float,
        *,
        instant_watts: float | None,
        idle_watts: float | None,
    ) -> float | None:
        """Return the share of the interval in which its only holder's load ran, None where unknown.

        The power at the end at which the GPU was held stands for the load: an instant reading, as
        the mean of a second would hold the other side of the change too.
        """
        slots = list((before or after).values())
        if bool(before) == bool(after) or len(slots) != 1:
            return None
        if slots[0].method is not Method.EXCLUSIVE:
            return None
        if not before:
            return busy_ratio(
                active_millijoules, seconds, load_watts=instant_watts, idle_watts=idle_watts
            )
        last, calmest = (
            busy_ratio(active_millijoules, seconds, load_watts=watts, idle_watts=idle_watts)
            for watts in (self.settled_watts, self.calmest_watts)
        )
        if last is None or calmest is None:
            return last
        return last + CALMER_WEIGHT * (calmest - last)

    def remember(self, instant_watts: float | None, *, is_same: bool) -> None:
        """Note the power as an interval is settled; `is_same` says that no holder changed in it."""
        self.settled_watts = instant_watts
        if instant_watts is None or not is_same:
            self.calmest_watts = None
        elif self.calmest_watts is None or instant_watts < self.calmest_watts:
            self.calmest_watts = instant_watts
