"""Names of pods that may have passed to another pod.

The kubelet lists pods by name, and a StatefulSet gives the name of a pod that is gone to the next
one. While the API server's answers come at once, the UID of a name is the right one. While they do
not, a name that left the kubelet's list and came back, or that was listed on both sides of a long
silence, may mean another pod: its UID is not known until the API server has answered again. Starts
and departures are Unix times of the node, so they tell nothing once its clock was set.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lowtide_exporter.books.clock import ClockReading

_Name = tuple[str, str]
_CLOCK_SECONDS: Final = 2.0
"""Kubernetes cuts times to whole seconds, and the kubelet admits a pod before it lists it."""


@dataclass(slots=True)
class NameWatch:
    """Watch over the names in the kubelet's answers; times are monotonic unless named."""

    gap_seconds: float
    """A longer silence of the kubelet may hide a change."""
    _listed: frozenset[_Name] = frozenset()
    _answered: ClockReading | None = None
    _was_set: bool = False
    _left: dict[_Name, float] = field(default_factory=dict)
    _generations: dict[_Name, int] = field(default_factory=dict)
    _returned: dict[_Name, tuple[float, float, bool]] = field(default_factory=dict)
    _news_at: float = float("-inf")
    _current_at: float = float("-inf")

    def note_news(self, now: float) -> None:
        """Note that the API server told something new."""
        self._news_at = now

    def note_current(self, now: float) -> None:
        """Note that the watch of the API server stands."""
        self._current_at = now

    def note_answer(self, names: set[_Name], now: float, unix_seconds: float) -> None:
        """Note which pods an answer of the kubelet lists, and which left or came back."""
        answered, before = ClockReading(now, unix_seconds), self._answered
        was_silent = before is not None and now - before.monotonic_seconds > self.gap_seconds
        last_unix = 0.0 if before is None else before.unix_seconds
        self._was_set |= before is not None and answered.was_set_since(before)
        for name in self._listed - names:
            self._left[name] = last_unix
        for name in names:
            if name in self._left:
                self._returned[name] = (now, self._left.pop(name), False)
                self._generations[name] = self.generation(name) + 1
            elif was_silent and name in self._listed:
                self._returned[name] = (now, last_unix, True)
        self._listed = frozenset(names)
        self._answered = answered
        self._forget(now)

    def note_left(self, name: _Name, last_unix: float) -> None:
        """Note that a name had left before this watch began; `last_unix` is when it was listed."""
        self._left[name] = last_unix

    def dump(self) -> dict[str, Any]:
        """Return what a restart must not forget, as JSON values."""
        return {
            "generations": [(*name, count) for name, count in self._generations.items()],
            "left": [(*name, unix_seconds) for name, unix_seconds in self._left.items()],
            "returned": [(*name, *seen) for name, seen in self._returned.items()],
            "clock_was_set": self._was_set,
        }

    def load(self, dumped: Mapping[str, Any]) -> None:
        """Take up what was known before a restart: a pod keeps its account, and its doubt."""
        self._generations = {(n, pod): int(k) for n, pod, k in dumped.get("generations", ())}
        self._left = {(n, pod): float(at) for n, pod, at in dumped.get("left", ())}
        self._returned = {
            (n, pod): (float(at), float(left), bool(was_silence))
            for n, pod, at, left, was_silence in dumped.get("returned", ())
        }
        self._was_set = bool(dumped.get("clock_was_set", False))

    def generation(self, name: _Name) -> int:
        """Return which pod of this name the kubelet listed last, counted from 1."""
        return self._generations.get(name, 1)

    def is_trusted(self, name: _Name, started_at: float | None) -> bool:
        """Return whether the API server's record of this name is of the pod that was listed last.

        It is not where that pod left before the one of the record began. It is where the pod of the
        record began after the name was last seen to leave, or where the API server has told
        something since. A silence, other than a departure, is answered by a standing watch. Once
        the clock was set, no time is evidence, and the name of a pod that left means no other.
        """
        left = self._left.get(name)
        if left is not None and self._was_set:
            return False
        if left is not None and started_at is not None and started_at > left + _CLOCK_SECONDS:
            return False
        returned = self._returned.get(name)
        if returned is None:
            return True
        at, left_unix, was_silence = returned
        began_after = started_at is not None and started_at >= left_unix - _CLOCK_SECONDS
        if began_after and not self._was_set:
            return True
        return self._news_at >= at or (was_silence and self._current_at >= at)

    def _forget(self, now: float) -> None:
        """Drop what no longer matters: memory does not grow with the number of pods seen."""
        self._returned = {n: r for n, r in self._returned.items() if n in self._listed}
        if len(self._generations) > _NAMES_KEPT:
            kept = self._left.keys() | self._listed
            self._generations = {n: g for n, g in self._generations.items() if n in kept}
        if len(self._left) > _NAMES_KEPT:
            oldest_first = sorted(self._left.items(), key=lambda item: item[1])
            self._left = dict(oldest_first[-(_NAMES_KEPT // 2) :])


_NAMES_KEPT: Final = 1024
"""Names that left and may come back; older ones are forgotten."""
