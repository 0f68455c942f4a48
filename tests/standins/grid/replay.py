"""A trace, and how its slots map to wall time. Standard library only, like the whole stand-in."""

import csv
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True)
class Slot:
    """One row of the trace: measured and forecast g/kWh, None where the cell is empty."""

    start: datetime
    actual: float | None
    forecast: float | None


class Replay:
    """Maps wall time to slots: slot `first` of the trace happens at `epoch` seconds."""

    def __init__(self, slots: list[Slot], first: int, epoch: float, slot_seconds: float) -> None:
        self.slots = slots
        self.first = first
        self.epoch = epoch
        self.slot_seconds = slot_seconds

    def current(self, now: float) -> int:
        """Return the index of the slot that contains `now`."""
        return self.first + int((now - self.epoch) // self.slot_seconds)

    def index_at(self, moment: datetime) -> int:
        """Return the index of the slot that contains `moment`, which may be out of range."""
        return self.current(moment.timestamp())

    def begins(self, index: int) -> datetime:
        """Return the wall time at which a slot begins."""
        seconds = self.epoch + (index - self.first) * self.slot_seconds
        return datetime.fromtimestamp(seconds, UTC)

    def range(self, low: int, high: int) -> list[int]:
        """Return the indices in `[low, high)` that the trace has."""
        return list(range(max(low, 0), min(high, len(self.slots))))


def read_slots(path: Path) -> list[Slot]:
    """Return the rows of a CSV with time, a g_per_kwh column and perhaps a forecast column."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = rows[0].keys() if rows else ()
    actual = next((c for c in columns if c in ("g_per_kwh", "actual_g_per_kwh")), None)
    forecast = next((c for c in columns if "forecast" in c), None)
    if actual is None:
        raise SystemExit(f"{path}: no rows, or no column g_per_kwh or actual_g_per_kwh")

    def number(row: dict[str, str], column: str | None) -> float | None:
        return float(row[column]) if column and row[column].strip() else None

    return [
        Slot(parse_time(row["time"]), number(row, actual), number(row, forecast)) for row in rows
    ]


def parse_time(text: str) -> datetime:
    """Return an aware time; one without offset is UTC, as in the public traces."""
    moment = datetime.fromisoformat(text.strip().replace(" ", "+"))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def timestamp(moment: datetime) -> str:
    """Return a time as the services write it: milliseconds and Z."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
