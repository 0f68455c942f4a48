"""The lines of an exporter's metrics page that jobs are measured with, as samples.

Pure. An exporter is another machine's word: a page that is not one is refused whole, because half
a page would look like pods that are gone. Of everything else that a page may hold nothing is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
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
        names.METRIC_POD_GPU_SHARE,
        names.METRIC_GPU_INFO,
    }
)
_BEGINNINGS: Final = tuple(f"{name}{{" for name in sorted(COUNTERS | GAUGES))
_ALWAYS_THERE: Final = "lowtide_build_info{"
LINES_MAX: Final = 100_000


class PageError(Exception):
    """The page is not that of an exporter; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class PageSample:
    """One value of a page, without a time of its own."""

    metric: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Page:
    """What one scrape of one exporter showed."""

    samples: tuple[PageSample, ...]

    @property
    def final_pods(self) -> frozenset[str]:
        """The uids of pods whose values will not change any more."""
        return frozenset(
            sample.labels.get("pod_uid", "")
            for sample in self.samples
            if sample.metric == names.METRIC_POD_END
        )

    @property
    def pod_joules(self) -> dict[str, float]:
        """What every pod has used so far, by uid."""
        parts: dict[tuple[str, ...], float] = {}
        for sample in self.samples:
            if sample.metric == names.METRIC_POD_ENERGY:
                key = tuple(sample.labels.get(name, "") for name in ("pod_uid", *IDENTITY_LABELS))
                parts[key] = max(sample.value, parts.get(key, 0.0))
        joules: dict[str, float] = {}
        for (uid, *_), value in parts.items():
            joules[uid] = joules.get(uid, 0.0) + value
        return joules


def parse_page(text: str) -> Page:
    """Return the samples on a metrics page in the text format of Prometheus.

    Raises:
        PageError: the text is no page of an exporter.
    """
    lines = text.splitlines()
    if not any(line.startswith(_ALWAYS_THERE) for line in lines):
        raise PageError("the answer is not the page of a Lowtide exporter")
    wanted = [line for line in lines if line.startswith(_BEGINNINGS)]
    if len(wanted) > LINES_MAX:
        raise PageError(f"the page has {len(wanted)} lines about pods, more than {LINES_MAX}")
    try:
        samples = tuple(
            PageSample(sample.name, sample.labels, sample.value)
            for family in text_string_to_metric_families("\n".join(wanted) + "\n")
            for sample in family.samples
        )
    except (ValueError, KeyError, IndexError) as error:
        reason = " ".join(str(error).split())[:200]
        raise PageError(f"the page cannot be read: {reason}") from None
    for sample in samples:
        if not (isfinite(sample.value) and sample.value >= 0):
            raise PageError(f"{sample.metric} is {sample.value}, no amount")
    return Page(samples)
