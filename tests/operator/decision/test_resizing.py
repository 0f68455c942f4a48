"""Elastic jobs: the operator runs the planned width by a pause and a resume, and never too late."""

import random
from dataclasses import replace
from typing import Any

import pytest
from standins.elastic_jobs import CREATED, HOUR, KEY, Cluster, elastic_job, forecast_of

from lowtide.trainingjob.conditions import ConditionType, Reason, find
from lowtide.trainingjob.models import InvalidTrainingJobError, parse_spec
from lowtide_operator.decision.observation import ForecastView
from lowtide_operator.objects.template_size import size_of_template
from lowtide_operator.schedule.bookings import Bookings


def test_a_job_runs_wide_in_clean_hours_and_its_attempts_say_how_wide() -> None:
    """Dirty, then two very clean hours, then dirty: four replicas run while it is clean."""
    cluster = Cluster(elastic_job(), forecast_of([400, 400, 400, 50, 50, 50] + [400.0] * 30))
    cluster.run()
    assert cluster.finished is not None
    assert cluster.finished <= CREATED + 8 * HOUR
    assert 4 in cluster.sizes
    attempts = cluster.job.status.attempts
    assert [attempt.replicas for attempt in attempts] == cluster.sizes
    widest = next(attempt for attempt in attempts if attempt.replicas == 4)
    assert (widest.base_replicas, widest.speed) == (2, "1.8")
    plan = cluster.job.status.plan
    assert plan is not None
    assert all(part.replicas for part in plan.segments)


def test_a_change_of_size_waits_for_the_last_pod_and_for_a_closed_attempt() -> None:
    """A Job that is suspended for another size resumes only when no worker of the old is left."""
    cluster = Cluster(elastic_job(), forecast_of([400, 400, 400, 50, 50, 50] + [400.0] * 30))
    while len(cluster.sizes) < 2:
        cluster.look()
        assert cluster.child is None or cluster.child.suspended == (not cluster.pods)
        cluster.pass_time()
    ended = cluster.job.status.attempts[0]
    assert ended.end is not None
    assert ended.outcome in ("Resized", "Paused")


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 5))]
)
def test_no_course_of_the_grid_makes_an_elastic_job_late(seed: int) -> None:
    """Whatever is planned, the size of the template still keeps the deadline."""
    chance = random.Random(seed)
    hours = [chance.choice([50.0, 200.0, 400.0]) for _ in range(40)]
    cluster = Cluster(elastic_job(), forecast_of(hours))
    cluster.run()
    late = f"seed {seed}: finished {cluster.finished}, sizes {cluster.sizes}"
    assert cluster.finished is not None, late
    assert cluster.finished <= CREATED + 8 * HOUR, late


def test_a_size_without_room_is_given_up_for_the_templates() -> None:
    """Workers that find no node hold up the others, so the job goes on at its own size."""
    cluster = Cluster(elastic_job(least=2), forecast_of([50.0] * 3 + [400.0] * 40), room=2)
    cluster.run()
    assert cluster.finished is not None
    assert cluster.finished <= CREATED + 8 * HOUR
    attempts = cluster.job.status.attempts
    assert cluster.sizes[0] == 4
    assert attempts[0].outcome == "NoRoom"
    assert attempts[1].replicas == 2


def test_a_narrow_job_goes_back_to_its_own_size_when_the_forecast_is_lost() -> None:
    """Half as fast, it would be late; at its latest start nothing else keeps the deadline."""
    cluster = Cluster(elastic_job(most=2), forecast_of([200.0] * 40))
    cluster.look()
    cluster.look()
    assert cluster.child is not None
    first = cluster.job.status.attempts[0].model_copy(
        update={"replicas": 1, "base_replicas": 2, "speed": "0.55556", "start": CREATED}
    )
    plan = cluster.job.status.plan
    assert plan is not None
    plan = plan.model_copy(update={"reason": "CleanestWindow"})
    narrow = replace(cluster.child, suspended=False, replicas=1, active=1)
    cluster.child, cluster.pods, cluster.sizes = narrow, [cluster._pod(0)], [1]
    cluster.job = replace(
        cluster.job,
        status=cluster.job.status.model_copy(update={"attempts": (first,), "plan": plan}),
    )
    cluster.forecast = ForecastView()
    cluster.run()
    assert cluster.sizes[-1] == 2
    assert cluster.finished is not None
    assert cluster.finished <= CREATED + 8 * HOUR


def test_a_job_that_runs_at_once_runs_at_the_size_of_its_template() -> None:
    """Without a choice in time there is none in size."""
    cluster = Cluster(elastic_job(policy="Immediate"), forecast_of([50.0] * 3 + [400.0] * 40))
    cluster.run()
    assert cluster.sizes == [2]


def test_a_booking_holds_the_gpus_of_every_width() -> None:
    """Two GPUs a replica: a stretch at three replicas holds six, whatever the template has."""
    cluster = Cluster(elastic_job(), forecast_of([400, 400, 400, 50, 50, 50] + [400.0] * 30))
    cluster.look()
    plan = cluster.job.status.plan
    assert plan is not None
    bookings = Bookings()
    bookings.note(cluster.job, plan)
    held = bookings._reservations[KEY]
    assert [gpus for _, gpus in held.parts()] == [
        2 * (part.replicas or 0) for part in plan.segments
    ]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({}, "completionMode"),
        ({"completionMode": "Indexed", "parallelism": 2, "completions": 4}, "make them equal"),
        ({"completionMode": "Indexed", "parallelism": True, "completions": 1}, "make them equal"),
        (
            {"completionMode": "Indexed", "parallelism": 2, "completions": 2, "successPolicy": {}},
            "successPolicy",
        ),
    ],
)
def test_a_template_whose_size_cannot_change_is_named(spec: dict[str, Any], said: str) -> None:
    """The sentence says which field, and what would be right."""
    assert said in size_of_template({"spec": spec}).fault
    job = replace(elastic_job(), replicas=0, size_fault=size_of_template({"spec": spec}).fault)
    cluster = Cluster(job, forecast_of([50.0] * 40))
    decision = cluster.look()
    valid = find(decision.status.conditions, ConditionType.VALID)
    assert valid is not None
    assert (valid.status, valid.reason) == ("False", Reason.INVALID_SCHEDULE)
    assert cluster.child is None


def test_a_template_outside_of_its_own_bounds_is_refused() -> None:
    """The running time is given for a size that the plan may not use."""
    cluster = Cluster(elastic_job(base=8), forecast_of([50.0] * 40))
    valid = find(cluster.look().status.conditions, ConditionType.VALID)
    assert valid is not None
    assert "from 1 to 4 replicas and spec.template has 8" in valid.message


def test_an_indexed_template_with_equal_numbers_has_a_size() -> None:
    """Parallelism and completions are what a resize changes together."""
    spec = {"completionMode": "Indexed", "parallelism": 3, "completions": 3}
    assert size_of_template({"spec": spec}) == (3, "")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"interruption": {"allowed": False}}, "interruption.allowed"),
        ({"elastic": {"minReplicas": 3, "maxReplicas": 2, "efficiency": "1"}}, "minReplicas"),
        ({"elastic": {"minReplicas": 1, "maxReplicas": 2, "efficiency": "0.4"}}, "efficiency"),
    ],
)
def test_an_elastic_size_that_cannot_be_is_refused(change: dict[str, Any], said: str) -> None:
    """The same bounds as in the definition, for an operator that meets an older object."""
    schedule = {
        "interruption": {"allowed": True},
        "elastic": {"minReplicas": 1, "maxReplicas": 2, "efficiency": "0.9"},
    }
    with pytest.raises(InvalidTrainingJobError, match=said):
        parse_spec({"template": {}, "schedule": {**schedule, **change}})
