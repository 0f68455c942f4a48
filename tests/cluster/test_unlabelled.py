"""Workloads that nobody labelled, on a real cluster: seen, explained and reported, never touched.

A plain Job of two pods works on the stand-in GPUs beside a Deployment; the exporter finds their
owners at the real API server with the rights of its chart, and the verbs read a real Prometheus.
"""

import json
from collections.abc import Iterator
from typing import Any

import plugin
import pytest
import unlabelled
from clients import Kubectl, RunningCluster
from demonstration import day
from measured import Installed, query
from singlenode.errors import CommandFailedError
from singlenode.layout import PROMETHEUS_URL
from sleepers import await_
from unlabelled import TEAM

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

SLOT_SECONDS = 15
TOLERANCE = 0.01


@pytest.fixture(scope="module")
def installed(kept_release: Installed) -> Installed:
    """The release that other modules use too."""
    return kept_release


@pytest.fixture(scope="module")
def inside(installed: Installed, unlabelled_team: unlabelled.Team) -> Iterator[Kubectl]:
    """A namespace with a finished Job of two pods, and a Deployment that holds a GPU."""
    on = installed.on
    day.begin(on.layout, on.python, slot_seconds=SLOT_SECONDS)
    day.await_forecast()
    within = unlabelled_team.begin(installed)
    within("wait", "--for=condition=Complete", "job/net", "--timeout=240s", timeout=270)
    yield within
    unlabelled_team.end()


def truth_of_job(inside: Kubectl, installed: Installed) -> float:
    """Return the closed-form energy of the Job's pods, once the stand-in has written it down."""
    pods = inside.json("get", "pods", "--selector", "batch.kubernetes.io/job-name=net")["items"]
    uids = {item["metadata"]["uid"] for item in pods}
    found: dict[str, float] = {}

    def is_written() -> bool:
        lines = [json.loads(line) for line in installed.truth.read_text().splitlines()]
        found.update({line["uid"]: line["energy_joules"] for line in lines if line["uid"] in uids})
        return len(uids) == 2 and found.keys() == uids

    await_(is_written, "the stand-in wrote the truth of both pods")
    return sum(found.values())


def test_an_unlabelled_job_is_measured_explained_and_reported(
    inside: Kubectl, installed: Installed, cluster: RunningCluster
) -> None:
    """Owners by uid, energy within 1 % of the truth over both pods, and nothing was touched."""
    job = inside.json("get", "job", "net")
    owned = f'lowtide_pod_owner_info{{owner_uid="{job["metadata"]["uid"]}"}}[20m]'
    await_(lambda: bool(query(owned)), "the owner of the Job's pods is scraped")
    web = f'lowtide_pod_owner_info{{namespace="{TEAM}",owner_kind="Deployment",owner_name="web"}}'
    await_(lambda: bool(query(web)), "the Deployment behind the ReplicaSet is found")
    truth = truth_of_job(inside, installed)
    verb = plugin.of(cluster)
    where = ("-n", TEAM, "--prometheus", PROMETHEUS_URL, "--since", "20m", "--output", "json")
    story: dict[str, Any] = {}

    def is_final() -> bool:
        try:
            story.update(json.loads(verb("lowtide", "explain", "job/net", *where)))
        except CommandFailedError as error:
            if "in this time" not in str(error):
                raise
            return False  # the first whole minute of the Job is not over
        return story["end"] is not None and len(story["pods"]) == 2

    await_(is_final, "both pods' final values lie in a finished minute")

    assert story["owner_uid"] == job["metadata"]["uid"]
    assert story["energy_joules"] == pytest.approx(truth, rel=TOLERANCE)
    assert story["pods_at_once"] == 1
    assert story["priced_ratio"] == pytest.approx(1)
    assert story["waiting"]["not_judged"] == "the hours in which it could have run are not over"
    rows = {
        (row["owner_kind"], row["owner_name"]): row
        for row in json.loads(verb("lowtide", "energy", *where))["rows"]
    }
    assert rows["Job", "net"]["energy_joules"] == pytest.approx(truth, rel=TOLERANCE)
    assert rows["Deployment", "web"]["energy_joules"] > 0
    report = json.loads(verb("lowtide", "report", *where, "--max-delay", "1s"))
    net = next(row for row in report["rows"] if row["owner_name"] == "net")
    assert net["energy_joules"] == pytest.approx(truth, rel=TOLERANCE)
    after = inside.json("get", "job", "net")
    assert after["metadata"].get("annotations") == job["metadata"].get("annotations")
    assert "lowtide" not in json.dumps(after["metadata"].get("labels", {}))


@pytest.mark.usefixtures("inside")
def test_the_forecast_in_use_is_stored_for_later_reports() -> None:
    """Hour by hour ahead, with what it is."""
    found = query("lowtide_operator_forecast_grams_per_kwh")

    assert {series["metric"]["zone"] for series in found} == {day.ZONE}
    assert "0" in {series["metric"]["ahead_hours"] for series in found}
    assert query("lowtide_operator_default_zone_info")
