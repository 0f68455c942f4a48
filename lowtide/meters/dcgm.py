"""Activity of MIG instances, read from a dcgm-exporter on the same node.

Only activity: NVML stays the source of energy, and DCGM gives the parent's energy for every
instance. Both spellings of each field are understood (DCGM 4.6 renamed them). A page that does not
come in two seconds is given up; after three failures the page is left alone for a minute.

Field names: https://docs.nvidia.com/datacenter/dcgm/latest/dcgm-api/dcgm-api-field-ids.html
"""

import urllib.parse
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from lowtide.limits import believable_ratio
from lowtide.meters.errors import MalformedAnswerError, SourceError
from lowtide.meters.exchange import fetch

_WHOLE_SECONDS: Final = 2.0
"""For the whole exchange."""
_PAGE_MAX_BYTES: Final = 16 << 20
_FAILURES_MAX: Final = 3
_PAUSE_SECONDS: Final = 60.0
_FIELDS: Final = (
    ("DCGM_FI_PROF_SM_ACTIVE", "DCGM_FI_PROF_SM_UTIL_RATIO"),
    ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO"),
)
"""Best first: SM activity is off by default, graphics engine activity is on."""

InstanceKey = tuple[str, int]


class DcgmPage:
    """The metrics page of a dcgm-exporter."""

    def __init__(self, url: str) -> None:
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise SourceError(f"DCGM: {url!r} is not an http address")
        self._url = url
        self._failures = 0
        self._retry_at = 0.0

    def read(self, monotonic_seconds: float) -> dict[InstanceKey, float]:
        """Return the activity (0 to 1) by GPU UUID and GPU instance id.

        Raises:
            SourceError: the page does not come, or is not a metrics page.
        """
        if monotonic_seconds < self._retry_at:
            raise SourceError("DCGM: left alone after repeated failures")
        try:
            page = fetch(self._url, seconds=_WHOLE_SECONDS, bytes_max=_PAGE_MAX_BYTES)
            activity = parse_activity(page.decode())
        except (SourceError, UnicodeDecodeError) as error:
            self._failures += 1
            if self._failures >= _FAILURES_MAX:
                self._retry_at = monotonic_seconds + _PAUSE_SECONDS
            raise SourceError(f"DCGM: {error}") from None
        self._failures = 0
        return activity


def parse_activity(page: str) -> dict[InstanceKey, float]:
    """Return the activity of every MIG instance on a metrics page, best field first.

    Raises:
        MalformedAnswerError: the text is not a metrics page.
    """
    found: dict[str, dict[InstanceKey, float]] = {}
    try:
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                instance = sample.labels.get("GPU_I_ID", "")
                uuid = sample.labels.get("UUID", "")
                ratio = believable_ratio(sample.value)
                is_known = sample.name.startswith("DCGM_FI_PROF_") and ratio is not None
                if is_known and instance.isdigit() and uuid and ratio is not None:
                    found.setdefault(sample.name, {})[uuid, int(instance)] = ratio
    except (ValueError, KeyError, IndexError) as error:
        raise MalformedAnswerError(f"DCGM: not a metrics page: {error}") from None
    activity: dict[InstanceKey, float] = {}
    for spellings in reversed(_FIELDS):
        for name in spellings:
            activity |= found.get(name, {})
    return activity
