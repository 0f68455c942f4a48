"""Few jobs have series of their own, and the sums hold all of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from lowtide_operator.cluster.cache import Cache
from lowtide_operator.telemetry.job_choice import JOBS_MAX, shown_jobs
from lowtide_operator.telemetry.job_metrics import sums_of

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def at(hours: float) -> str:
    """Return a time in hours from noon, as the API server writes it."""
    return f"{NOON + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"


def job(name: str, state: str, **status: Any) -> dict[str, Any]:
    """Return the body of a TrainingJob."""
    metadata = {
        "name": name,
        "namespace": "ml",
        "uid": name,
        "resourceVersion": "1",
        "creationTimestamp": at(-48),
    }
    status = {"display": {"state": state}, **status}
    return {"metadata": metadata, "spec": {"template": {}}, "status": status}


def attempt(start: float, end: float | None = None) -> dict[str, Any]:
    """Return the attempts of a job, in hours from noon."""
    ended = {} if end is None else {"end": at(end)}
    return {"attempts": [{"number": 1, "name": "n", "start": at(start), **ended}]}


def shown(*bodies: dict[str, Any]) -> list[str]:
    """Return the names of the jobs with series of their own; ended ones for a day."""
    cache = Cache()
    for body in bodies:
        cache.remember(body)
    found = shown_jobs(cache.records(), (NOON - timedelta(days=1)).timestamp())
    return [record.key.name for record in found]


def test_jobs_that_run_come_first_and_those_that_ended_long_ago_have_no_series() -> None:
    """Between them: those at risk, those that ended lately, those that wait."""
    risk = {"conditions": [{"type": "DeadlineAtRisk", "status": "True"}]}
    bodies = [
        job("old", "Complete", **attempt(-30, -25)),
        job("invalid", "Invalid"),
        job("later", "Waiting", plan={"start": at(9)}),
        job("next", "Waiting", plan={"start": at(1)}),
        job("earlier", "Failed", **attempt(-5, -4)),
        job("ended", "Complete", **attempt(-3, -1)),
        job("tight", "Waiting", plan={"start": at(5)}, **risk),
        job("paused", "Paused", **attempt(-2, -1)),
        job("running", "Running", **attempt(-1)),
    ]
    names = ["running", "paused", "tight", "ended", "earlier", "next", "later"]
    assert shown(*bodies) == names


def test_series_are_bounded_however_many_jobs_run() -> None:
    """The same jobs are shown at every scrape, or their series would come and go."""
    bodies = [job(f"j{n:04d}", "Running", **attempt(-1)) for n in range(JOBS_MAX + 50)]
    assert len(shown(*bodies)) == JOBS_MAX
    assert shown(*bodies) == shown(*reversed(bodies))


def test_the_sums_hold_every_job() -> None:
    """By namespace and state; a figure that no job has is not zero."""
    cache = Cache()
    for number in range(3):
        energy = {"energy": {"totalJoules": 5}, "carbon": {"operationalGrams": "1.5"}}
        cache.remember(job(f"old{number}", "Complete", **attempt(-99, -98), **energy))
    cache.remember(job("new", "Running", energy={"totalJoules": 2}))
    found = {
        (sample.name, sample.labels["state"]): sample.value
        for family in sums_of(list(cache.records()))
        for sample in family.samples
    }
    assert found == {
        ("lowtide_trainingjobs_energy_joules", "Complete"): 15.0,
        ("lowtide_trainingjobs_energy_joules", "Running"): 2.0,
        ("lowtide_trainingjobs_operational_grams", "Complete"): 4.5,
    }
