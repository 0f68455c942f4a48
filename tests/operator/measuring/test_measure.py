"""The real operator against a small API server and Prometheus: figures after the end."""

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

# The whole operator, in real time.
pytestmark = [pytest.mark.slow, pytest.mark.waits]

JOBS = ("batch/v1", "jobs")
TRAININGJOBS = ("lowtide.dev/v1alpha1", "trainingjobs")
PODS = ("v1", "pods")

REPORT = '{"schemaVersion":1,"outcome":"Finished","epochs":2,"epochsPlanned":2,"accuracy":0.9}'


def status(api: Any) -> dict[str, Any]:
    """Return the stored status of the job `net`."""
    found: dict[str, Any] = api.get(TRAININGJOBS, "net").get("status") or {}
    return found


def measured(api: Any) -> dict[str, Any]:
    """Return the condition Measured of the job `net`, or an empty one."""
    conditions = status(api).get("conditions") or []
    return next((c for c in conditions if c["type"] == "Measured"), {})


def store_energy(api: Any, pod: dict[str, Any], joules: float, *, final: bool = True) -> None:
    """Let Prometheus hold what an exporter would have counted for a pod: a steady rise."""
    uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]
    labels = {"namespace": "default", "pod": name, "pod_uid": uid}
    now = time.time()
    began = datetime.fromisoformat(pod["status"]["startTime"]).timestamp()
    series = {**labels, "container": "train", "component": "gpu", "part": "active"}
    series |= {"method": "exclusive", "quality": "counter"}
    seen = [began + 0.5, now]
    api.series = {
        "lowtide_pod_energy_joules_total": [
            (series, [(seen[0], joules / 4), (seen[1], joules)]),
        ],
        "lowtide_pod_segment_start_timestamp_seconds": [(labels, [(t, began) for t in seen])],
        "lowtide_pod_gpu_held_seconds_total": [
            ({**labels, "model": "NVIDIA A100-SXM4-40GB"}, [(seen[0], 0.5), (seen[1], 2.0)]),
        ],
        "lowtide_pod_gpu_share_ratio": [({**labels, "uuid": "GPU-1"}, [(t, 1) for t in seen])],
        "lowtide_gpu_info": [({"uuid": "GPU-1", "source": "mock"}, [(t, 1) for t in seen])],
    }
    if final:
        api.series["lowtide_pod_end_timestamp_seconds"] = [(labels, [(now, now)])]


@pytest.fixture
def finished(api: Any, training_job: Callable[..., Any]) -> Callable[..., Any]:
    """Return a coroutine that brings a job to its end, with energy stored before it."""

    async def run(joules: float | None, report: str = REPORT, **spec: Any) -> None:
        spec = {"schedule": {"policy": "Immediate"}, **spec}
        api.create(TRAININGJOBS, training_job(**spec))
        await api.until(lambda: api.get(JOBS, "net-1"))
        started = datetime.now(UTC) - timedelta(seconds=2)
        pod = api.run_pod("net-1", startTime=f"{started:%Y-%m-%dT%H:%M:%SZ}")
        await api.until(lambda: status(api).get("attempts", [{}])[0].get("pods"))
        if joules is not None:
            store_energy(api, pod, joules)
        api.end_job("net-1", report=report)

    return run


def prometheus(api: Any) -> dict[str, Any]:
    """Return the settings section that names the fake Prometheus."""
    return {"url": f"{api.url}/prometheus"}


async def test_figures_of_a_finished_job_are_in_its_status(
    api: Any, operator: Callable[..., Any], zones: Callable[..., Any], finished: Callable[..., Any]
) -> None:
    """7200 J at 300 g/kWh are 0.6 g; an A100 held for 2 s of 4 years is 318 kg * 2 / 126144000."""
    price = {"perHour": "3.6", "perKilowattHour": "0.5"}
    async with operator(prometheus=prometheus(api), zones=zones(1000)):
        await finished(7200.0, price=price)
        await api.until(lambda: measured(api).get("status") == "True")
    found = status(api)
    assert measured(api)["reason"] == "Measured"
    assert found["energy"]["totalJoules"] == 7200
    assert found["energy"]["final"] is True
    assert found["energy"]["mock"] is True
    assert found["energy"]["unavailable"] == ["cpu", "dram"]
    assert found["energy"]["gpuSeconds"] == "2.0"
    assert float(found["carbon"]["operationalGrams"]) == pytest.approx(0.6)
    assert float(found["carbon"]["embodiedGrams"]) == pytest.approx(
        318000 * 2 / 126144000, rel=0.01
    )
    assert found["carbon"]["zone"] == "XX"
    assert float(found["sci"]["gramsPerUnit"]) == pytest.approx(0.605, abs=0.0005)
    assert found["sci"]["functionalUnitCount"] == "1"
    assert float(found["counterfactual"]["avoidedGrams"]) == pytest.approx(0.0)
    assert float(found["cost"]["energy"]) == pytest.approx(0.001)
    assert found["training"]["accuracy"] == "0.9"
    assert found["efficiency"]["metrics"][0]["name"] == "SAM5[Wh]"
    assert found["attempts"][0]["energyJoules"] == 7200
    assert found["attempts"][0]["pods"][0]["joules"] == 7200
    assert found["display"]["energy"] == "2.00 Wh"
    assert found["display"]["sci"] == "0.605 g/job"


async def test_without_an_exporter_the_job_completes_and_says_what_is_missing(
    api: Any, operator: Callable[..., Any], finished: Callable[..., Any]
) -> None:
    """Measured is False with a reason that names the pod and its node."""
    async with operator(prometheus=prometheus(api)):
        await finished(None)
        await api.until(lambda: measured(api).get("status") == "False")
    assert measured(api)["reason"] == "NoExporter"
    assert "net-1-abcde on node node-1" in measured(api)["message"]
    assert status(api)["display"]["state"] == "Complete"
    assert "energy" not in status(api)


async def test_prometheus_down_at_the_end_is_asked_again_without_loss(
    api: Any, operator: Callable[..., Any], zones: Callable[..., Any], finished: Callable[..., Any]
) -> None:
    """The reason is visible meanwhile, and the energy is complete afterwards."""
    api.prometheus_status = 503
    async with operator(prometheus=prometheus(api), zones=zones(1000)):
        await finished(3600.0)
        await api.until(lambda: measured(api).get("reason") == "PrometheusUnavailable")
        assert measured(api)["status"] == "Unknown"
        assert "503" in measured(api)["message"]
        api.prometheus_status = 200
        await api.until(lambda: measured(api).get("status") == "True")
    assert status(api)["energy"]["totalJoules"] == 3600


async def test_energy_without_a_grid_zone_is_reported_without_carbon(
    api: Any, operator: Callable[..., Any], finished: Callable[..., Any]
) -> None:
    """Joules are there, grams are absent, and the condition says why."""
    async with operator(prometheus=prometheus(api)):
        await finished(3600.0)
        await api.until(lambda: measured(api).get("status") == "True")
    assert measured(api)["reason"] == "NotPriced"
    assert status(api)["energy"]["totalJoules"] == 3600
    assert "operationalGrams" not in status(api).get("carbon", {})
    assert status(api)["sci"]["warnings"][0] == "intensity_missing"


async def test_a_restarted_operator_measures_what_its_predecessor_could_not(
    api: Any, operator: Callable[..., Any], zones: Callable[..., Any], finished: Callable[..., Any]
) -> None:
    """What is to be measured stands in the status, so nothing is lost with the process."""
    api.prometheus_status = 500
    async with operator(prometheus=prometheus(api)):
        await finished(3600.0)
        await api.until(lambda: measured(api).get("reason") == "PrometheusUnavailable")
    api.prometheus_status = 200
    async with operator(prometheus=prometheus(api), zones=zones(1000)):
        await api.until(lambda: measured(api).get("status") == "True")
    assert status(api)["energy"]["totalJoules"] == 3600


async def test_a_pod_that_the_operator_never_saw_is_found_by_the_job_that_it_worked_for(
    api: Any, operator: Callable[..., Any], zones: Callable[..., Any], finished: Callable[..., Any]
) -> None:
    """Its energy counts because the exporter says whose it is, whatever its name."""
    async with operator(prometheus=prometheus(api), zones=zones(1000)):
        await finished(None)
        lost = {
            "metadata": {"uid": "uid-lost", "name": "net-1-3-xyz12"},
            "status": {"startTime": api.get(PODS, "net-1-abcde")["status"]["startTime"]},
        }
        store_energy(api, lost, 1000.0)
        mine = api.get(TRAININGJOBS, "net")["metadata"]["uid"]
        labels = {"namespace": "default", "pod": "net-1-3-xyz12", "pod_uid": "uid-lost"}
        api.series["lowtide_pod_owner_info"] = [
            ({**labels, "trainingjob_uid": mine}, [(time.time(), 1)])
        ]
        await api.until(lambda: measured(api).get("status") == "True")
    assert status(api)["energy"]["totalJoules"] == 1000


async def test_a_prometheus_that_was_away_is_given_time_to_scrape(
    api: Any, operator: Callable[..., Any], zones: Callable[..., Any], finished: Callable[..., Any]
) -> None:
    """It answers again, and has not scraped yet what the exporter still holds: no verdict."""
    api.prometheus_started = datetime.now(UTC) + timedelta(minutes=5)
    async with operator(prometheus=prometheus(api), zones=zones(1000)):
        await finished(None)
        await api.until(lambda: measured(api).get("reason") == "Settling")
        await asyncio.sleep(1.5)
        assert measured(api)["status"] == "Unknown"
        store_energy(api, api.get(PODS, "net-1-abcde"), 3600.0)
        await api.until(lambda: measured(api).get("status") == "True")
    assert status(api)["energy"]["totalJoules"] == 3600


async def test_the_best_possible_run_is_told_when_the_deadline_has_passed(
    api: Any,
    operator: Callable[..., Any],
    zone_of: Callable[..., Any],
    finished: Callable[..., Any],
) -> None:
    """Under policy Observe it ran at once in dirty seconds, and cleaner ones came after its end."""
    deadline = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=30)
    schedule = {
        "policy": "Observe",
        "expectedDurationSeconds": 2,
        "deadline": f"{deadline:%Y-%m-%dT%H:%M:%SZ}",
    }

    def account() -> dict[str, Any]:
        found: dict[str, Any] = status(api).get("counterfactual") or {}
        return found

    zones = zone_of(lambda _: 300)
    measurement = {"repriceSeconds": 0.5, "repriceUntilSeconds": 60}
    async with operator(prometheus=prometheus(api), zones=zones, measurement=measurement):
        await finished(7200.0, schedule=schedule)
        zone_of(lambda second: 300 if second < 1 else 100)
        await api.until(lambda: measured(api).get("status") == "True")
        await api.until(lambda: account().get("reachPercent"))
    assert "message" not in account()
    assert float(account()["reachPercent"]) == pytest.approx(0.0)
    assert float(account()["clairvoyantGrams"]) < 0.6 * float(account()["runNowGrams"])


async def test_a_finished_job_is_rated_with_the_set_in_the_folder(
    api: Any,
    operator: Callable[..., Any],
    zones: Callable[..., Any],
    finished: Callable[..., Any],
    tmp_path: Path,
) -> None:
    """7200 J are 0.002 kWh, half of the reference's 0.004: index 2, A; .9 of .9 is 1: C."""
    team = {
        "name": "team",
        "task": "training",
        "dataset": "digits",
        "environment": "NVIDIA A100-SXM4-40GB x1",
        "reference": "baseline",
        "values": {"training_energy": 0.004, "accuracy_top1": 0.9},
        "boundaries": {
            "training_energy": [1.5, 1.2, 0.9, 0.5],
            "accuracy_top1": [1.2, 1.1, 0.9, 0.8],
        },
        "weights": {"training_energy": "2", "accuracy_top1": "1"},
        "rows": 7,
        "source": "invented",
    }
    (tmp_path / "team.json").write_text(json.dumps(team))
    report = {**json.loads(REPORT), "dataset": "digits", "framework": "torch 2.9"}
    rating = {"directory": str(tmp_path)}
    async with operator(prometheus=prometheus(api), zones=zones(1000), rating=rating):
        await finished(7200.0, report=json.dumps(report))
        await api.until(lambda: measured(api).get("status") == "True")
    found = status(api)["efficiency"]
    assert (found["label"], found["reference"], found["referenceRows"]) == ("A", "team", 7)
    letters = {one["property"]: one["letter"] for one in found["ratings"]}
    assert letters == {"training_energy": "A", "accuracy_top1": "C"}
    assert status(api)["energy"]["gpuModel"] == "NVIDIA A100-SXM4-40GB"
    assert status(api)["sci"]["uncertainty"]["energyRatio"] == "0.05"


def pue_matrix(text: str) -> str:
    """Return Prometheus' answer of one series with this value, into the next hour too."""
    hour = time.time() // 3600 * 3600
    values = [[hour + k * 3600, text] for k in (-1, 0, 1)]
    series = {"metric": {}, "values": values}
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": [series]}})


async def test_the_data_centre_s_overhead_is_read_from_prometheus(
    api: Any, operator: Callable[..., Any], zones: Callable[..., Any], finished: Callable[..., Any]
) -> None:
    """7200 J at 300 g/kWh and a PUE of 1.5 are 0.9 g."""
    api.pue_answer = (200, pue_matrix("1.5"))
    pue = {"XX": {"prometheus": {"url": f"{api.url}/prometheus", "query": "site_pue"}}}
    async with operator(prometheus=prometheus(api), zones=zones(1000), pue=pue):
        await finished(7200.0)
        await api.until(lambda: measured(api).get("status") == "True")
    carbon = status(api)["carbon"]
    assert (carbon["pue"], carbon["pueKind"]) == ("1.5", "Measured")
    assert float(carbon["operationalGrams"]) == pytest.approx(0.9)
    assert "pue_not_included" not in status(api)["sci"].get("warnings", ())
    assert "site_pue" in api.queries
