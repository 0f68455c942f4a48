"""The real operator beside a real trainer page: a running job is predicted, and its budget acts."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from lowtide.trainingjob.report import EpochRecord
from lowtide_trainer.metrics import serve_metrics
from lowtide_trainer.reporter import Reporter

JOBS = ("batch/v1", "jobs")
TRAININGJOBS = ("lowtide.dev/v1alpha1", "trainingjobs")


def training_of_six_hours() -> Reporter:
    """Return a training that finished six of twenty epochs, each of an hour."""
    reporter = Reporter(write=lambda _: None, epochs_planned=20)
    begun = datetime.now(UTC) - timedelta(hours=6)
    history = [
        EpochRecord(epoch=n, ended_at=begun + timedelta(hours=n), duration_seconds=3600.0 + n % 2)
        for n in range(1, 7)
    ]
    reporter.restore(
        {
            "epochs": 6,
            "training_seconds": 21_603.0,
            "started_at": begun.timestamp(),
            "history": [
                (one.epoch, one.ended_at.timestamp(), one.duration_seconds, None) for one in history
            ],
        }
    )
    return reporter


async def test_a_running_job_is_predicted_and_paused_by_its_budget(
    api: Any, operator: Callable[..., Any], training_job: Callable[..., Any]
) -> None:
    """By hand: fourteen hours are left. A limit in ten hours warns; as a pause it suspends the Job.

    The pod's page is the trainer's own, asked at the pod's address.
    """
    limit = (datetime.now(UTC) + timedelta(hours=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    budget = {"finish": {"limit": limit, "action": "Pause"}}
    schedule = {"policy": "Immediate", "interruption": {"allowed": True}}
    api.create(TRAININGJOBS, training_job(schedule=schedule, budget=budget))
    with serve_metrics(training_of_six_hours(), 0, "127.0.0.1") as port:
        async with operator(prediction={"reportPort": port, "periodSeconds": 0.2}):
            await api.until(lambda: api.get(JOBS, "net-1"))
            api.run_pod("net-1", podIP="127.0.0.1")
            predicted = await api.until(
                lambda: (api.get(TRAININGJOBS, "net").get("status") or {}).get("prediction")
            )
            await api.until(lambda: api.get(JOBS, "net-1")["spec"].get("suspend"))
            status = api.get(TRAININGJOBS, "net")["status"]

    assert predicted["method"] == "Epochs"
    end = datetime.fromisoformat(predicted["finish"]["expected"])
    assert abs(end - datetime.now(UTC) - timedelta(hours=14)) < timedelta(minutes=10)
    over = next(one for one in status["conditions"] if one["type"] == "OverBudget")
    assert (over["status"], over["reason"]) == ("True", "BudgetWillBeExceeded")
    assert status["training"]["epochs"] == 6
    assert status["display"]["finish"].startswith("~")
