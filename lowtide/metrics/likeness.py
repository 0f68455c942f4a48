"""The one rule for "made alike": which circumstances touch a figure, and what a difference does.

Used wherever two runs meet: comparison, groups of runs, ratings, the operator's choice of a
reference set. A circumstance is the same, different, or unknown; unknown is never taken for the
same, and is said. Source: docs/explanation/metrics.md#comparing-jobs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from lowtide.metrics.job_figures import JobFigures


class Effect(StrEnum):
    """Effect of a circumstance that differs between two runs on a figure that it touches."""

    NO_RATIO = "no ratio"
    """The figures have different units: no override makes a ratio. Unknown refuses too."""
    REFUSED = "refused"
    """The figures were made in different ways: no difference, unless the caller overrides."""
    NAMED = "named"
    """The difference stands and names the circumstance, without better or worse."""


@dataclass(frozen=True, slots=True)
class Circumstance:
    """Something that two runs share or not."""

    key: str
    words: str
    """In a sentence, for example `kind of intensity`."""
    short: str
    """In a cell of a table."""
    effect: Effect
    read: Callable[[JobFigures], Any]
    """Value for comparison; `None` where unknown."""
    show: Callable[[JobFigures], str]


def plain_dataset(name: str) -> str:
    """Return the name of a data set as it is compared: without regard to case."""
    return name.strip().casefold()


def _sam_name(job: JobFigures) -> str | None:
    sam = job.metric("SAM")
    return None if sam is None else sam.name


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _circumstance(
    key: str,
    words: str,
    short: str,
    effect: Effect,
    read: Callable[[JobFigures], Any] | None = None,
    show: Callable[[JobFigures], Any] | None = None,
) -> Circumstance:
    value = read or (lambda job: getattr(job, key))
    return Circumstance(key, words, short, effect, value, lambda job: _shown((show or value)(job)))


CIRCUMSTANCES: Final = {
    one.key: one
    for one in (
        _circumstance("energy_kind", "how energy was measured", "method", Effect.REFUSED),
        _circumstance("boundary", "components in the boundary", "boundary", Effect.REFUSED),
        _circumstance("mock", "stand-in GPUs", "stand-in", Effect.REFUSED),
        _circumstance(
            "energy_includes_pue", "overhead of the data centre in the energy", "PUE",
            Effect.REFUSED,
        ),
        _circumstance(
            "pue", "overhead of the data centre (PUE)", "PUE", Effect.REFUSED,
            lambda job: job.pue is not None or job.energy_includes_pue,
        ),
        _circumstance("signal", "kind of intensity", "signal", Effect.REFUSED),
        _circumstance(
            "factor", "emissions that the intensity includes", "factor", Effect.REFUSED,
            lambda job: None if job.factor == "unknown" else job.factor,
        ),
        _circumstance(
            "dataset", "data set", "data set", Effect.REFUSED,
            lambda job: None if job.dataset is None else plain_dataset(job.dataset),
            lambda job: job.dataset,
        ),
        _circumstance("cost_kind", "kind of cost", "kind", Effect.REFUSED),
        _circumstance("environment", "environment", "environment", Effect.NAMED),
        _circumstance("epochs", "epochs", "epochs", Effect.NAMED),
        _circumstance("functional_unit", "functional unit", "unit", Effect.NO_RATIO),
        _circumstance("cost_currency", "currency", "currency", Effect.NO_RATIO),
        _circumstance("metric name", "metric and its unit", "unit", Effect.NO_RATIO, _sam_name),
    )
}  # fmt: skip

RUN: Final = ("dataset", "environment", "epochs")
"""Circumstances of the training itself, which touch whatever it used."""
METER: Final = ("energy_kind", "boundary", "mock", "energy_includes_pue")
CARBON: Final = ("energy_kind", "boundary", "mock", "pue", "signal", "factor")


@dataclass(frozen=True, slots=True)
class Likeness:
    """Circumstances of a figure in which two runs are not known to be alike."""

    different: tuple[Circumstance, ...] = ()
    unknown: tuple[Circumstance, ...] = ()
    """Unknown for both runs."""
    half_known: tuple[Circumstance, ...] = ()
    """Known for one run only."""

    @property
    def touching(self) -> tuple[str, ...]:
        """What is named beside a difference: what differs, and what one run states only."""
        return tuple(
            [one.short for one in self.different] + [f"{one.short}?" for one in self.half_known]
        )

    def having(self, effect: Effect) -> tuple[Circumstance, ...]:
        """Return the different circumstances that have an effect."""
        return tuple(one for one in self.different if one.effect is effect)

    @property
    def unit_unknown(self) -> tuple[Circumstance, ...]:
        """Circumstances without which there is no ratio, and which are not known for both."""
        return tuple(
            one for one in (*self.unknown, *self.half_known) if one.effect is Effect.NO_RATIO
        )

    @property
    def verdict_stands(self) -> bool:
        """Whether better or worse may be said: nothing differs or is known on one side only."""
        return not self.different and not self.half_known


Profile = tuple[Any, ...]
"""The value of every circumstance of a run, in the order of `CIRCUMSTANCES`."""

_READERS: Final = tuple(one.read for one in CIRCUMSTANCES.values())
_PLACES: Final = {key: place for place, key in enumerate(CIRCUMSTANCES)}


def profile(job: JobFigures) -> Profile:
    """Return the circumstances of a run; runs of one table mostly share a few profiles."""
    return tuple([read(job) for read in _READERS])


def likeness(first: JobFigures, second: JobFigures, touched_by: tuple[str, ...]) -> Likeness:
    """Return how alike two runs were made, in the circumstances that touch a figure, by key."""
    return compared(profile(first), profile(second), touched_by)


@lru_cache(maxsize=65536)
def compared(first: Profile, second: Profile, touched_by: tuple[str, ...]) -> Likeness:
    """Return how alike two profiles are, in the circumstances that touch a figure, by key."""
    different, unknown, half_known = [], [], []
    for key in touched_by:
        circumstance = CIRCUMSTANCES[key]
        a, b = first[_PLACES[key]], second[_PLACES[key]]
        if a is None and b is None:
            unknown.append(circumstance)
        elif a is None or b is None:
            half_known.append(circumstance)
        elif a != b:
            different.append(circumstance)
    return Likeness(tuple(different), tuple(unknown), tuple(half_known))
