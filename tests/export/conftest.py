"""A finished job of two attempts whose figures are easy to follow by hand."""

from datetime import UTC, datetime

import pytest

from lowtide.export.figures import Occasion, RunPeriod
from lowtide.metrics.job_figures import EnergyShare, JobFigures

CREATED = datetime(2026, 12, 2, 8, 30, tzinfo=UTC)


@pytest.fixture
def job() -> JobFigures:
    """Return 2 kWh in two hours: 600 g of operation, 100 g of hardware."""
    return JobFigures(
        name="densenet121",
        model="DenseNet-121",
        dataset="digits",
        environment="H200 x8",
        accuracy=0.861,
        energy_joules=7.2e6,
        duration_seconds=7200.0,
        operational_grams=600.0,
        embodied_grams=100.0,
        sci_grams_per_unit=700.0,
        functional_unit="TrainingJob",
        functional_units=1.0,
        avoided_grams=-50.0,
        energy_kind="Measured",
        boundary=("cpu", "gpu"),
        qualities=("counter",),
        signal="Average",
        zone="DE",
        coverage_ratio=1.0,
        uid="25c78b6d-0f1e-4d5c-8a5e-0c1b2a3d4e5f",
        started_at="2026-12-01T01:30:00Z",
        finished_at="2026-12-01T05:00:00Z",
        shares=(
            EnergyShare(component="gpu", part="active", method="exclusive", quality="counter",
                        energy_joules=5.4e6),
            EnergyShare(component="cpu", part="active", method="share", quality="counter",
                        energy_joules=1.8e6),
        ),
    )  # fmt: skip


@pytest.fixture
def occasion() -> Occasion:
    """Return an export of the day after, with the job's two attempts of an hour each."""
    return Occasion(
        created=CREATED,
        training_type="fine-tuning",
        attempts=(
            RunPeriod(
                start=datetime(2026, 12, 1, 1, 30, tzinfo=UTC),
                end=datetime(2026, 12, 1, 2, 30, tzinfo=UTC),
                energy_joules=3.6e6,
                operational_grams=400.0,
            ),
            RunPeriod(
                start=datetime(2026, 12, 1, 4, 0, tzinfo=UTC),
                end=datetime(2026, 12, 1, 5, 0, tzinfo=UTC),
                energy_joules=3.6e6,
                operational_grams=200.0,
            ),
        ),
    )
