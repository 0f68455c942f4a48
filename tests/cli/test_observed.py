"""A namespace that was only watched, on a real Prometheus that holds a made-up week.

The grid emits 100 g/kWh from 2 to 6 h UTC and 400 g/kWh otherwise. The operator's forecasts were
right but for Thursday, when they promised a clean afternoon. Figures are hand calculations.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from standins.backfilled import Past, PastPod, serving

pytestmark = pytest.mark.slow

Run = Callable[..., Result]
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
WEEK = ("--to", "2026-03-09T00:00Z", "--since", "7d")


def at(day: int, hour: float) -> datetime:
    """Return a time of the week; day 0 is Monday."""
    return MONDAY + timedelta(days=day, hours=hour)


def intensity(moment: datetime) -> float:
    """Return what the grid emitted just before a time."""
    return 100.0 if 2 <= (moment - timedelta(seconds=1)).hour < 6 else 400.0


def expected(made: datetime, hour: datetime) -> float:
    """Return what the operator expected of an hour."""
    if made.date() == at(3, 0).date() and hour.date() == made.date():
        return 50.0 if hour.hour in (14, 15) else 400.0
    return 100.0 if 2 <= hour.hour < 6 else 400.0


def pod(name: str, start: datetime, hours: float, watts: float = 1000, **more: Any) -> PastPod:
    """Return a pod that runs for some hours."""
    return PastPod(name=name, start=start, end=start + timedelta(hours=hours), watts=watts, **more)


PODS = (
    # 2 kWh at 400 g; at 2 h of the next morning 200 g: 600 g could be saved.
    pod("net-1", at(1, 10), 2),
    # Again under the same name, on Thursday, when the forecast was wrong: 14 h is as dirty.
    pod("net-2", at(3, 10), 2, owner=("Job", "net", "u-net-2")),
    # Every night in the clean hours: nothing to save.
    *(
        pod(f"nightly-{day}", at(day, 3), 1, 500, owner=("CronJob", "nightly", "u-cron"))
        for day in range(3)
    ),
    pod("web-1", at(-2, 0), 24 * 9 + 3, 100, owner=("Deployment", "web", "u-web")),
    pod("tj-1", at(2, 12), 1, owner=("TrainingJob", "tj", "u-tj"), trainingjob_uid="u-tj"),
    pod("evening", at(6, 20), 1, owner=("Job", "evening", "u-evening")),
    pod("open", at(6, 22), 9, owner=("Job", "open", "u-open")),
    pod("stranger", at(4, 12), 1, owner=None),
    pod("elsewhere", at(4, 12), 1, namespace="other", owner=("Job", "elsewhere", "u-else")),
)


def week(*, with_forecasts: bool) -> Past:
    """Return the week, five days before it and an hour after it."""
    past = Past(at(-5, 0), at(7, 1))
    for one in PODS:
        past.pod(one)
    past.grid(intensity, price=0.30)
    if with_forecasts:
        past.forecasts(expected)
    return past


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The week with the operator's forecasts."""
    with serving(week(with_forecasts=True), tmp_path_factory.mktemp("prometheus")) as url:
        yield url


@pytest.fixture
def explain(lowtide: Run, prometheus: str) -> Run:
    """A function that explains a workload of the week."""

    def run(reference: str, *options: str) -> Result:
        return lowtide(
            "explain", reference, "-n", "ml", "--prometheus", prometheus, *WEEK, *options
        )

    return run


def test_a_job_without_a_label_is_explained_from_the_exporters_series(explain: Run) -> None:
    """The newest object of the name: 2 kWh, 800 g, 0.60 EUR; the older one is named."""
    result = explain("job/net", "--output", "json")

    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["owner_uid"], found["other_uids"]) == ("u-net-2", ["u-net"])
    assert found["energy_joules"] == pytest.approx(2 * 3.6e6)
    assert found["operational_grams"] == pytest.approx(800)
    assert found["electricity_cost"] == pytest.approx(0.60)
    assert found["gpu_held_seconds"] == pytest.approx(7200)
    assert [entry["name"] for entry in found["pods"]] == ["net-2"]
    # The planner believed in a clean afternoon and found 400 g there; the night had 100 g.
    assert found["waiting"]["planned_start"] == "2026-03-05T14:00:00Z"
    assert found["waiting"]["planned_grams"] == pytest.approx(800)
    assert found["waiting"]["best_start"] == "2026-03-06T02:00:00Z"
    assert found["waiting"]["best_grams"] == pytest.approx(200)


def test_the_story_of_a_workload_reads_well(explain: Run) -> None:
    """Every figure with its unit and its kind."""
    text = explain("jobs.batch/net").stdout

    assert text.startswith("job/net in ml (u-net-2)\n")
    assert "energy   2.00 kWh (2.00 kWh of gpu)" in text
    assert "carbon   800 g operational (average, life-cycle emissions, zone DE" in text
    assert "waiting  up to 24 h 0 min" not in text
    assert "waiting  up to 1 d, in one piece, would have saved of 800 g" in text
    assert "at best: 600 g (75 %), start 2026-03-06 02:00Z" in text


@pytest.mark.parametrize(
    ("reference", "kind", "joules"),
    [
        ("deployment/web", "Deployment", 7 * 24 * 0.1 * 3.6e6),
        ("cronjob/nightly", "CronJob", 1.5 * 3.6e6),
        ("pod/net-1", "Job", 2 * 3.6e6),
        ("pod/stranger", "Pod", 3.6e6),
    ],
)
def test_other_kinds_and_single_pods_are_explained(
    explain: Run, reference: str, kind: str, joules: float
) -> None:
    """A pod is found by its own name, whoever owns it; what began before is cut at the week."""
    found = json.loads(explain(reference, "--output", "json").stdout)

    assert found["owner_kind"] == kind
    assert found["energy_joules"] == pytest.approx(joules, rel=1e-3)


def test_a_workload_that_is_not_there_is_refused_with_what_is(explain: Run) -> None:
    """Another namespace's job is not shown, and the names of this one are."""
    result = explain("job/elsewhere")

    assert result.exit_code == 1
    assert "no pod of Job elsewhere in namespace ml was measured in this time" in result.stderr
    assert "deployment/web" in result.stderr


def test_a_namespace_called_like_no_kind_is_still_a_namespace(lowtide: Run, tmp_path: Path) -> None:
    """`team/net` stays a TrainingJob of namespace team."""
    result = lowtide("explain", "team/net", "--kubeconfig", str(tmp_path / "none"))

    assert result.exit_code == 1
    assert "measured in this time" not in result.stderr
