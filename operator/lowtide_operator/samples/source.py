"""Interface of a store of raw samples, and the selectors it is asked with.

Two stores exist: Prometheus, and the operator's own where it scrapes the exporters itself. Both
take the same selectors and return the same series, so every figure is made by the same code.
Names that users chose are values here, never parts of a query.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Protocol

from lowtide.energy.samples import Series
from lowtide.trainingjob.conditions import Reason


class SamplesUnavailableError(Exception):
    """The store gives no usable answer now; the message is one sentence."""

    reason: ClassVar[Reason]
    is_outage: ClassVar[bool] = True
    """Whether other questions would fail as well."""


class TooManySamplesError(SamplesUnavailableError):
    """The answer would be larger than the store or the operator allows: ask for less."""

    reason = Reason.PROMETHEUS_UNAVAILABLE
    is_outage = False


@dataclass(frozen=True, slots=True)
class Selector:
    """Series of one metric whose labels equal these values and match these patterns.

    A pattern is a regular expression for the whole value, in the syntax that Prometheus (RE2)
    and Python share; an absent label is an empty text.
    """

    metric: str
    equal: Mapping[str, str] = field(default_factory=dict)
    like: Mapping[str, str] = field(default_factory=dict)

    @property
    def promql(self) -> str:
        """The selector in PromQL."""
        matchers = [f"{name}={_quoted(value)}" for name, value in self.equal.items()]
        matchers += [f"{name}=~{_quoted(pattern)}" for name, pattern in self.like.items()]
        return f"{self.metric}{{{','.join(matchers)}}}"

    def matcher(self) -> Callable[[Mapping[str, str]], bool]:
        """Return a function that tells whether labels (without the metric's name) match."""
        patterns = {name: re.compile(pattern) for name, pattern in self.like.items()}

        def matches(labels: Mapping[str, str]) -> bool:
            return all(labels.get(name, "") == value for name, value in self.equal.items()) and all(
                pattern.fullmatch(labels.get(name, "")) for name, pattern in patterns.items()
            )

        return matches


class Samples(Protocol):
    """A store of raw samples."""

    async def samples(
        self, selector: Selector, start: datetime, end: datetime
    ) -> tuple[Series, ...]:
        """Return the raw samples of a selector that were stored in `(start, end]`.

        Raises:
            SamplesUnavailableError: there is no usable answer.
        """
        ...

    async def started_at(self) -> datetime | None:
        """Return since when samples have been stored, or `None` if that is not known.

        Raises:
            SamplesUnavailableError: there is no usable answer.
        """
        ...

    async def pod_joules(self, at: datetime) -> Mapping[tuple[str, str], float]:
        """Return the joules that pods have used so far, by namespace and uid.

        Raises:
            SamplesUnavailableError: there is no usable answer.
        """
        ...


def selector_of_pods(metric: str, namespace: str, uids: Iterable[str]) -> Selector:
    """Return the selector of a metric's series of pods with these uids in one namespace."""
    pattern = "|".join(re.escape(uid) for uid in sorted(uids))
    return Selector(metric, equal={"namespace": namespace}, like={"pod_uid": pattern})


def _quoted(text: str) -> str:
    """Return a PromQL string literal; JSON's escapes are a subset of PromQL's."""
    return json.dumps(text, ensure_ascii=False)
