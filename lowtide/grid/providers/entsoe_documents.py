"""ENTSO-E's generation and load: quantities in MW per hour, by production type.

Quarter-hours become hours by their mean, and only where all four are known.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from lowtide.grid.providers.answers import parse_time
from lowtide.grid.providers.entsoe_xml import HOUR, open_document, slot_values

MEGAWATTS_MAX: Final = 1e7
NO_TYPE: Final = ""
"""Production type of a series that has none, such as load."""

MegawattsByHour = Mapping[datetime, float]


@dataclass(frozen=True, slots=True)
class Document:
    """What one answer says: MW by production type and hour, and when it was made."""

    created_at: datetime | None
    megawatts: Mapping[str, MegawattsByHour]


def read_document(body: bytes, *, zone: str) -> Document:
    """Return the content of a GL_MarketDocument; consumption (pumped storage) is left out.

    A quantity that is negative (a plant's own use) or not a number is missing; the others count.

    Raises:
        NoData: the service acknowledges that it has nothing, with its reason.
        BadAnswer: it is another document, or a position or time in it is malformed.
    """
    root = open_document(body, zone=zone, kind="GL_MarketDocument")
    found: dict[str, dict[datetime, list[float]]] = defaultdict(lambda: defaultdict(list))
    steps: dict[str, timedelta] = {}
    for series in root.iterfind("{*}TimeSeries"):
        consumes = series.find("{*}outBiddingZone_Domain.mRID") is not None
        kind = series.findtext("{*}MktPSRType/{*}psrType", default=NO_TYPE)
        if consumes and kind != NO_TYPE:
            continue
        for start, step, value in slot_values(series, "quantity", _is_power):
            steps[kind] = step
            hour = start.replace(minute=0, second=0, microsecond=0)
            found[kind][hour].append(value)
    created = root.findtext("{*}createdDateTime")
    return Document(
        created_at=None if created is None else parse_time(created, source="ENTSO-E"),
        megawatts={kind: _hourly(hours, steps[kind]) for kind, hours in found.items()},
    )


def _hourly(quantities: Mapping[datetime, list[float]], step: timedelta) -> MegawattsByHour:
    """Return hourly means; an hour with too few or repeated values is left out."""
    return {
        hour: sum(values) / len(values)
        for hour, values in quantities.items()
        if len(values) == HOUR // step
    }


def _is_power(megawatts: float) -> bool:
    return 0 <= megawatts < MEGAWATTS_MAX
