"""`lowtide plan`, `lowtide backtest` and the operator plan the same elastic job alike."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from standins.elastic_jobs import Cluster, elastic_job
from standins.forecasts import exact_forecast

from lowtide.backtest.elastic import ElasticJobs, optimum
from lowtide.cli.elastic_options import Efficiency
from lowtide.cli.elastic_options import elastic_of as elastic_of_options
from lowtide.cli.main import main
from lowtide.grid.forecast import Forecast, Source
from lowtide.grid.series import Signal
from lowtide.planning import Request, plan
from lowtide.planning.elastic import Elastic
from lowtide.trainingjob.requests import elastic_of
from lowtide.units import parse_timestamp
from lowtide_operator.decision.observation import ForecastView
from lowtide_operator.settings import OperatorSettings

SHIPPED = Path(__file__).parents[2] / "examples" / "traces" / "DE.csv"
SECOND = timedelta(seconds=1)
NOW = datetime(2021, 8, 11, 6, tzinfo=UTC)
SETTINGS = OperatorSettings.model_validate(
    {
        "schedule": {
            "startLatencySeconds": 120,
            "marginSeconds": 300,
            "durationHighRatio": 1.2,
        }
    }
)
"""The command line's own latency, margin and guard."""


@pytest.mark.parametrize("base", [1, 2, 4])
@pytest.mark.parametrize("efficiency", [None, 0.7, 0.95])
def test_the_command_line_and_the_operator_make_the_same_plan(base, efficiency):
    """The same trace, the same job: the same stretches, sizes and words about the efficiency."""
    given = () if efficiency is None else ("--efficiency", efficiency)
    options = (
        "plan", "--zone", "DE", "--duration", "12h", "--slack", "8h", "--trace", SHIPPED,
        "--at", f"{NOW:%Y-%m-%dT%H:%M:%SZ}", "--restart-cost", "10m", "--elastic-min", "1",
        "--elastic-max", "4", "--elastic-base", base, *given, "--output", "json",
    )  # fmt: skip
    shown = json.loads(CliRunner().invoke(main, [str(one) for one in options]).stdout)
    job = replace(
        elastic_job(
            base=base,
            efficiency=efficiency,
            expectedDurationSeconds=12 * 3600,
            deadline="2021-08-12T02:00:00Z",
            interruption={"allowed": True, "restartCostSeconds": 600},
        ),
        created=NOW,
    )
    cluster = Cluster(job, view_of(shown["forecast"]), now=NOW, settings=SETTINGS)
    made = cluster.look_once().status.plan

    assert made is not None
    assert made.scaling is not None
    sizes = [part.replicas for part in made.segments]
    assert sizes == [part["replicas"] for part in shown["segments"]]
    for part, other in zip(made.segments, shown["segments"], strict=True):
        # A status rounds to whole seconds, the command line cuts.
        assert abs(part.start - parse_timestamp(other["start"])) <= SECOND
        assert abs(part.end - parse_timestamp(other["end"])) <= SECOND
    assert made.reason == shown["reason"]
    assert made.scaling.source == shown["scaling"]["source"]
    assert shown["scaling"]["source"] == ("Assumed" if efficiency is None else "Given")


def view_of(document):
    """Return the forecast that the command line printed."""
    forecast = Forecast(
        zone="DE",
        signal=Signal(document["signal"]),
        start=parse_timestamp(document["start"]),
        slot_seconds=document["slot_seconds"],
        grams_per_kwh=tuple(document["grams_per_kwh"]),
        spread_grams_per_kwh=tuple(document["spread_grams_per_kwh"]),
        sources=tuple(map(Source, document["sources"])),
        provider=document["provider"],
    )
    return ForecastView(forecast=forecast, zone="DE", status="True", reason="ForecastInUse")


@pytest.mark.parametrize("efficiency", [None, 0.7, 1.0])
def test_the_options_of_a_replay_describe_the_sizes_of_the_operator(efficiency):
    """Speeds, sure speeds, powers, base, guard and the cost of a change are the same."""
    spec = elastic_job(base=2, efficiency=efficiency).spec
    given = None if efficiency is None else Efficiency(efficiency, {})

    assert elastic_of_options(1, 4, 2, given, timedelta(seconds=300)) == elastic_of(spec, 2)


@pytest.mark.parametrize("seed", range(8))
def test_a_replay_that_knows_the_future_draws_what_a_plan_names_in_every_hour(seed):
    """Replica hours, without costs of restarts; the base keeps the deadline in both."""
    hours = np.random.default_rng(seed).permutation(np.arange(1.0, 9.0)) * 40
    elastic = Elastic.per_doubling(1, 2, 1.0, base=1, guard=1)
    jobs = ElasticJobs(
        submissions=np.array([0]), length=4, slack=4, elastic=elastic, resume=0.0, resize=0.0
    )
    replayed = optimum(hours, jobs)
    request = Request(
        key="job",
        earliest=NOW,
        deadline=NOW + timedelta(hours=8),
        remaining_seconds=4 * 3600,
        remaining_high_seconds=4 * 3600,
        interruptible=True,
        minimum_saving_ratio=0.0,
        latency_seconds=0.0,
        margin_seconds=0.0,
        elastic=elastic,
    )
    planned = plan(NOW, request, exact_forecast(list(hours), NOW))

    drawn = [0.0] * 8
    for part in planned.segments:
        first, last = ((when - NOW) / timedelta(hours=1) for when in (part.start, part.end))
        for hour in range(8):
            drawn[hour] += part.replicas * max(0.0, min(last, hour + 1) - max(first, hour))
    assert drawn == pytest.approx(replayed.energy[0].tolist()), f"seed {seed}: {hours}"
