"""Elastic jobs whose efficiency is not given, and those whose change of size is refused."""

import random
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from standins.elastic_jobs import (
    CREATED,
    HOUR,
    SAMPLES_PER_SECOND,
    Cluster,
    elastic_job,
    forecast_of,
)

from lowtide.planning.durations import learn
from lowtide.planning.scaling import ScalingSource
from lowtide.trainingjob.conditions import ConditionType, Reason, find
from lowtide_operator.decision.resizing import sizes_of
from lowtide_operator.decision.scaling import with_scaling
from lowtide_operator.objects.summary import past_run

DAY = [400.0] * 9 + [50.0] * 6 + [400.0] * 9
"""A grid with clean noons."""


@pytest.mark.parametrize("truth", [0.5, 0.75, 1.0])
@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2))])
def test_no_efficiency_that_is_not_given_makes_a_job_late(seed: int, truth: float) -> None:
    """Neither one that is better than assumed (a narrow job is slower) nor one that is worse."""
    chance = random.Random(seed)
    hours = [chance.choice([50.0, 200.0, 400.0]) for _ in range(40)]
    cluster = Cluster(elastic_job(efficiency=None), forecast_of(hours), efficiency=truth)
    cluster.run()
    late = f"seed {seed}: finished {cluster.finished}, sizes {cluster.sizes}"
    assert cluster.finished is not None, late
    assert cluster.finished <= CREATED + 8 * HOUR, late


@pytest.mark.slow
def test_a_long_job_learns_its_efficiency_and_its_power_and_says_from_how_many_attempts() -> None:
    """Three days of clean noons: several attempts at each of two sizes, 0.7 and 1.8 in truth."""
    job = elastic_job(
        efficiency=None,
        least=2,
        expectedDurationSeconds=52 * 3600,
        deadline="2026-12-03T08:00:00Z",
    )
    cluster = Cluster(
        job, forecast_of(DAY * 4), hours=52, efficiency=0.7, power_exponent=0.848, reports=True
    )
    cluster.step = HOUR / 2
    cluster.look()
    first = cluster.job.status.plan
    assert first is not None
    assert first.scaling is not None
    assert first.explanation is not None
    assert (first.scaling.source, first.scaling.efficiency) == ("Assumed", "0.8")
    assert "efficiency of a doubling 0.80, assumed" in first.explanation

    cluster.run()
    assert cluster.finished is not None
    assert cluster.finished <= CREATED + 70 * HOUR
    plan, attempts = cluster.job.status.plan, cluster.job.status.attempts
    assert plan is not None
    assert plan.scaling is not None
    assert (plan.scaling.source, plan.scaling.attempts >= 4) == ("Learnt", True)
    assert float(plan.scaling.efficiency) == pytest.approx(0.7, abs=0.01)
    assert 2 ** float(plan.scaling.power_exponent) == pytest.approx(1.8, abs=0.05)
    assert f"learnt from {plan.scaling.attempts} attempts" in (plan.explanation or "")
    wide = next(one for one in attempts if one.replicas == 4 and one.trained)
    pace = wide.trained[0].count / float(wide.trained[0].seconds)
    # Twice the replicas are 1.4 times as fast.
    assert pace == pytest.approx(1.4 * SAMPLES_PER_SECOND, rel=0.01)
    assert float(wide.speed or 0) == pytest.approx(1.4, abs=0.02)
    assert float(wide.least_speed or 0) < float(wide.speed or 0)
    assert float(wide.power or 0) == pytest.approx(1.8, abs=0.05)


def test_finished_jobs_of_the_series_teach_the_next_one() -> None:
    """Two runs at two and four replicas, 1.4 times as fast: what a new job is planned with."""

    def attempt(number: int, replicas: int, samples: int) -> dict[str, Any]:
        start = CREATED + number * HOUR
        end = start + HOUR / 2
        return {
            "number": number,
            "name": "wide-1",
            "start": f"{start:%Y-%m-%dT%H:%M:%SZ}",
            "end": f"{end:%Y-%m-%dT%H:%M:%SZ}",
            "replicas": replicas,
            "baseReplicas": 2,
            "trained": [{"unit": "Samples", "count": samples, "seconds": "1000"}],
        }

    conditions = [{"type": "Complete", "status": "True"}]
    ended = {"conditions": conditions, "attempts": [attempt(1, 2, 5000), attempt(2, 4, 7000)]}
    run = past_run(ended)
    assert run is not None
    assert [one.paces for one in run.attempts] == [(("Samples", 5.0),), (("Samples", 7.0),)]
    unreadable = {"conditions": conditions, "attempts": [attempt(1, 2, 5000) | {"number": -1}]}
    assert past_run(unreadable).attempts == ()  # type: ignore[union-attr]

    job = elastic_job(efficiency=None)
    one, two = (with_scaling(job, learn([run] * count)).scaling for count in (1, 2))
    assert one is not None
    assert two is not None
    assert (one.source, two.source) == (ScalingSource.ASSUMED, ScalingSource.LEARNT)
    assert two.efficiency == pytest.approx(0.7)
    sizes = sizes_of(replace(job, scaling=two))
    assert sizes is not None
    assert sizes.speed(4) == pytest.approx(1.4)
    assert sizes.sure_speed(4) < 1.4 < 2 * two.high


@pytest.mark.parametrize(
    "hours",
    [[50.0] * 3 + [400.0] * 40, [400, 400, 400, 50, 50, 50] + [400.0] * 30],
    ids=["at the start", "in the middle"],
)
def test_a_refused_size_costs_one_restart_an_hour_and_is_quoted(hours: list[float]) -> None:
    """A webhook that takes no other size than the template's; the refusal is remembered."""
    cluster = Cluster(elastic_job(least=2), forecast_of(hours), refused={3, 4})
    refusals, restarts = set(), 0
    while cluster.finished is None and cluster.now < CREATED + 9 * HOUR:
        cluster.look()
        said = find(cluster.job.status.conditions, ConditionType.RESIZABLE)
        if said is not None and said.status == "False":
            if said.last_transition_time not in refusals:
                refusals.add(said.last_transition_time)
                restarts = cluster.restarts
            assert said.reason == Reason.RESIZE_REFUSED
            assert 'webhook "sizes" denied the request; no other size is tried' in said.message
            assert cluster.restarts == restarts
        cluster.pass_time()
    assert refusals
    assert all(later - sooner >= HOUR for sooner, later in pairwise(sorted(refusals)))
    assert cluster.finished is not None
    assert cluster.finished <= CREATED + 8 * HOUR
    assert set(cluster.sizes) == {2}
