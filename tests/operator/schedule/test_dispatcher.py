"""Dispatcher of a MultiKueue, with Workloads and clusters as Kueue 0.17 writes them."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standins.forecasts import exact_forecast

from lowtide.trainingjob.spec import Grid
from lowtide.trainingjob.workload_kinds import JOB, WorkloadKind
from lowtide_operator.cluster.cache import Cache
from lowtide_operator.cluster.errors import ConflictError, UnreachableError
from lowtide_operator.decision.observation import ForecastView
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.multikueue import QUEUED_WORKLOAD, dispatched_workload
from lowtide_operator.schedule.dispatcher import Dispatcher
from lowtide_operator.schedule.places import PlacesOfJobs
from lowtide_operator.settings import OperatorSettings

NOW = datetime(2026, 12, 1, 10, 0, tzinfo=UTC)
KEY = Key("ml", "job-bert")
GRAMS = {"DE": 300.0, "FR": 50.0}
CHECKS = [
    {
        "metadata": {"name": "elsewhere"},
        "spec": {
            "controllerName": "kueue.x-k8s.io/multikueue",
            "parameters": {
                "apiGroup": "kueue.x-k8s.io",
                "kind": "MultiKueueConfig",
                "name": "both",
            },
        },
    },
    {
        "metadata": {"name": "room"},
        "spec": {"controllerName": "kueue.x-k8s.io/provisioning-request"},
    },
]
CONFIGURATIONS = [{"metadata": {"name": "both"}, "spec": {"clusters": ["first", "second"]}}]
ACTIVE = {"conditions": [{"type": "Active", "status": "True"}]}
CLUSTERS = [
    {
        "metadata": {"name": "first", "annotations": {"lowtide.dev/zone": "DE"}},
        "status": ACTIVE,
    },
    {
        "metadata": {"name": "second", "annotations": {"lowtide.dev/zone": "FR"}},
        "status": ACTIVE,
    },
]


def a_job(**labels: str) -> dict[str, Any]:
    """Return a batch Job; keywords are labels of ours."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "bert",
            "namespace": "ml",
            "uid": "u-job",
            "creationTimestamp": "2026-12-01T09:00:00Z",
            "labels": {f"lowtide.dev/{key}": value for key, value in labels.items()},
            "annotations": {"lowtide.dev/expected-duration": "2h"},
        },
        "spec": {},
    }


def a_workload(check: str = "elsewhere") -> dict[str, Any]:
    """Return a Workload that got its quota in the manager at ten."""
    return {
        "apiVersion": "kueue.x-k8s.io/v1beta2",
        "kind": "Workload",
        "metadata": {
            "name": KEY.name,
            "namespace": KEY.namespace,
            "uid": "u-workload",
            "resourceVersion": "7",
            "ownerReferences": [
                {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "name": "bert",
                    "uid": "u-job",
                    "controller": True,
                }
            ],
            "managedFields": [
                {
                    "manager": "kueue-admission",
                    "operation": "Apply",
                    "apiVersion": "kueue.x-k8s.io/v1beta2",
                    "subresource": "status",
                    "fieldsV1": {
                        "f:status": {
                            "f:admission": {"f:clusterQueue": {}},
                            "f:nominatedClusterNames": {},
                        }
                    },
                }
            ],
        },
        "status": {
            "admission": {"clusterQueue": "gpus"},
            "conditions": [
                {
                    "type": "QuotaReserved",
                    "status": "True",
                    "lastTransitionTime": "2026-12-01T10:00:00Z",
                }
            ],
            "admissionChecks": [{"name": check, "state": "Pending"}],
        },
    }


class Api:
    """API server with one Workload and its Job, and a clock."""

    def __init__(self, job: dict[str, Any], workload: dict[str, Any]) -> None:
        self.job: dict[str, Any] | None = job
        self.workload: dict[str, Any] | None = workload
        self.training_job: dict[str, Any] | None = None
        self.patches: list[dict[str, Any]] = []
        self.failures: list[Exception] = []
        self.events: list[str] = []
        self.now = NOW + timedelta(seconds=1)
        self.pending: datetime | None = None

    async def multikueue_objects(self, plural: str) -> Sequence[dict[str, Any]]:
        return {
            "admissionchecks": CHECKS,
            "multikueueconfigs": CONFIGURATIONS,
            "multikueueclusters": CLUSTERS,
        }[plural]

    async def get_workload(
        self, kind: WorkloadKind, namespace: str, name: str
    ) -> dict[str, Any] | None:
        return self.workload if kind == QUEUED_WORKLOAD else self.job

    async def get_training_job(self, key: Key) -> dict[str, Any] | None:
        return self.training_job

    async def namespace_annotations(self, namespace: str) -> Mapping[str, str]:
        return {}

    async def nominate(self, key: Key, patch: dict[str, Any]) -> dict[str, Any] | None:
        if self.failures:
            raise self.failures.pop(0)
        self.patches.append(patch)
        assert self.workload is not None
        self.workload["status"]["nominatedClusterNames"] = patch["status"]["nominatedClusterNames"]
        return self.workload

    def view(self, grid: Grid) -> ForecastView:
        if self.pending is not None:
            return ForecastView(zone=grid.zone, pending_until=self.pending)
        forecast = exact_forecast([GRAMS[str(grid.zone)]] * 48, NOW)
        return ForecastView(zone=grid.zone, forecast=forecast, status="True")

    @property
    def nominated(self) -> list[str]:
        assert self.workload is not None
        return list(self.workload["status"].get("nominatedClusterNames", ()))


def dispatcher_for(api: Api) -> Dispatcher:
    settings = OperatorSettings.model_validate({"dispatcher": {"enabled": True}})
    places = PlacesOfJobs(api, api, Cache(), lambda: settings, (JOB,), clock=lambda: api.now)
    made = Dispatcher(
        api,
        places,
        lambda: settings,
        post=lambda event: api.events.append(event["note"]),
        clock=lambda: api.now,
        instance="test",
    )
    assert api.workload is not None
    made.workload_changed(QUEUED_WORKLOAD, "ADDED", api.workload)
    return made


async def test_the_clean_cluster_comes_first_and_the_other_after_its_time() -> None:
    """What Kueue has applied is repeated, and the reason is an Event of the Workload."""
    api = Api(a_job(schedule="true"), a_workload())
    made = dispatcher_for(api)
    await made.work()
    assert api.nominated == ["second"]
    assert api.patches[0]["status"]["admission"] == {"clusterQueue": "gpus"}
    assert api.patches[0]["metadata"]["resourceVersion"] == "7"
    assert api.events[0].startswith("nominated second (zone FR, 50 g/kWh)")
    api.now = NOW + timedelta(seconds=299)
    await made.work()
    assert len(api.patches) == 1
    api.now = NOW + timedelta(seconds=300)
    await made.work()
    assert api.nominated == ["second", "first"]
    assert made.waiting == ()


async def test_a_workload_of_others_gets_every_cluster_at_once() -> None:
    """A Job without our label does not wait for our forecasts, which are not there yet."""
    api = Api(a_job(), a_workload())
    api.pending = NOW + timedelta(seconds=60)
    await dispatcher_for(api).work()
    assert api.nominated == ["first", "second"]
    assert api.events == [
        "all clusters are nominated at once: Lowtide does not schedule this workload"
    ]


async def test_the_first_forecast_is_awaited_but_not_for_ever() -> None:
    """Without any the clusters are nominated together, with the reason."""
    api = Api(a_job(schedule="true"), a_workload())
    api.pending = NOW + timedelta(seconds=60)
    made = dispatcher_for(api)
    await made.work()
    assert (api.nominated, made.waiting) == ([], (KEY,))
    api.now = NOW + timedelta(seconds=60)
    await made.work()
    assert api.nominated == ["first", "second"]
    assert "no forecast" in api.events[0]


async def test_the_trainingjob_counts_before_the_annotations() -> None:
    """Its data are in Germany: 100 GB at 30 g over 10 kWh are 300 g/kWh more in France."""
    api = Api(a_job(schedule="true"), a_workload())
    data = {"gigabytes": "100", "zone": "DE", "energyKilowattHours": "10"}
    api.training_job = {
        "metadata": {
            "name": "bert",
            "namespace": "ml",
            "uid": "u-tj",
            "creationTimestamp": "2026-12-01T09:00:00Z",
        },
        "spec": {
            "targetRef": {"apiVersion": "batch/v1", "kind": "Job", "name": "bert"},
            "schedule": {"data": data},
        },
    }
    settings = OperatorSettings.model_validate({"dispatcher": {"gramsPerGigabyte": 30}})
    places = PlacesOfJobs(api, api, Cache(), lambda: settings, (JOB,), clock=lambda: api.now)
    workload = dispatched_workload(a_workload())
    assert workload is not None
    made = dispatcher_for(api)
    clusters = (await made.known_clusters())["elsewhere"]
    ranked = await places.rank(workload, clusters)
    assert ranked is not None
    assert [one.name for one in ranked.candidates] == ["first", "second"]
    assert ranked.candidates[1].words == "zone FR, 50 g/kWh, 100 GB to move"


@pytest.mark.parametrize(
    "failure", [ConflictError("it changed"), UnreachableError("no answer"), KeyError("a fault")]
)
async def test_a_write_that_failed_is_tried_again(failure: Exception) -> None:
    """The Workload stays remembered, and nothing is told before it is true."""
    api = Api(a_job(schedule="true"), a_workload())
    api.failures = [failure]
    made = dispatcher_for(api)
    await made.work()
    assert (api.nominated, api.events, made.waiting) == ([], [], (KEY,))
    api.now += timedelta(seconds=5)
    await made.work()
    assert api.nominated == ["second"]


def assigned(workload: dict[str, Any]) -> None:
    workload["status"]["clusterName"] = "second"


def evicted(workload: dict[str, Any]) -> None:
    workload["status"]["conditions"][0]["status"] = "False"


def finished(workload: dict[str, Any]) -> None:
    workload["status"]["conditions"].append({"type": "Finished", "status": "True"})


def ready(workload: dict[str, Any]) -> None:
    workload["status"]["admissionChecks"][0]["state"] = "Ready"


def going(workload: dict[str, Any]) -> None:
    workload["metadata"]["deletionTimestamp"] = "2026-12-01T10:00:00Z"


@pytest.mark.parametrize("change", [assigned, evicted, finished, ready, going])
async def test_a_workload_that_waits_for_no_cluster_is_left_alone(change: Any) -> None:
    """Also where it changed between the event and the look."""
    api = Api(a_job(schedule="true"), a_workload())
    made = dispatcher_for(api)
    assert api.workload is not None
    change(api.workload)
    await made.work()
    assert (api.patches, made.waiting) == ([], ())
    made.workload_changed(QUEUED_WORKLOAD, "MODIFIED", api.workload)
    assert made.waiting == ()


async def test_a_check_of_another_controller_is_left_alone() -> None:
    """A Workload that waits for nodes waits for no cluster."""
    api = Api(a_job(schedule="true"), a_workload("room"))
    made = dispatcher_for(api)
    await made.work()
    assert (api.patches, made.waiting) == ([], ())


async def test_a_status_that_kueue_did_not_apply_is_not_written() -> None:
    """A nomination under another manager's name could never be dropped by Kueue."""
    workload = a_workload()
    del workload["metadata"]["managedFields"]
    api = Api(a_job(schedule="true"), workload)
    made = dispatcher_for(api)
    await made.work()
    assert (api.patches, made.waiting) == ([], (KEY,))


async def test_without_the_lease_nothing_is_nominated_until_it_is_held() -> None:
    """A standby follows the Workloads and writes nothing."""
    api = Api(a_job(schedule="true"), a_workload())
    made = dispatcher_for(api)
    asked = asyncio.Event()

    def may_not() -> bool:
        asked.set()
        return False

    standby = asyncio.create_task(made.run(may_not))
    await asked.wait()
    await asyncio.sleep(0)
    standby.cancel()
    assert api.patches == []
    leader = asyncio.create_task(made.run(lambda: True))
    while not api.patches:
        await asyncio.sleep(0)
    leader.cancel()
    assert api.nominated == ["second"]
