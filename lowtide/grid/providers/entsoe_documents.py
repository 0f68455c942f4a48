"""ENTSO-E's XML: quantities in MW per hour, by production type.

Guide: https://documenter.getpostman.com/view/7009892/2s93JtP3F6 (GL_MarketDocument). A point's
position may be left out where its value repeats the one before it (curve type A03); in other
curves a missing position is missing. Quarter-hours become hours by their mean, and only where all
four are known. Documents with a DOCTYPE are refused, so no entity is ever expanded.
"""

import re
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from lowtide.grid.errors import BadAnswer, NoData
from lowtide.grid.providers.answers import parse_time
from lowtide.grid.refusals import in_one_line

HOUR: Final = timedelta(hours=1)
STEPS: Final[Mapping[str, timedelta]] = {
    "PT15M": timedelta(minutes=15),
    "PT30M": timedelta(minutes=30),
    "PT60M": HOUR,
    "PT1H": HOUR,
}
POSITIONS_MAX: Final = 40_000
MEGAWATTS_MAX: Final = 1e7
REPEATING_CURVE: Final = "A03"
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

    A negative quantity (a plant's own use) or one that is no number is missing, for itself alone.

    Raises:
        NoData: the service acknowledges that it has nothing, with its reason.
        BadAnswer: it is no such document, or a position or time in it is none.
    """
    if b"<!DOCTYPE" in body:
        raise BadAnswer(f"ENTSO-E sent a document type declaration for zone {zone}")
    try:
        root = ET.fromstring(body)
    except ET.ParseError:
        raise BadAnswer(f"ENTSO-E answered zone {zone} with something that is not XML") from None
    kind = _tag(root)
    if kind == "Acknowledgement_MarketDocument":
        code = root.findtext("{*}Reason/{*}code", default="?")
        reason = in_one_line(root.findtext("{*}Reason/{*}text", default=""))
        raise NoData(
            f"ENTSO-E has no data for zone {zone} at this time (reason {code[:8]}"
            f"{': ' if reason else ''}{reason})"
        )
    if kind != "GL_MarketDocument":
        raise BadAnswer(f"ENTSO-E answered zone {zone} with a document of kind {kind[:40]!r}")
    found: dict[str, dict[datetime, list[float]]] = defaultdict(lambda: defaultdict(list))
    steps: dict[str, timedelta] = {}
    for series in root.iterfind("{*}TimeSeries"):
        consumes = series.find("{*}outBiddingZone_Domain.mRID") is not None
        kind = series.findtext("{*}MktPSRType/{*}psrType", default=NO_TYPE)
        if consumes and kind != NO_TYPE:
            continue
        for start, step, value in _values(series):
            steps[kind] = step
            hour = start.replace(minute=0, second=0, microsecond=0)
            found[kind][hour].append(value)
    created = root.findtext("{*}createdDateTime")
    return Document(
        created_at=None if created is None else parse_time(created, source="ENTSO-E"),
        megawatts={kind: _hourly(hours, steps[kind]) for kind, hours in found.items()},
    )


def _hourly(quantities: Mapping[datetime, list[float]], step: timedelta) -> MegawattsByHour:
    """Return hourly means; an hour with too few or doubled values is left out."""
    return {
        hour: sum(values) / len(values)
        for hour, values in quantities.items()
        if len(values) == HOUR // step
    }


def _values(series: ET.Element) -> Iterator[tuple[datetime, timedelta, float]]:
    repeats = series.findtext("{*}curveType") == REPEATING_CURVE
    for period in series.iterfind("{*}Period"):
        resolution = period.findtext("{*}resolution", default="")
        step = STEPS.get(resolution)
        if step is None:
            raise BadAnswer(f"ENTSO-E sent a resolution of {resolution[:20]!r}")
        start = _moment(period.findtext("{*}timeInterval/{*}start"))
        end = _moment(period.findtext("{*}timeInterval/{*}end"))
        points = dict(_point(point) for point in period.iterfind("{*}Point"))
        count = (end - start) // step
        if not 0 < count <= POSITIONS_MAX:
            raise BadAnswer("ENTSO-E sent a period of impossible length")
        value: float | None = None
        for position in range(1, count + 1):
            # A missing value is repeated like any other: what it stood for is not known.
            value = points.get(position, value if repeats else None)
            if value is not None:
                yield start + (position - 1) * step, step, value


def _point(point: ET.Element) -> tuple[int, float | None]:
    """Return position and quantity; `None` where it is no number, negative or impossible."""
    try:
        position = int(point.findtext("{*}position", default=""))
    except ValueError:
        raise BadAnswer("ENTSO-E sent a point whose position is no number") from None
    try:
        quantity = float(point.findtext("{*}quantity", default=""))
    except ValueError:
        return position, None
    return position, quantity if 0 <= quantity < MEGAWATTS_MAX else None


def _moment(text: str | None) -> datetime:
    """Return a time such as `2026-03-01T23:00Z`."""
    return parse_time(text, source="ENTSO-E")


def _tag(element: ET.Element) -> str:
    return re.sub(r"^\{.*\}", "", element.tag)
