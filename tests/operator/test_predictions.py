"""The real operator beside a real trainer page: a running job is predicted, and its budget acts."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standins.kubernetes.fake_api import now_text

from lowtide.trainingjob.report import CheckpointInfo, EpochRecord
from lowtide_trainer.metrics import serve_metrics
from lowtide_trainer.reporter import Reporter

pytestmark = pytest.mark.slow  # the whole operator, in real time

JOBS = ("batch/v1", "jobs")
PODS = ("v1", "pods")
JOB_UID = "batch.kubernetes.io/controller-uid"
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


async def test_a_labelled_job_is_predicted_and_its_budget_warns_only(
    api: Any, operator: Callable[..., Any], training_job: Callable[..., Any]
) -> None:
    """By hand: fourteen hours are left. A TrainingJob that names the Job stops nothing in ten.

    The page says that saving took 25 s, and by hand 1.5 times that and 5 s are 42.5 s: its pod has
    30 s.
    """
    limit = (datetime.now(UTC) + timedelta(hours=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    template = training_job()["spec"]["template"]["spec"]["template"]
    api.create(JOBS, {"metadata": {"name": "bert"}, "spec": {"template": template}})
    spec = {
        "targetRef": {"apiVersion": "batch/v1", "kind": "Job", "name": "bert"},
        "schedule": {"policy": "Immediate", "interruption": {"allowed": True}},
        "budget": {"finish": {"limit": limit, "action": "Stop"}},
    }
    api.create(TRAININGJOBS, {"metadata": {"name": "mine"}, "spec": spec})
    pod = {
        "metadata": {
            "name": "bert-x",
            "labels": {JOB_UID: api.get(JOBS, "bert")["metadata"]["uid"]},
        },
        "spec": {"nodeName": "node-1", **template["spec"]},
        "status": {"phase": "Running", "startTime": now_text(), "podIP": "127.0.0.1"},
    }
    started = {"state": {"running": {"startedAt": now_text()}}, "name": "train"}
    pod["status"]["containerStatuses"] = [started]
    api.create(PODS, pod)
    reporter = training_of_six_hours()
    reporter.checkpoint_saved(
        CheckpointInfo(
            name="c", batches=1, saved_at=datetime.now(UTC), size_bytes=1, duration_seconds=25.0
        )
    )
    with serve_metrics(reporter, 0, "127.0.0.1") as port:
        prediction = {"reportPort": port, "periodSeconds": 0.2}
        async with operator(prediction=prediction, workloads={"kinds": ["Job"]}):
            risk = await api.until(lambda: condition(api, "PauseAtRisk"))
            over = await api.until(lambda: condition(api, "OverBudget").get("status") == "True")
            status = api.get(TRAININGJOBS, "mine")["status"]

    assert status["prediction"]["method"] == "Epochs"
    assert over
    assert not api.get(JOBS, "bert")["spec"].get("suspend")
    assert "to 43 or more" in risk["message"]


def condition(api: Any, kind: str) -> dict[str, Any]:
    """Return a condition of the TrainingJob that names a Job."""
    held = (api.get(TRAININGJOBS, "mine").get("status") or {}).get("conditions") or []
    return next((one for one in held if one["type"] == kind), {})
