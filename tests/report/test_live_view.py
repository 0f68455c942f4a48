"""The live view: its reading of a TrainingJob, and the picture that a person sees."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from lowtide.grid.series import AverageSeries, Point
from lowtide.report.curve import chart_rows, column_times, marks, present_mark
from lowtide.report.live import LiveJob, LiveReading, LiveScene, changes, live_job
from lowtide.report.live_view import draw

NOW = datetime(2026, 12, 1, 2, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def manifest(status: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a TrainingJob as `kubectl get -o json` prints it."""
    return {
        "kind": "TrainingJob",
        "metadata": {"name": "densenet121", "namespace": "team"},
        "spec": {"template": {}},
        "status": status or {},
    }


def condition(name: str, status: str, reason: str = "Reason", message: str = "") -> dict[str, str]:
    """Return one condition."""
    return {"type": name, "status": status, "reason": reason, "message": message}


WAITING = {
    "display": {"state": "Waiting", "avoided": "~0.6 g 40 %"},
    "plan": {
        "start": "2026-12-01T04:00:00Z",
        "segments": [{"start": "2026-12-01T04:00:00Z", "end": "2026-12-01T06:00:00Z"}],
        "explanation": "waits until 04:00 because that saves 40 % (forecast: file (DE.csv), issued "
        "at 02:00; would change with a newer forecast)",
    },
}


def scene(*jobs: LiveJob, now: datetime = NOW) -> LiveScene:
    """Return a scene of eight hours: 300 g/kWh, then 100 g/kWh from 04:00 to 06:00."""
    values = [300.0, 300.0, 300.0, 300.0, 100.0, 100.0, None, 300.0]
    midnight = NOW - 2 * HOUR
    points = tuple(
        Point(midnight + i * HOUR, midnight + (i + 1) * HOUR, value)
        for i, value in enumerate(values)
    )
    return LiveScene(
        now=now,
        jobs=jobs,
        curve=AverageSeries(zone="DE", source="file", points=points),
        window=(midnight, midnight + 8 * HOUR),
        note="replayed",
    )


def drawn(scene: LiveScene, width: int = 100) -> str:
    """Return the scene as text without colours."""
    console = Console(width=width, no_color=True, force_terminal=False)
    with console.capture() as capture:
        console.print(draw(scene, width=width))
    return capture.get()


def test_half_as_much_is_half_as_high() -> None:
    """The scale begins at zero: 100 of 200 fills two of four rows."""
    assert chart_rows([200.0, 100.0], height=4) == ("█ ", "█ ", "██", "██")


def test_unknown_intensity_is_a_gap_and_zero_is_not() -> None:
    """A missing value must never look like a clean hour."""
    assert chart_rows([None, 0.0, 80.0], height=1) == (" ▁█",)


def test_bar_covers_exactly_the_columns_of_its_span() -> None:
    """Eight columns of one hour; the span covers the fifth and the sixth."""
    times = column_times(NOW, NOW + 8 * HOUR, columns=8)

    assert marks(times, [(NOW + 4 * HOUR, NOW + 6 * HOUR)]) == "    ██  "


@pytest.mark.parametrize(
    ("hours", "line"),
    [pytest.param(0.2, "▲", id="first"), pytest.param(7.9, " " * 7 + "▲", id="last")],
)
def test_present_is_one_arrow(hours: float, line: str) -> None:
    """The arrow stands below the column that contains the present."""
    times = column_times(NOW, NOW + 8 * HOUR, columns=8)

    assert present_mark(times, NOW + hours * HOUR) == line


def test_waiting_job_shows_its_planned_start_and_why() -> None:
    """Before the start, the plan's sentence is the reason, without what it rests on."""
    job = live_job(manifest(WAITING))

    assert (job.state, job.started, job.ended) == ("Waiting", False, False)
    assert job.start == NOW + 2 * HOUR
    assert job.planned == ((NOW + 2 * HOUR, NOW + 4 * HOUR),)
    assert job.reason == "waits until 04:00 because that saves 40 %"


def test_invalid_job_shows_what_is_wrong() -> None:
    """The message of Valid=False is what a person needs first."""
    status = WAITING | {"conditions": [condition("Valid", "False", message="no such zone: XX")]}

    assert live_job(manifest(status)).reason == "no such zone: XX"


@pytest.mark.parametrize(
    ("measured", "settled"),
    [
        pytest.param(("Unknown", "NotMeasuredYet"), False, id="not looked at"),
        pytest.param(("False", "Settling"), False, id="samples awaited"),
        pytest.param(("False", "NoExporter"), True, id="never to come"),
        pytest.param(("True", "Measured"), True, id="measured"),
    ],
)
def test_job_is_settled_when_no_figure_is_awaited(measured: tuple[str, str], settled: bool) -> None:
    """A finished job is looked at until its energy is there or known not to come."""
    status = {"conditions": [condition("Complete", "True"), condition("Measured", *measured)]}

    assert live_job(manifest(status)).settled is settled


def test_unknown_fields_and_broken_times_are_passed_over() -> None:
    """An operator of another version must not end the view."""
    status = {"plan": {"start": "soon", "segments": [{"start": 5}]}, "novelty": {"a": 1}}

    job = live_job(manifest(status))

    assert job.start is None
    assert job.planned == ()


def test_report_of_the_trainer_wins_over_the_last_scrape() -> None:
    """The final report is complete; the last scrape may be one epoch behind."""
    status = {"training": {"epochs": 3, "epochsPlanned": 3, "accuracy": "0.91"}}

    reading = live_job(manifest(status), LiveReading(epochs=2.0, accuracy_ratio=0.8)).reading

    assert (reading.epochs, reading.accuracy_ratio) == (3.0, 0.91)


def test_screen_shows_curve_plan_and_present() -> None:
    """One look tells the intensity now, when the job will run, and how long until then."""
    text = drawn(scene(live_job(manifest(WAITING))))

    assert "DE 300 g/kWh" in text
    assert "in 2 h" in text
    assert "densenet121  " in text
    assert "waits until 04:00" in text
    assert "▲" in text
    assert "replayed" in text


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """A narrow terminal gets a narrow picture."""
    text = drawn(scene(live_job(manifest(WAITING))), width)

    assert max(len(line.rstrip()) for line in text.splitlines()) <= width


def test_plain_output_says_each_thing_once() -> None:
    """Without a terminal a line appears when something changed, and only then."""
    waiting = scene(live_job(manifest(WAITING)))
    running = scene(
        live_job(
            manifest({"display": {"state": "Running"}}),
            LiveReading(epochs=1.0, epochs_planned=3.0, accuracy_ratio=0.5, power_watts=81.4),
        )
    )

    assert changes(None, waiting) == [
        "densenet121: Waiting, waits until 04:00 because that saves 40 %"
    ]
    assert changes(waiting, waiting) == []
    assert changes(waiting, running) == [
        "densenet121: Running",
        "densenet121: epoch 1 of 3, accuracy 0.500, 81 W",
    ]


@pytest.mark.parametrize(
    ("joules", "text"),
    [
        pytest.param(0.001, "under 1 J so far", id="the first moment"),
        pytest.param(0.0, "under 1 J so far", id="nothing counted yet"),
        pytest.param(2.5, "2.50 J so far", id="a moment later"),
        pytest.param(7200.0, "2.00 Wh so far", id="minutes later"),
    ],
)
def test_energy_so_far_is_a_figure_for_people(joules: float, text: str) -> None:
    """A thousandth of a joule in a job's first second tells a reader nothing."""
    job = replace(live_job(manifest()), reading=LiveReading(energy_joules=joules))

    assert text in drawn(scene(job), width=140)


SIZED = {
    "display": {"state": "Running", "replicas": "4 (2 to 4)"},
    "attempts": [
        {"start": "2026-12-01T00:00:00Z", "end": "2026-12-01T02:00:00Z", "replicas": 2},
        {"start": "2026-12-01T04:00:00Z", "end": "2026-12-01T06:00:00Z", "replicas": 12},
    ],
}


def test_the_bar_of_an_elastic_job_is_made_of_its_replicas() -> None:
    """Two for two hours, then `+` for ten and more; the table has a column for them."""
    lines = drawn(scene(live_job(manifest(SIZED))), width=140).splitlines()
    bar = next(line for line in lines if line.strip().startswith("densenet121"))

    assert set(bar.replace("densenet121", "")) == {" ", "2", "+"}
    (header,) = (line for line in lines if line.startswith("NAME"))
    assert "REPLICAS" in header
    assert any("4 (2 to 4)" in line for line in lines)


def test_without_an_elastic_job_there_is_no_column_of_replicas() -> None:
    assert "REPLICAS" not in drawn(scene(live_job(manifest(WAITING))), width=160)
