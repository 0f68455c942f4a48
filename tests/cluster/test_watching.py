"""Views that people watch, on real data: dashboards, rules, a real Alertmanager, and the verbs.

One release, one training that really runs, and a job that waits; every query of the dashboards and
rules is asked from the Prometheus that scraped them.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import alertmanager
import plugin
import pytest
import yaml
from clients import Kubectl, RunningCluster
from demonstration import stage
from measuredday import NAME, WAITING, MeasuredDay
from singlenode.commands import run
from singlenode.layout import PROMETHEUS_URL, REPOSITORY
from sleepers import await_, sleeper

from lowtide.cli.prometheus import PrometheusApi
from lowtide.report.dashboards import DASHBOARDS, Dashboard
from lowtide.report.dashboards.queries import Choice, question

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

STEP_SECONDS = 5
BUDGET_KILOWATT_HOURS = 0.0001
"""360 J: two seconds of one core at the stand-in's 250 W."""
METRIC = re.compile(r"\b((?:[a-z]+:)?(?:lowtide|kube)_[a-z0-9_]+(?::[a-z0-9_]+)?)\b")

EMPTY_BY_NATURE = {
    "Counter against power": "compares two meters over five minutes, which this run does not last",
    "Reached of what was possible": "is known when the deadline has passed",
    "Forecast score": "needs days of forecasts that came true",
    "Forecast error": "needs days of forecasts that came true",
    "Emissions of every pod, by owner": "reads a recording rule, evaluated below",
    "Electricity cost of every pod, by owner": "reads a recording rule, evaluated below",
    "Most that waiting a day could have saved": "is known a day later",
    "Replicas": "no job of this run may change its size",
    "Ratings": "needs a reference set, or five finished jobs to make one from",
}
"""Title of a panel to the reason why a healthy cluster has no data for it."""

NOT_PREDICTED = "lowtide_trainingjob_predicted_"
"""Series of predictions: they need five epochs or steps, and this run has fewer."""

ABSENT_BY_NATURE = {
    "kube_node_status_allocatable": "comes from kube-state-metrics, which is not ours",
    "cluster:lowtide_unattributed_energy:ratio_rate1h": "a recording rule, evaluated below",
}
"""Metrics of alerts that a cluster without other people's exporters does not have."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The time in which one job waited, ran and was measured."""

    since: datetime
    until: datetime

    def over_time(self, expression: str) -> list[Any]:
        """Return the series that an expression had in this time."""
        server = PrometheusApi(url=PROMETHEUS_URL, timeout_seconds=20)
        end = self.until.timestamp()
        # The last step is the end itself: the figures of the job come last.
        steps = int((self.until - self.since).total_seconds() // STEP_SECONDS)
        start = end - steps * STEP_SECONDS
        return server.matrix(expression, start=start, end=end, step_seconds=STEP_SECONDS)


@pytest.fixture(scope="module")
def seen(measured_day: MeasuredDay) -> Seen:
    """The day that all tests look at."""
    return Seen(measured_day.since, measured_day.until)


@pytest.fixture(scope="module")
def rules(cluster: RunningCluster) -> dict[str, Any]:
    """The chart's own rules, as Prometheus reads them; the energy budget of a job is 360 J."""
    budgets = {"jobEnergyKilowattHours": BUDGET_KILOWATT_HOURS, "jobCarbonKilograms": 1}
    values = {"monitoring": {"prometheusRule": {"enabled": True, "budgets": budgets}}}
    rendered = run(
        [
            cluster.programs.clients / "helm", "template", "lowtide",
            REPOSITORY / "charts" / "lowtide", "--values", "-",
            "--show-only", "templates/monitoring/prometheusrule.yaml",
        ],
        input_text=yaml.safe_dump(values),
    )  # fmt: skip
    spec: dict[str, Any] = yaml.safe_load(rendered)["spec"]
    return spec


@pytest.fixture
def manager(
    seen: Seen, cluster: RunningCluster, rules: dict[str, Any], tmp_path: Path
) -> Iterator[alertmanager.Alertmanager]:
    """A real Alertmanager, to which the cluster's Prometheus sends what the rules say."""
    assert cluster.layout is not None
    with alertmanager.running(cluster, cluster.layout, rules, tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def verb(cluster: RunningCluster) -> plugin.Verb:
    """A function that runs `kubectl lowtide ...` as a user does."""
    return plugin.of(cluster)


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.uid)
def test_every_query_of_a_dashboard_returns_data(seen: Seen, board: Dashboard) -> None:
    """All panels, all variables at their widest; what is empty by nature is named with a reason."""
    choice = Choice(range_seconds=300, rate_seconds=4 * stage.SCRAPE_SECONDS)

    empty = {
        panel.title: query.expression
        for panel in board.panels
        for query in panel.queries
        if NOT_PREDICTED not in query.expression
        and not seen.over_time(question(panel, query, choice).expression)
    }

    assert {title: text for title, text in empty.items() if title not in EMPTY_BY_NATURE} == {}


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.uid)
def test_a_chosen_job_has_data_too(seen: Seen, board: Dashboard) -> None:
    """The variables at one namespace and one job select what they name, and nothing is lost."""
    choice = Choice(
        range_seconds=300,
        rate_seconds=4 * stage.SCRAPE_SECONDS,
        namespace=stage.NAMESPACE,
        trainingjob=NAME,
    )
    chosen = [
        question(panel, query, choice).expression
        for panel in board.panels
        for query in panel.queries
        if "$trainingjob" in query.expression
        and NOT_PREDICTED not in query.expression
        and panel.title not in EMPTY_BY_NATURE
    ]

    for expression in chosen:
        series = seen.over_time(expression)
        assert series, expression
        assert all(labels.get("trainingjob", NAME) == NAME for labels, _ in series)


def test_every_recording_rule_records(seen: Seen, rules: dict[str, Any]) -> None:
    """Each expression gives series in the time of a real run."""
    records = {
        rule["record"]: rule["expr"]
        for group in rules["groups"]
        for rule in group["rules"]
        if "record" in rule
    }

    def raw(expression: str) -> str:
        """Return an expression with the rules that it reads put in their places."""
        for _ in records:
            for name, inner in records.items():
                expression = expression.replace(name, f"({inner})")
        return expression

    assert len(records) == 12
    known_later = {"namespace_owner:lowtide_waiting_bound_grams_per_second:rate5m"}
    empty = [
        name
        for name, expression in records.items()
        if name not in known_later and not seen.over_time(raw(expression))
    ]
    assert empty == []


def test_every_metric_of_an_alert_is_there(seen: Seen, rules: dict[str, Any]) -> None:
    """An alert on a series that no program serves would never fire."""
    names = {
        name
        for group in rules["groups"]
        for rule in group["rules"]
        if "alert" in rule
        for name in METRIC.findall(rule["expr"].replace("(operational|embodied)", "operational"))
    }

    absent = {name for name in names if not seen.over_time(name)}

    assert absent <= ABSENT_BY_NATURE.keys()


def test_a_healthy_cluster_raises_no_alert(seen: Seen, rules: dict[str, Any]) -> None:
    """No expression but that of the tiny budget holds at the end of the run.

    What pods of earlier tests left in the same Prometheus held at its beginning already.
    """
    server = PrometheusApi(url=PROMETHEUS_URL, timeout_seconds=20)

    def holds_for(expression: str, moment: datetime) -> set[frozenset[tuple[str, str]]]:
        found = server.vector(expression, at=moment.timestamp())
        return {frozenset(labels.items()) for labels, _ in found}

    holding = {
        rule["alert"]
        for group in rules["groups"]
        for rule in group["rules"]
        if "alert" in rule
        and holds_for(rule["expr"], seen.until) - holds_for(rule["expr"], seen.since)
    }

    assert holding == {"JobEnergyBudgetExceeded"}


def test_people_are_told_of_a_job_over_its_budget_and_of_its_end(
    manager: alertmanager.Alertmanager,
    kubectl: Kubectl,
    images: dict[str, str],
    rules: dict[str, Any],
) -> None:
    """Chart, exporter, operator, Prometheus and Alertmanager as they are; a webhook is told."""
    name, inside = "over-budget", kubectl.within(stage.NAMESPACE)

    def told(status: str) -> list[dict[str, Any]]:
        found = manager.notified("JobEnergyBudgetExceeded", status)
        return [alert for alert in found if alert["labels"]["trainingjob"] == name]

    inside.apply(sleeper(name, images["base"], busy=True))
    await_(lambda: bool(told("firing")), "the alert has arrived")
    (held,) = [
        alert
        for alert in manager.alerts("JobEnergyBudgetExceeded")
        if alert["labels"]["trainingjob"] == name
    ]
    inside("delete", "trainingjob", name, "--wait=true")
    await_(lambda: bool(told("resolved")), "its end has arrived")

    assert held["labels"] == {
        "alertname": "JobEnergyBudgetExceeded",
        "namespace": stage.NAMESPACE,
        "trainingjob": name,
        "severity": "warning",
    }
    assert held["annotations"]["summary"] == "A TrainingJob has used more energy than its budget."
    assert held["annotations"]["description"].startswith(f"{stage.NAMESPACE}/{name} has used ")
    page = held["annotations"]["runbook_url"].rpartition("/")[2]
    assert (REPOSITORY / "docs" / "runbooks" / page).is_file()


def test_page_without_grafana_is_drawn_from_the_same_prometheus(
    seen: Seen, verb: plugin.Verb, tmp_path: Path
) -> None:
    """Every panel of the page has data, and stand-in GPUs are named."""
    page = tmp_path / "dashboards.html"

    verb(
        "lowtide", "dashboard", "-o", str(page), "--prometheus", PROMETHEUS_URL,
        "--from", seen.since.isoformat(), "--to", seen.until.isoformat(),
        "--scrape-interval", f"{stage.SCRAPE_SECONDS}s",
    )  # fmt: skip

    (text,) = re.findall(r'id="data">(.*?)</script>', page.read_text(), re.S)
    data = json.loads(text)
    assert data["mock"] is True
    # The training pod is gone at the end of the time shown, and so is its power.
    gone = {"Power now"}
    empty = [one["title"] for one in data["boards"] for one in one["panels"] if one.get("empty")]
    assert set(empty) <= gone | EMPTY_BY_NATURE.keys()


def test_status_and_explain_tell_of_the_finished_job(seen: Seen, verb: plugin.Verb) -> None:
    """The table is for people, JSON is the job's own status, and every figure follows."""
    where = ("-n", stage.NAMESPACE)
    table = verb("lowtide", "status", *where)
    listed = json.loads(verb("lowtide", "status", *where, "--output", "json"))
    explained = verb("lowtide", "explain", NAME, *where)

    assert re.search(rf"^{NAME} +Complete ", table, re.M)
    (status,) = [entry["status"] for entry in listed if entry["name"] == NAME]
    assert status["energy"]["totalJoules"] > 0
    assert NAME in explained
    assert "g/kWh" in explained


def test_compare_and_watch_read_the_cluster(seen: Seen, verb: plugin.Verb) -> None:
    """Side by side with itself nothing differs; the live view shows both jobs."""
    compared = json.loads(
        verb("lowtide", "compare", NAME, NAME, "-n", stage.NAMESPACE, "-o", "json")
    )
    watched = verb("lowtide", "watch", "--once", "-A", "--prometheus", PROMETHEUS_URL)

    assert compared
    assert NAME in watched
    assert WAITING in watched
    assert re.search(r"DE [0-9]+ g/kWh", watched)


def test_plan_needs_no_cluster(verb: plugin.Verb) -> None:
    """The plugin answers from a trace alone."""
    trace = REPOSITORY / "examples" / "traces" / "DE.csv"

    said = verb(
        "lowtide", "plan", "--zone", "DE", "--duration", "4h", "--trace", str(trace),
        "--at", "2021-08-14T01:00Z",
    )  # fmt: skip

    assert "to save 47 %" in said


def test_suspend_resume_and_run_now_change_a_waiting_job(
    seen: Seen, verb: plugin.Verb, kubectl: Kubectl, images: dict[str, str]
) -> None:
    """Each verb ends in the state that its name promises."""
    inside, name = kubectl.within(stage.NAMESPACE), "obeys"

    def becomes(state: str) -> None:
        condition = f"--for=jsonpath={{.status.display.state}}={state}"
        inside("wait", condition, f"trainingjob/{name}", "--timeout=240s", timeout=270)

    inside.apply(sleeper(name, images["base"], wait=True))
    becomes("Waiting")
    verb("lowtide", "suspend", name, "-n", stage.NAMESPACE)
    becomes("Suspended")
    verb("lowtide", "resume", name, "-n", stage.NAMESPACE)
    becomes("Waiting")
    verb("lowtide", "run-now", name, "-n", stage.NAMESPACE)
    becomes("Running")
    inside("delete", "trainingjob", name)


def test_kubeconfig_context_and_namespace_are_kubectl_s(
    seen: Seen, cluster: RunningCluster, verb: plugin.Verb
) -> None:
    """A kubeconfig by option, its context by name, and a namespace without jobs."""
    context = yaml.safe_load(Path(cluster.kubeconfig).read_text())["current-context"]

    named = verb(
        "lowtide", "status", "--kubeconfig", cluster.kubeconfig, "--context", context,
        "-n", stage.NAMESPACE, "-o", "json",
    )  # fmt: skip

    assert {entry["name"] for entry in json.loads(named)} >= {NAME, WAITING}
    assert verb("lowtide", "status", "-n", "kube-public") == ""


def test_kubectl_completes_verbs_and_jobs(seen: Seen, verb: plugin.Verb) -> None:
    """The plugin is asked what may come next, as by the completion scripts of kubectl itself."""
    verbs = verb("__complete", "lowtide", "sus")
    jobs = verb("__complete", "lowtide", "explain", "-n", stage.NAMESPACE, "inc")

    assert verbs.splitlines()[0].startswith("suspend")
    assert jobs.splitlines()[0] == NAME
