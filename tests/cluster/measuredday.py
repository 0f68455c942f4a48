"""One day on an installed chart, lived through once for all tests that look at it afterwards.

A training of the demo waits for the clean window, runs and is measured, while another job waits.
Whatever a look at the job needs is read here, when it is measured, so that no later test changes
what another one sees.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from clients import Kubectl
from demonstration import day, stage
from demonstration.pace import Pace, measured_pace
from measured import Installed, query, truth_of
from singlenode import images
from sleepers import await_, sleeper

NAME = "inceptionv3"
WAITING = "waits"
PUE = "1.25"
"""Overhead that the training states of its data centre."""


@dataclass(frozen=True, slots=True)
class MeasuredDay:
    """One TrainingJob that was measured, and what stood beside it."""

    job: dict[str, Any]
    story: list[str]
    row: str
    truth_joules: float
    residuals_joules: list[float]
    slot_seconds: int
    """One hour of the replayed day."""
    since: datetime
    until: datetime
    """When the job was applied, and when everything about it was scraped."""

    @property
    def status(self) -> dict[str, Any]:
        """Its status."""
        return dict(self.job["status"])


def live_through(installed: Installed, kubectl: Kubectl) -> MeasuredDay:
    """Let one job train and another wait; return when everything about them was scraped."""
    on = installed.on
    pace = measured_pace(on.python.parent / "lowtide-trainer")
    day.begin(on.layout, on.python, slot_seconds=pace.slot_seconds)
    day.await_forecast()
    since = datetime.now(UTC)
    on.apply(
        training(installed.built["trainer"], pace),
        sleeper(WAITING, installed.built["base"].reference, wait=True),
    )
    inside = kubectl.within(stage.NAMESPACE)
    limit = math.ceil(2 * pace.limit_seconds)
    inside(
        "wait", "--for=condition=Measured", f"trainingjob/{NAME}",
        f"--timeout={limit}s", timeout=limit + 30,
    )  # fmt: skip
    figure = f'lowtide_trainingjob_sci_grams_per_unit{{trainingjob="{NAME}"}}'
    await_(lambda: bool(query(figure)), "its figures are scraped")
    until = datetime.now(UTC)
    job = inside.json("get", "trainingjob", NAME)
    about = f"regarding.kind=TrainingJob,regarding.name={NAME}"
    events = inside.json("get", "events.events.k8s.io", "--field-selector", about)["items"]
    return MeasuredDay(
        job=job,
        story=[event["reason"] for event in sorted(events, key=lambda event: event["eventTime"])],
        row=inside("get", "tj", NAME, "--no-headers"),
        truth_joules=truth_of(job, installed.truth),
        residuals_joules=[
            float(sample["value"][1]) for sample in query("lowtide_attribution_residual_joules")
        ],
        slot_seconds=pace.slot_seconds,
        since=since,
        until=until,
    )


def training(trainer: images.Image, pace: Pace) -> dict[str, Any]:
    """Return the shipped example, shortened to about a minute of training."""
    job = stage.demo_job(NAME, trainer, datetime.now(UTC), pace)
    job["spec"].setdefault("grid", {})["pue"] = PUE
    container = job["spec"]["template"]["spec"]["template"]["spec"]["containers"][0]
    samples = container["args"].index("--samples") + 1
    container["args"][samples] = "384"
    return job
