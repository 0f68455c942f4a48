"""Samples from an exporter's metrics page: only the series that jobs are measured with.

Pure. A page comes from another machine. One that cannot be read is refused whole, because half a
page would look as if pods were gone. All other series of a page are ignored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from lowtide import names
from lowtide.energy.samples import IDENTITY_LABELS

COUNTERS: Final = frozenset({names.METRIC_POD_ENERGY, names.METRIC_POD_GPU_HELD_SECONDS})
GAUGES: Final = frozenset(
    {
        names.METRIC_POD_SEGMENT_START,
        names.METRIC_POD_END,
        names.METRIC_POD_OWNER,
        names.METRIC_POD_GPU_SHARE,
        names.METRIC_GPU_INFO,
    }
)
CLOCK: Final = names.METRIC_NODE_CLOCK
"""Time of the node; the only one of these series without labels."""
_BEGINNINGS: Final = (*(f"{name}{{" for name in sorted(COUNTERS | GAUGES)), f"{CLOCK} ")
_ALWAYS_THERE: Final = "lowtide_build_info{"
_POD_COUNTER: Final = ("namespace", "pod_uid", *IDENTITY_LABELS)
LINES_MAX: Final = 100_000


class PageError(Exception):
    """A page that is not an exporter's; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class PageSample:
    """One value of a page, without a time of its own."""

    metric: str
    labels: Mapping[str, str]
    value: float


Known = Mapping[str, tuple[str, Mapping[str, str]]]
"""Metric and labels by the text of a series; most series were on the page before."""


@dataclass(frozen=True, slots=True)
class Page:
    """Samples of one scrape of one exporter; `known` saves the next page most of its parsing."""

    samples: tuple[PageSample, ...]
    known: Known = field(default_factory=dict)

    @property
    def final_pods(self) -> frozenset[str]:
        """Uids of the pods whose values will not change any more."""
        return frozenset(
            sample.labels.get("pod_uid", "")
            for sample in self.samples
            if sample.metric == names.METRIC_POD_END
        )

    @property
    def pod_joules(self) -> dict[tuple[str, str], float]:
        """Joules that every pod has used so far, by namespace and uid."""
        parts: dict[tuple[str, ...], float] = {}
        for sample in self.samples:
            if sample.metric == names.METRIC_POD_ENERGY:
                key = tuple(sample.labels.get(name, "") for name in _POD_COUNTER)
                parts[key] = max(sample.value, parts.get(key, 0.0))
        joules: dict[tuple[str, str], float] = {}
        for (namespace, uid, *_), value in parts.items():
            joules[namespace, uid] = joules.get((namespace, uid), 0.0) + value
        return joules


def parse_page(text: str, known: Known | None = None) -> Page:
    """Return the samples on a metrics page in the text format of Prometheus.

    `known` is that of the exporter's last page. Lines with a timestamp are refused: our exporter
    writes none.

    Raises:
        PageError: the text is not an exporter's page.
    """
    lines = text.splitlines()
    if not any(line.startswith(_ALWAYS_THERE) for line in lines):
        raise PageError("the answer is not the page of a Lowtide exporter")
    wanted = [line for line in lines if line.startswith(_BEGINNINGS)]
    if len(wanted) > LINES_MAX:
        raise PageError(f"the page has {len(wanted)} lines about pods, more than {LINES_MAX}")
    values: dict[str, float] = {}
    try:
        for line in wanted:
            series, _, number = line.rpartition(" ")
            values[series] = float(number)
        kept = {series: found for series in values if (found := (known or {}).get(series))}
        kept |= _parse_series([series for series in values if series not in kept])
    except (ValueError, KeyError, IndexError) as error:
        reason = " ".join(str(error).split())[:200]
        raise PageError(f"the page cannot be read: {reason}") from None
    samples = tuple(PageSample(*kept[series], value) for series, value in values.items())
    for sample in samples:
        if not (isfinite(sample.value) and sample.value >= 0):
            raise PageError(
                f"{sample.metric} is {sample.value}: it must be finite and not negative"
            )
    return Page(samples, kept)


def _parse_series(texts: Sequence[str]) -> dict[str, tuple[str, Mapping[str, str]]]:
    """Return metric and labels of series that were not on the page before.

    Raises:
        ValueError: a text is not a series.
    """
    lines = "".join(f"{text} 0\n" for text in texts)
    found = [
        (sample.name, sample.labels)
        for family in text_string_to_metric_families(lines)
        for sample in family.samples
    ]
    if not all(text.endswith("}") or text == CLOCK for text in texts):
        raise ValueError("a line is not a series and a value")
    return dict(zip(texts, found, strict=True))
