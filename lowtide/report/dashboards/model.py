"""Dashboard as data: panels with queries, units and a size, independent of what draws them.

Queries may use the variables `$namespace` and `$trainingjob`, and `$__rate_interval` and
`$__range` with the meaning they have in Grafana. A panel's width is of 24 columns; panels flow from
left to right and rows take the height of their first panel.
"""

from dataclasses import dataclass, field
from enum import StrEnum

COLUMNS = 24


class PanelKind(StrEnum):
    """How a panel shows its series."""

    STAT = "stat"
    TIMESERIES = "timeseries"
    STACKED = "stacked"
    BARS = "bars"
    TABLE = "table"


class PanelUnit(StrEnum):
    """Base unit of a panel's values; drawing scales them for people."""

    JOULES = "joules"
    WATTS = "watts"
    GRAMS = "grams"
    GRAMS_PER_KWH = "g/kWh"
    SECONDS = "seconds"
    RATIO = "ratio"
    COUNT = "count"
    PER_SECOND = "per second"
    TIME = "Unix time"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression and the name of its series (`{{label}}` is replaced)."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One picture of a dashboard."""

    title: str
    """Heading."""
    description: str
    """One or two sentences: what the values mean."""
    kind: PanelKind
    """How the series are shown."""
    unit: PanelUnit
    """Base unit of all values."""
    queries: tuple[Query, ...]
    """Queries whose series it shows."""
    width: int = 12
    """Width in columns of 24."""
    height: int = 8
    """Height in Grafana's rows."""
    links_to_job: bool = False
    """Whether its series carry namespace and trainingjob, and lead to the page of the job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """One page that answers one question."""

    uid: str
    title: str
    question: str
    panels: tuple[Panel, ...]
    variables: tuple[str, ...] = field(default=())
    """Variables that the reader sets: `namespace`, `trainingjob`."""


def stat(title: str, description: str, unit: PanelUnit, *queries: Query, width: int = 4) -> Panel:
    """Return one big figure."""
    return Panel(
        title=title,
        description=description,
        kind=PanelKind.STAT,
        unit=unit,
        queries=queries,
        width=width,
        height=4,
    )


def placed(panels: tuple[Panel, ...]) -> list[tuple[Panel, int, int]]:
    """Return each panel with its left column and top row, without overlap."""
    found, left, top, row_height = [], 0, 0, 0
    for panel in panels:
        if left + panel.width > COLUMNS:
            left, top, row_height = 0, top + row_height, 0
        found.append((panel, left, top))
        left, row_height = left + panel.width, max(row_height, panel.height)
    return found
