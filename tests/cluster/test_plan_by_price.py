"""Objectives against a real API server: jobs wait for clean or for cheap hours, with prices or not.

The operator runs as a process of this machine and serves one fresh namespace. Its grid and its
prices are files: the hour after the first is clean, the one after it is cheap.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from clients import Kubectl, RunningCluster
from operator_process import Operator, until
from standins.ports import free_port

pytestmark = [pytest.mark.cluster, pytest.mark.own_namespace]

CRD = Path(__file__).parents[2] / "crds" / "trainingjobs.lowtide.dev.yaml"
HOUR = timedelta(hours=1)
SPARE = timedelta(minutes=15)
"""An hour that ends sooner than that is not begun with: the jobs are planned in the first."""
GRAMS = [400.0, 400.0, 100.0, 400.0, 400.0, 400.0, 400.0]
MONEY = [200.0, 200.0, 100.0, 40.0, 200.0, 200.0, 200.0]
"""EUR per MWh. In the cheap hour 300 g more save 0.06: a tonne at 200 would weigh as much."""
CONTAINER = {"name": "train", "image": "none.invalid/never:started"}
Start = Callable[..., Operator]
Plan = Callable[[str], dict[str, Any]]


@pytest.fixture
def first_hour() -> datetime:
    """The present hour, or the next where little of it is left; the files begin an hour before."""
    return (datetime.now(UTC) + SPARE).replace(minute=0, second=0, microsecond=0)


@pytest.fixture
def start(
    cluster: RunningCluster, kubectl: Kubectl, namespace: str, tmp_path: Path, first_hour: datetime
) -> Iterator[Start]:
    """Return a function that starts the operator; keywords are further settings."""
    kubectl("apply", "--server-side", "-f", str(CRD))
    grid, prices = tmp_path / "grid.csv", tmp_path / "prices.csv"
    times = [(first_hour + (k - 1) * HOUR).isoformat() for k in range(len(GRAMS))]
    grid.write_text(
        "time,g_per_kwh,forecast\n"
        + "".join(f"{time},,{grams}\n" for time, grams in zip(times, GRAMS, strict=True))
    )
    prices.write_text(
        "time,eur_per_mwh\n"
        + "".join(f"{time},{price}\n" for time, price in zip(times, MONEY, strict=True))
    )
    port = free_port()
    started: list[Operator] = []

    def run(**more: Any) -> Operator:
        sources = [{"kind": "file", "path": str(prices)}]
        settings = {
            "cluster": {"namespaces": [namespace]},
            "zones": {"DE": {"providers": [{"kind": "file", "path": str(grid)}]}},
            "prices": {"DE": {"currency": "EUR", "providers": sources}},
            "forecast": {"refreshSeconds": 1},
            "queue": {"workers": 4},
            "server": {"metricsPort": port, "healthPort": 0},
            **more,
        }
        file = tmp_path / "settings.yaml"
        file.write_text(yaml.safe_dump(settings))
        operator = Operator(cluster.kubeconfig, file, port)
        started.append(operator)
        operator.start()
        return operator

    yield run
    for operator in started:
        assert operator.stop() == 0


@pytest.fixture
def here(kubectl: Kubectl, namespace: str) -> Kubectl:
    """The cluster's client in the test's namespace."""
    return kubectl.within(namespace)


@pytest.fixture
def create(here: Kubectl) -> Callable[..., None]:
    """Return a function that creates a job of half an hour that may wait for the cheap one."""

    def job(name: str, objective: dict[str, str] | None = None) -> None:
        pod = {"containers": [CONTAINER], "restartPolicy": "Never"}
        schedule: dict[str, Any] = {"expectedDurationSeconds": 1800, "maxDelaySeconds": 10800}
        if objective is not None:
            schedule["objective"] = objective
        body = {
            "apiVersion": "lowtide.dev/v1alpha1",
            "kind": "TrainingJob",
            "metadata": {"name": name},
            "spec": {"schedule": schedule, "template": {"spec": {"template": {"spec": pod}}}},
        }
        here("create", "-f", "-", text=json.dumps(body))

    return job


@pytest.fixture
def plan(here: Kubectl) -> Plan:
    """Return a function that waits for the plan of a job."""

    def of(name: str) -> dict[str, Any]:
        def known() -> Any:
            status = here.json("get", "trainingjob", name).get("status") or {}
            return (status.get("plan") or {}).get("start") and status["plan"]

        found: dict[str, Any] = until(known, f"{name} is planned")
        return found

    return of


def hour_of(plan: dict[str, Any], first_hour: datetime) -> int:
    """Return in which of the hours a plan starts."""
    return int((datetime.fromisoformat(plan["start"]) - first_hour) / HOUR)


def test_jobs_wait_for_the_hour_of_their_objective(
    start: Start, create: Callable[..., None], plan: Plan, first_hour: datetime
) -> None:
    """By carbon, by cost, and by both with cheap and with dear tonnes; the plan says the rest."""
    create("carbon")
    create("cost", {"kind": "Cost"})
    create("cheap-tonnes", {"kind": "Both", "pricePerTonne": "150", "currency": "EUR"})
    create("dear-tonnes", {"kind": "Both", "pricePerTonne": "250"})
    start()

    plans = {name: plan(name) for name in ("carbon", "cost", "cheap-tonnes", "dear-tonnes")}

    assert {name: hour_of(one, first_hour) for name, one in plans.items()} == {
        "carbon": 1,
        "cost": 2,
        "cheap-tonnes": 2,
        "dear-tonnes": 1,
    }
    cost = plans["cost"]
    assert (cost["objective"], cost["currency"], cost["plannedPricePerKwh"]) == (
        "Cost",
        "EUR",
        "0.04",
    )
    assert "carbon alone would start at" in cost["alternatives"]
    assert "alternatives" not in plans["carbon"]


def test_a_job_by_cost_without_prices_is_planned_by_carbon_and_says_so(
    start: Start,
    create: Callable[..., None],
    plan: Plan,
    first_hour: datetime,
    here: Kubectl,
    tmp_path: Path,
) -> None:
    """The only source is away, so it takes the clean hour; it is neither refused nor late."""
    gone = [{"kind": "file", "path": str(tmp_path / "gone.csv")}]
    create("cost", {"kind": "Cost"})
    start(prices={"DE": {"currency": "EUR", "providers": gone}})

    found = plan("cost")

    assert hour_of(found, first_hour) == 1
    assert found["objective"] == "Carbon"
    assert "gone.csv cannot be read" in found["objectiveNote"]
    conditions = here.json("get", "trainingjob", "cost")["status"]["conditions"]
    planned = next(one for one in conditions if one["type"] == "Planned")
    assert "planned by carbon alone" in planned["message"]


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        ({"kind": "Cost", "pricePerTonne": "100"}, "pricePerTonne is for kind Both"),
        ({"kind": "Both", "currency": "EUR"}, "currency is that of pricePerTonne"),
        ({"kind": "Green"}, "Unsupported value"),
    ],
)
def test_the_api_server_refuses_an_objective_that_cannot_be(
    kubectl: Kubectl,
    create: Callable[..., None],
    objective: dict[str, str],
    words: str,
) -> None:
    """Before anything is stored, in words that name the field."""
    kubectl("apply", "--server-side", "-f", str(CRD))
    with pytest.raises(Exception, match=words):
        create("wrong", objective)
