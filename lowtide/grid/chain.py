"""Chain of a zone's providers, asked in order until one can answer.

The order is the settings' and changes only by `lowtide.grid.scoring`'s rule, so the source of a
plan does not flicker. What went wrong on the way is part of the answer: a plan made with the
second choice says so. When no provider answers, the last forecast that any of them gave is used
as long as it reaches into the future, and is labelled old. A chain has one signal.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from lowtide.grid.cache import CachedProvider
from lowtide.grid.errors import Exhausted, Failure, GridError, NotOffered
from lowtide.grid.series import IntensitySeries, MixedSignalsError


@dataclass(frozen=True, slots=True)
class ChainAnswer:
    """A series, the provider that gave it, and the providers that could not answer.

    `is_old` says that none answered now and that this is the last known forecast.
    """

    series: IntensitySeries
    provider: str
    failures: tuple[Failure, ...] = ()
    is_old: bool = False


class Chain:
    """Providers in order of preference."""

    def __init__(self, providers: Sequence[CachedProvider]) -> None:
        """Take the providers as they are ordered.

        Raises:
            MixedSignalsError: they are of different signals.
            ValueError: two share a label, so that files and scores would mix.
        """
        if len({provider.signal for provider in providers}) > 1:
            raise MixedSignalsError(
                "a chain cannot have providers of average and of marginal intensity: "
                + ", ".join(f"{one.label} is {one.signal}" for one in providers)
            )
        labels = [provider.label for provider in providers]
        if len(set(labels)) != len(labels):
            raise ValueError(f"providers of a chain need different labels, not {labels}")
        self.providers = tuple(providers)

    def reordered(self, labels: Sequence[str]) -> "Chain":
        """Return the chain with the same providers in the order of `labels`.

        Raises:
            ValueError: the labels are not exactly those of this chain.
        """
        by_label = {provider.label: provider for provider in self.providers}
        if sorted(labels) != sorted(by_label):
            raise ValueError(f"labels {list(labels)} are not those of the chain {list(by_label)}")
        return Chain([by_label[label] for label in labels])

    def forecast(self, zone: str, now: datetime) -> ChainAnswer:
        """Return the first forecast that can be had.

        Raises:
            NotOffered: no provider of the chain has forecasts at all.
            Exhausted: some have, and none could give one, not even an old one.
        """
        try:
            return self._first(lambda provider: provider.forecast(zone, now), "forecast", zone)
        except Exhausted as error:
            for provider in self.providers:
                old = provider.last_forecast(zone, now)
                if old is not None:
                    return ChainAnswer(old, provider.label, error.failures, is_old=True)
            raise

    def actuals(self, zone: str, start: datetime, end: datetime) -> ChainAnswer:
        """Return the first actual intensity that can be had for `[start, end)`.

        Raises:
            NotOffered: no provider of the chain has actual values.
            Exhausted: some have, and none could give any.
        """
        return self._first(
            lambda provider: provider.actuals(zone, start, end), "actual intensity", zone
        )

    def _first(
        self, ask: Callable[[CachedProvider], IntensitySeries], what: str, zone: str
    ) -> ChainAnswer:
        failures: list[Failure] = []
        for provider in self.providers:
            try:
                return ChainAnswer(ask(provider), provider.label, tuple(failures))
            except NotOffered:
                continue
            except GridError as error:
                failures.append(Failure(provider.label, error.reason, str(error)))
        if failures:
            raise Exhausted(failures)
        raise NotOffered(f"no provider is configured that has {what} for zone {zone}")
