"""Clock of the node beside the one that only runs forwards.

Durations come from the monotonic clock. Times of pods are Unix times of the node, whose clock may
be set at any moment: two of them may be compared only if it was not set in between. Pure.
"""

from typing import Final, NamedTuple

SET_SECONDS: Final = 0.25
"""A change this large is a clock that was set; slewing takes minutes for as much."""


class ClockReading(NamedTuple):
    """Both clocks at one moment."""

    monotonic_seconds: float
    unix_seconds: float

    def was_set_since(self, earlier: "ClockReading") -> bool:
        """Return whether the node's clock was set between the two moments."""
        ahead = self.unix_seconds - self.monotonic_seconds
        was_ahead = earlier.unix_seconds - earlier.monotonic_seconds
        return abs(ahead - was_ahead) > SET_SECONDS
