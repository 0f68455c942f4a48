"""Terminal view of a scene: the intensity curve, the planned periods, a table of jobs.

Colour is decoration: state is a word, a planned period a bar, the present an arrow. The width is an
argument.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lowtide.grid.series import Factor, IntensitySeries
from lowtide.report.curve import chart_rows, column_times, marks, present_mark, sampled, size_marks
from lowtide.report.live import LiveJob, LiveScene
from lowtide.units import format_duration, format_energy

CURVE_HEIGHT = 4
LABEL_WIDTH = 13
STATE_STYLES = {
    "Running": "bold cyan",
    "Complete": "green",
    "CompletedLate": "yellow",
    "Failed": "bold red",
}
WIDTH_NEEDED = {
    "PROGRESS": 50,
    "ACCURACY": 62,
    "POWER": 72,
    "ENERGY": 86,
    "AVOIDED": 98,
    "FINISH": 116,
    "REPLICAS": 128,
    "PREDICTED": 150,
}
"""Width in columns below which a column is left out."""
DASH = "–"


def draw(scene: LiveScene, *, width: int) -> RenderableType:
    """Return the scene for rich to print, at most `width` columns wide."""
    parts: list[RenderableType] = [_headline(scene), Text()]
    parts += [*_timeline(scene, width=width), Text()]
    parts.append(job_table(scene, width=width))
    parts += [Text(f"{job.name}: {job.reason}", style="dim") for job in scene.jobs if job.reason]
    if scene.note:
        parts += [Text(), Text(scene.note, style="dim italic")]
    return Group(*parts)


def _headline(scene: LiveScene) -> Text:
    clock = scene.now.astimezone().strftime("%H:%M:%S")
    if scene.curve is None:
        return Text(clock, style="bold")
    value = scene.intensity_grams_per_kwh
    intensity = "not known" if value is None else f"{value:.0f} g/kWh"
    zone, kind = scene.curve.zone, f"{scene.curve.signal.lower()} intensity"
    if scene.curve.factor is not Factor.UNKNOWN:
        kind += f", {scene.curve.factor} emissions"
    return Text.assemble((f"{clock}  {zone} {intensity}", "bold"), f"  {kind}")


def _timeline(scene: LiveScene, *, width: int) -> list[Text]:
    """Return the curve if there is one, a bar per job, the present and the time axis."""
    columns = max(20, min(96, width - LABEL_WIDTH - 2))
    times = column_times(*scene.window, columns=columns)
    lines = [] if scene.curve is None else _curve(scene.curve, times, scene.now)
    for job in scene.jobs:
        if bar := _bar(times, job).rstrip():
            label = job.name if len(job.name) <= LABEL_WIDTH else f"{job.name[: LABEL_WIDTH - 1]}…"
            lines.append(Text.assemble(f"{label:>{LABEL_WIDTH}}  ", (bar, "cyan")))
    lines.append(Text(f"{'now':>{LABEL_WIDTH}}  {present_mark(times, scene.now)}"))
    lines.append(Text(" " * (LABEL_WIDTH + 2) + _time_axis(scene.window, columns)))
    return lines


def _bar(times: Sequence[datetime], job: LiveJob) -> str:
    """Return the line of a job's periods; of an elastic one it is made of its replicas."""
    if not any(job.sizes):
        return marks(times, job.planned)
    sized = zip(job.planned, job.sizes, strict=True)
    return size_marks(times, [(start, end, size) for (start, end), size in sized])


def _curve(series: IntensitySeries, times: Sequence[datetime], now: datetime) -> list[Text]:
    """Return the rows of the curve with their scale; the past is grey."""
    values = sampled(series, times)
    top = max((value for value in values if value is not None), default=0.0)
    lines = []
    for row, blocks in enumerate(chart_rows(values, height=CURVE_HEIGHT)):
        label = f"{top:.0f} g/kWh" if row == 0 else ("0" if row == CURVE_HEIGHT - 1 else "")
        line = Text(f"{label:>{LABEL_WIDTH}} ┤")
        for moment, block in zip(times, blocks, strict=True):
            line.append(block, style="bright_black" if moment < now else "green")
        lines.append(line)
    return lines


def _time_axis(window: tuple[datetime, datetime], columns: int) -> str:
    """Return the local times of both ends and, if there is room, of the middle."""
    start, end = window
    hours = (end - start).total_seconds() / 3600
    form = "%H:%M:%S" if hours < 1 else ("%H:%M" if hours < 24 else "%m-%d %H:%M")
    left, middle, right = (
        moment.astimezone().strftime(form) for moment in (start, start + (end - start) / 2, end)
    )
    if columns < 3 * len(left) + 4:
        return f"{left}{right:>{columns - len(left)}}"
    inner = columns - len(left) - len(right)
    return f"{left}{middle:^{inner}}{right}"


def job_table(scene: LiveScene, *, width: int, namespaces: bool = False) -> Table:
    """Return one line per job; a narrow terminal gets fewer columns, not shorter words."""
    columns: dict[str, Callable[[LiveJob], RenderableType]] = {
        "NAME": lambda job: job.name,
        "STATE": lambda job: Text(job.state, style=STATE_STYLES.get(job.state, "")),
        "START": lambda job: _start_text(job, scene.now),
        "PROGRESS": _progress,
        "ACCURACY": lambda job: _optional(job.reading.accuracy_ratio, "{:.3f}"),
        "POWER": lambda job: _optional(None if job.ended else job.reading.power_watts, "{:.0f} W"),
        "ENERGY": lambda job: job.energy_text or _energy_so_far(job),
        "AVOIDED": lambda job: job.avoided_text,
        "FINISH": lambda job: job.finish_text or DASH,
        "REPLICAS": lambda job: job.replicas_text or DASH,
        "PREDICTED": lambda job: job.predicted_text or DASH,
    }
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    if namespaces:
        columns = {"NAMESPACE": lambda job: job.namespace, **columns}
    if not any(job.replicas_text for job in scene.jobs):
        del columns["REPLICAS"]
    shown = [title for title in columns if width >= WIDTH_NEEDED.get(title, 0)]
    for title in shown:
        table.add_column(title, no_wrap=True)
    for job in scene.jobs:
        table.add_row(*(columns[title](job) for title in shown))
    return table


def _start_text(job: LiveJob, now: datetime) -> str:
    """Return the time of a past start, or the wait until a future one."""
    if job.start is None:
        return DASH
    if job.started or job.start <= now:
        return job.start.astimezone().strftime("%H:%M:%S")
    return f"in {format_duration((job.start - now).total_seconds())}"


def _progress(job: LiveJob) -> RenderableType:
    done, planned = job.reading.epochs, job.reading.epochs_planned
    if done is None:
        return DASH
    if not planned:
        return f"epoch {done:.0f}"
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row(ProgressBar(total=planned, completed=done, width=10), f"{done:.0f}/{planned:.0f}")
    return grid


def _energy_so_far(job: LiveJob) -> str:
    joules = job.reading.energy_joules
    if joules is None:
        return DASH
    # In its first moments a job has used thousandths of a joule, which mean nothing.
    return f"{format_energy(joules) if joules >= 1 else 'under 1 J'} so far"


def _optional(value: float | None, form: str) -> str:
    return DASH if value is None else form.format(value)
