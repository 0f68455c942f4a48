"""Days of a grid that `lowtide run` replays, and the program."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

LOWTIDE = [str(Path(sys.executable).with_name("lowtide"))]
DAY = datetime(2026, 11, 1, tzinfo=UTC)


def write_trace(path: Path, grams: list[float]) -> Path:
    """Write an hourly trace whose forecast is right, with two weeks of history before it."""
    rows = ["time,g_per_kwh,forecast_g_per_kwh"]
    rows += [
        f"{(DAY + timedelta(hours=hour)).isoformat()},{value},{value}"
        for hour, value in enumerate(grams, start=-336)
    ]
    path.write_text("\n".join(rows) + "\n")
    return path


def replay(tmp_path: Path, grams: list[float], speed: float) -> list[str]:
    """Return the options that replay these hours, so many times as fast."""
    trace = write_trace(tmp_path / "XX.csv", [300.0] * 336 + grams)
    return ["--trace", str(trace), "--trace-start", DAY.isoformat(), "--speed", f"{speed:g}"]
