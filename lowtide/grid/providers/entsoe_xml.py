"""ENTSO-E's XML: documents of time series with periods, positions and values.

Guide: https://documenter.getpostman.com/view/7009892/2s93JtP3F6. A point's position may be left out
where its value repeats the one before it (curve type A03); in other curves a missing position is
missing. Documents with a DOCTYPE are refused, so no entity is ever expanded.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
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
REPEATING_CURVE: Final = "A03"


def open_document(body: bytes, *, zone: str, kind: str) -> ET.Element:
    """Return the root of a document of the wanted kind.

    Raises:
        NoData: the service acknowledges that it has nothing, with its reason.
        BadAnswer: it is another document, or not XML.
    """
    if b"<!DOCTYPE" in body:
        raise BadAnswer(f"ENTSO-E sent a document type declaration for zone {zone}")
    try:
        root = ET.fromstring(body)
    except ET.ParseError:
        raise BadAnswer(f"ENTSO-E answered zone {zone} with something that is not XML") from None
    found = re.sub(r"^\{.*\}", "", root.tag)
    if found == "Acknowledgement_MarketDocument":
        code = root.findtext("{*}Reason/{*}code", default="?")
        reason = in_one_line(root.findtext("{*}Reason/{*}text", default=""))
        raise NoData(
            f"ENTSO-E has no data for zone {zone} at this time (reason {code[:8]}"
            f"{': ' if reason else ''}{reason})"
        )
    if found != kind:
        raise BadAnswer(f"ENTSO-E answered zone {zone} with a document of kind {found[:40]!r}")
    return root


def slot_values(
    series: ET.Element, label: str, usable: Callable[[float], bool]
) -> Iterator[tuple[datetime, timedelta, float]]:
    """Yield start, length and value of every slot of a series whose value is known.

    `label` is the element of the value. A value that is not a number, or not `usable`, is missing
    and the others count; in a curve that repeats values it is repeated as missing.

    Raises:
        BadAnswer: a resolution, a time or a position is malformed, or a period impossibly long.
    """
    repeats = series.findtext("{*}curveType") == REPEATING_CURVE
    for period in series.iterfind("{*}Period"):
        resolution = period.findtext("{*}resolution", default="")
        step = STEPS.get(resolution)
        if step is None:
            raise BadAnswer(f"ENTSO-E sent a resolution of {resolution[:20]!r}")
        start = parse_time(period.findtext("{*}timeInterval/{*}start"), source="ENTSO-E")
        end = parse_time(period.findtext("{*}timeInterval/{*}end"), source="ENTSO-E")
        points = dict(_point(point, label, usable) for point in period.iterfind("{*}Point"))
        count = (end - start) // step
        if not 0 < count <= POSITIONS_MAX:
            raise BadAnswer("ENTSO-E sent a period of impossible length")
        value: float | None = None
        for position in range(1, count + 1):
            value = points.get(position, value if repeats else None)
            if value is not None:
                yield start + (position - 1) * step, step, value


def _point(
    point: ET.Element, label: str, usable: Callable[[float], bool]
) -> tuple[int, float | None]:
    try:
        position = int(point.findtext("{*}position", default=""))
    except ValueError:
        raise BadAnswer("ENTSO-E sent a point whose position is not a number") from None
    try:
        value = float(point.findtext(f"{{*}}{label}", default=""))
    except ValueError:
        return position, None
    return position, value if usable(value) else None
