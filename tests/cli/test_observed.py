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

pytestmark = [pytest.mark.slow, pytest.mark.beside_cluster]

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
    # A TrainingJob stands beside this one; its pods do not say so.
    pod("taken-up", at(2, 12), 1, owner=("JobSet", "taken-up", "u-taken")),
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
    past.job_info("tj", "")
    past.job_info("taken-up-1a2b3c", "u-taken", zone="FR")
    past.grid(intensity, price=0.30)
    past.grid(lambda _: 50.0, zone="FR", price=0.20, default=False)
    if with_forecasts:
        past.forecasts(expected)
    return past


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The week with the operator's forecasts."""
    with serving(week(with_forecasts=True), tmp_path_factory.mktemp("prometheus")) as url:
        yield url


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No kubectl: what a cluster of this machine says must not matter."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))


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


@pytest.fixture
def report(lowtide: Run, prometheus: str) -> Run:
    """A function that reports on the week."""

    def run(*options: str) -> Result:
        return lowtide("report", "-n", "ml", "--prometheus", prometheus, *WEEK, *options)

    return run


def test_the_report_says_what_waiting_would_have_saved_by_workload_and_week(report: Run) -> None:
    """Five runs are judged: 1,750 g; 1,200 g at best; 600 g by a planner that erred on Thursday."""
    result = report("--output", "json")

    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    total = found["total"]
    assert (total["judged_count"], total["planned_count"]) == (5, 5)
    assert total["at_once_grams"] == pytest.approx(1750)
    assert total["best_saving_grams"] == pytest.approx(1200)
    assert total["planned_saving_grams"] == pytest.approx(600)
    assert total["energy_joules"] == pytest.approx(28.3 * 3.6e6, rel=1e-3)
    rows = {(row["owner_kind"], row["owner_name"]): row for row in found["rows"]}
    assert {row["week"] for row in found["rows"]} == {"2026-W10"}
    net = rows["Job", "net"]
    assert net["run_count"] == 2
    assert net["operational_grams"] == pytest.approx(1600)
    assert net["electricity_cost"] == pytest.approx(4 * 0.30)
    assert net["mean_delay_seconds"] == pytest.approx((16 + 4) / 2 * 3600)
    assert rows["CronJob", "nightly"]["run_count"] == 3
    assert rows["CronJob", "nightly"]["best_saving_grams"] == pytest.approx(0, abs=1e-6)


def test_what_is_not_judged_is_counted_with_its_reason(report: Run) -> None:
    """Nothing is scaled up for a service, a scheduled job, an open run, or unknown hours."""
    found = json.loads(report("--output", "json").stdout)

    why = {
        row["owner_name"]: [run["not_judged"] for run in row["runs"]]
        for row in found["rows"]
        if row["owner_name"] not in ("net", "nightly")
    }
    assert why == {
        "web": ["it is to run all the time"],
        "tj": ["Lowtide schedules it already"],
        "taken-up": ["Lowtide schedules it already"],
        "evening": ["the intensity of some of its hours is not known"],
        "open": ["it had not ended by the end of the report"],
        None: ["it is not known whether its kind could run at another time"],
    }
    assert found["rows"][0]["owner_name"] == "web"


def test_a_shorter_delay_saves_less(report: Run) -> None:
    """Twelve hours after 10 h the night is not reached: nothing could be saved."""
    found = json.loads(report("--max-delay", "12h", "--output", "json").stdout)

    assert found["total"]["best_saving_grams"] == pytest.approx(0, abs=1e-6)
    assert found["max_delay_seconds"] == 12 * 3600


def test_the_table_answers_first_and_says_what_it_rests_on(report: Run) -> None:
    """One sentence, the table, and the assumptions."""
    lines = report().stdout.splitlines()

    assert lines[0] == (
        "Namespace ml: 5 runs that could have started up to 1 d later emitted 1.75 kg; "
        "1.20 kg (69 %) could have been saved at best, 600 g (34 %) by the planner with the "
        "forecasts of its time."
    )
    assert lines[2].split() == [
        *("WEEK", "WORKLOAD", "ZONE", "RUNS", "ENERGY", "CARBON", "COST", "PLANNER", "SAVES"),
        *("MONEY", "SAVED", "AT", "BEST", "DELAY"),
    ]
    text = "\n".join(lines)
    assert "job/net" in text
    assert "Not considered: whether GPUs would have been free" in text
    assert "Not judged: 1 run (16.8 kWh), because it is to run all the time." in text


def test_each_workload_has_the_zone_of_its_trainingjob_or_the_given_one(report: Run) -> None:
    """1 kWh at 50 g in FR by the operator's own word, 4 kWh by the user's, the rest in DE."""
    found = json.loads(report("--output", "json", "--workload-zone", "job/net=FR").stdout)

    rows = {row["owner_name"]: row for row in found["rows"]}
    assert {name: row["zone"] for name, row in rows.items() if row["zone"] != "DE"} == {
        "taken-up": "FR",
        "net": "FR",
    }
    assert rows["taken-up"]["operational_grams"] == pytest.approx(50)
    assert rows["net"]["operational_grams"] == pytest.approx(4 * 50)
    assert rows["net"]["electricity_cost"] == pytest.approx(4 * 0.20)
    assert [one["zone"] for one in found["zones"]] == ["DE", "FR"]


def test_a_zone_of_a_workload_that_was_not_measured_is_said(report: Run) -> None:
    """A typing error changes no figure in silence."""
    result = report("--output", "json", "--workload-zone", "job/nett=FR")

    assert "note: --workload-zone job/nett: it was not measured in this time" in result.stderr
    assert json.loads(result.stdout)["total"]["at_once_grams"] == pytest.approx(1750)


@pytest.mark.parametrize("words", ["net=FR", "job/net", "job/=FR", "thing/net=FR"])
def test_a_zone_of_no_workload_is_refused(report: Run, words: str) -> None:
    """Exit code 1 or 2 with what was given, before anything is asked."""
    result = report("--workload-zone", words)

    assert result.exit_code in (1, 2)
    assert "net" in result.stderr or "valid name" in result.stderr


@pytest.fixture
def annotated(kubectl: Any, tmp_path: Path) -> Any:
    """A kubectl whose namespace ml says FR, and whose only Job, net, says DE.

    Every call gets the same answer: a list that is also the namespace.
    """
    zone = "lowtide.dev/zone"
    job = {"metadata": {"name": "net", "uid": "u-net-2", "annotations": {zone: " DE "}}}
    kubectl.answers({"metadata": {"annotations": {zone: "FR"}}, "items": [job]})
    return kubectl


def test_a_workload_without_a_label_has_the_zone_of_its_annotation(
    annotated: Any, report: Run
) -> None:
    """The one Job that is there by its own word, what is gone by its namespace's: 50 g in FR."""
    result = report("--output", "json")

    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    rows = {
        row["owner_name"]: (row["zone"], row["zone_sources"])
        for row in found["rows"]
        if row["owner_name"] != "net"
    }
    assert rows == {
        "nightly": ("FR", ["namespace"]),
        "web": ("FR", ["namespace"]),
        "tj": ("FR", ["namespace"]),
        "taken-up": ("FR", ["trainingjob"]),
        "evening": ("FR", ["namespace"]),
        "open": ("FR", ["namespace"]),
        None: ("FR", ["namespace"]),
    }
    nets = {row["zone"]: row for row in found["rows"] if row["owner_name"] == "net"}
    assert {zone: row["zone_sources"] for zone, row in nets.items()} == {
        "DE": ["annotation"],
        "FR": ["namespace"],
    }
    assert nets["DE"]["operational_grams"] == pytest.approx(2 * 400)
    assert nets["FR"]["operational_grams"] == pytest.approx(2 * 50)
    asked = {tuple(call[:2]) for call in annotated.calls}
    assert ("get", "namespace") in asked
    assert ("get", "jobs.v1.batch") in asked
    assert all(call[0] == "get" for call in annotated.calls)


def test_a_given_zone_counts_before_annotations(annotated: Any, report: Run) -> None:
    """Both objects called net are in DE because the user says so, and nothing else changes."""
    found = json.loads(report("--output", "json", "--workload-zone", "job/net=DE").stdout)

    rows = {row["owner_name"]: (row["zone"], row["zone_sources"]) for row in found["rows"]}
    assert rows["net"] == ("DE", ["given"])
    assert rows["nightly"] == ("FR", ["namespace"])


def test_an_explained_workload_has_the_zone_of_its_annotation(annotated: Any, explain: Run) -> None:
    """The older object of the name is gone; the newer one says DE, and --zone counts before."""
    assert "zone DE" in explain("job/net").stdout
    assert "zone FR" in explain("cronjob/nightly").stdout
    assert "zone DE" in explain("cronjob/nightly", "--zone", "DE").stdout


def test_an_annotation_that_is_no_zone_is_said_and_not_used(kubectl: Any, report: Run) -> None:
    """The default of the operator stands."""
    kubectl.answers({"metadata": {"annotations": {"lowtide.dev/zone": "no zone"}}, "items": []})

    result = report("--output", "json")

    assert "note: lowtide.dev/zone of namespace ml: 'no zone' is not the name of a zone" in (
        result.stderr
    )
    rows = {row["owner_name"]: row["zone"] for row in json.loads(result.stdout)["rows"]}
    assert rows["net"] == "DE"


def test_a_cluster_that_does_not_answer_costs_the_annotations_only(
    kubectl: Any, report: Run
) -> None:
    """Figures are those of a report without a cluster, and the reason is told."""
    kubectl.fails("Unable to connect to the server: refused")

    result = report("--output", "json")

    assert "note: annotations of namespace ml are not read: Unable to connect" in result.stderr
    assert json.loads(result.stdout)["total"]["at_once_grams"] == pytest.approx(1750)
    assert len(kubectl.calls) == 1


def test_prices_of_a_file_stand_instead_of_those_that_were_recorded(
    report: Run, tmp_path: Path
) -> None:
    """Half as dear from 2 to 6 h: 4 kWh of net at 0.40; the Tuesday run at 0.20 saves 0.40."""
    lines = ["time,usd_per_kwh"]
    lines += [
        f"{at(-9, hour):%Y-%m-%dT%H:%M:%SZ},{0.20 if 2 <= at(-9, hour).hour < 6 else 0.40}"
        for hour in range(24 * 19)
    ]
    prices = tmp_path / "tariff.csv"
    prices.write_text("\n".join(lines) + "\n")

    found = json.loads(report("--output", "json", "--prices", f"DE={prices}").stdout)

    net = next(row for row in found["rows"] if row["owner_name"] == "net")
    assert (net["currency"], net["electricity_cost"]) == ("USD", pytest.approx(4 * 0.40))
    # The other run of net was moved to an hour of the same price, by a wrong forecast.
    assert net["planned_saving_cost"] == pytest.approx(2 * 0.20)
    zones = {one["zone"]: (one["currency"], one["price_source"]) for one in found["zones"]}
    assert zones == {"DE": ("USD", "tariff.csv"), "FR": ("EUR", "recorded by the operator")}
    assert found["total"]["electricity_cost"] is None
    everywhere = report("--prices", str(prices)).stdout
    assert "1.60 USD" in everywhere
    assert "Money of zone FR is by prices in USD, tariff.csv; nothing is planned by it." in (
        everywhere
    )


def test_a_file_without_prices_is_refused(report: Run, tmp_path: Path) -> None:
    """Exit code 1, with what its first line lacks; exit code 2 for no file."""
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("time,price\n2026-03-02T00:00Z,3\n")

    assert report("--prices", str(wrong)).exit_code == 1
    assert "write one, such as eur_per_kwh" in report("--prices", str(wrong)).stderr
    assert report("--prices", "DE=nowhere.csv").exit_code == 2


def test_a_recorded_trace_prices_what_the_operator_did_not_see(report: Run, tmp_path: Path) -> None:
    """A zone that Prometheus does not know: 28.3 kWh at 250 g, its column's factor said."""
    lines = ["time,lifecycle g/kWh"]
    lines += [f"{at(-9, hour):%Y-%m-%dT%H:%M:%SZ},250" for hour in range(24 * 19)]
    trace = tmp_path / "es.csv"
    trace.write_text("\n".join(lines) + "\n")

    given = ("--zone", "ES", "--trace", f"ES={trace}", "--output", "json")
    found = json.loads(report(*given, "--workload-zone", "jobset/taken-up=ES").stdout)

    assert found["total"]["operational_grams"] == pytest.approx(28.3 * 250, rel=1e-3)
    assert (found["zone"], found["factor"]) == ("ES", "life-cycle")
    assert found["intensity_source"] == "from a file"
    assert "a trace has no forecasts" in found["forecasts"]


def test_a_trace_of_another_time_is_refused(report: Run, tmp_path: Path) -> None:
    """Exit code 1; the time of the report is named."""
    trace = tmp_path / "de.csv"
    trace.write_text("time,g/kWh\n2020-01-01T00:00Z,100\n2020-01-01T01:00Z,100\n")

    result = report("--trace", f"DE={trace}")

    assert result.exit_code == 1
    assert "the trace of zone DE says nothing about the time of the report" in result.stderr


def test_overhead_raises_grams_and_leaves_shares_alone(report: Run) -> None:
    """A PUE of 1.5 makes 1,750 g to 2,625 g; 69 % stay 69 %."""
    text = report("--pue", "1.5").stdout

    assert "emitted 2.62 kg; 1.80 kg (69 %)" in text or "emitted 2.63 kg; 1.80 kg (69 %)" in text
    assert "with an overhead (PUE) of 1.50" in text


def test_a_run_of_the_present_quarter_hour_has_its_grams(lowtide: Run, prometheus: str) -> None:
    """Sunday 22:00 to 22:16 of the open job at 1 kW and 400 g/kWh are 106.7 g; none is lost."""
    now = ("--to", "2026-03-08T22:16Z", "--since", "30m", "--output", "json")

    result = lowtide("explain", "job/open", "-n", "ml", "--prometheus", prometheus, *now)

    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["priced_ratio"] == pytest.approx(1)
    assert found["operational_grams"] == pytest.approx(16 / 60 * 400, rel=1e-3)


def test_a_long_time_is_asked_for_in_pieces_that_prometheus_answers(
    lowtide: Run, prometheus: str
) -> None:
    """90 days and 30 before them are 11,520 quarter hours: more than one answer may hold."""
    long = ("--to", "2026-03-09T00:00Z", "--since", "90d", "--output", "json")

    result = lowtide("report", "-n", "ml", "--prometheus", prometheus, *long)

    assert result.exit_code == 0, result.output
    total = json.loads(result.stdout)["total"]
    assert total["best_saving_grams"] == pytest.approx(1200, rel=0.01)


def test_the_page_is_written_to_a_file(report: Run, tmp_path: Path) -> None:
    """One file, with the answer and the runs inside."""
    page = tmp_path / "ml.html"

    assert report("--output", "html", "--file", str(page)).exit_code == 0

    text = page.read_text()
    assert "600 g (34 %) by the planner" in text
    assert "job/net" in text
    assert "default-src 'none'" in text


def test_a_namespace_without_pods_is_said(lowtide: Run, prometheus: str) -> None:
    """Not a traceback, and not a table of zeros."""
    result = lowtide("report", "-n", "empty", "--prometheus", prometheus, *WEEK)

    assert result.exit_code == 0
    assert "no pod was measured in this time" in result.stdout
