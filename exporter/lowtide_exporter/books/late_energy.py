"""Energy that a counter brings late: it was drawn while the counter was silent and power stood in.

Integrated power misses a little at every change of load. What the counter shows more, when it is
back, belongs to those who held the GPU in the meantime, and never to a later holder. Pure.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class LateEnergy:
    """Late energy of one GPU."""

    millijoules: int = 0
    """Energy that waits for the next settled interval."""
    has_changed_hands: bool = False
    """Whether the holders changed since the counter fell silent."""

    def take(self, has_same_owners: bool, is_silent: bool) -> tuple[int, int]:
        """Return the late energy that has no known owner, and that of the present holders.

        `has_same_owners` tells of the interval being settled, `is_silent` whether energy is still
        booked ahead of the counter.
        """
        late, self.millijoules = self.millijoules, 0
        if late or is_silent:
            self.has_changed_hands |= not has_same_owners
        is_lost, self.has_changed_hands = (
            self.has_changed_hands,
            self.has_changed_hands and is_silent,
        )
        return (late, 0) if is_lost else (0, late)
