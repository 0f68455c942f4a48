"""`lowtide energy` on a real Prometheus that holds a made-up day; truth is a hand calculation.

Intensity is 100 g/kWh before noon and 400 after it; a kilowatt-hour costs 0.30 EUR.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import Result
from standins.backfilled import Past, PastPod, serving

pytestmark = pytest.mark.slow

Run = Callable[..., Result]
DAY = datetime(2026, 3, 2, tzinfo=UTC)
END = DAY + timedelta(days=1)


def hour(hours: float) -> datetime:
    """Return a time of the day."""
    return DAY + timedelta(hours=hours)


PODS = (
    # 1 kW from 11 to 13 h: 1 kWh at 100 g and 1 kWh at 400 g.
    PastPod(name="net-0", start=hour(11), end=hour(13), watts=1000),
    # A second pod of the same owner on another node, 90 s long: 25 Wh at 100 g/kWh are 2.5 g.
    PastPod(
        name="net-1", start=hour(1), end=hour(1) + timedelta(seconds=90), watts=1000, node="n2"
    ),
    # Began the day before: only the 24 h of the day count, 0.1 kW by 24 h.
    PastPod(
        name="web-1",
        start=hour(-6),
        end=hour(30),
        watts=100,
        namespace="shop",
        owner=("Deployment", "web", "u-web"),
    ),
    PastPod(name="lost", start=hour(2), end=hour(3), watts=500, owner=None),
)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The day, and a little before and after it."""
    past = Past(hour(-2), hour(25))
    for pod in PODS:
        past.pod(pod)
    past.grid(lambda at: 100.0 if at <= hour(12) else 400.0, price=0.30)
    past.add(
        "lowtide_node_unallocated_energy_joules_total",
        {"component": "gpu", "part": "idle_held", "reason": "free", "node": "n1"},
        lambda at: 50.0 * (at - past.start).total_seconds(),
    )
    with serving(past, tmp_path_factory.mktemp("prometheus")) as url:
        yield url


@pytest.fixture
def energy(lowtide: Run, prometheus: str) -> Run:
    """A function that asks about the day."""

    def run(*options: str) -> Result:
        return lowtide("energy", "--prometheus", prometheus, "--to", "2026-03-03T00:00Z", *options)

    return run


def test_every_owner_has_its_energy_grams_and_cost(energy: Run) -> None:
    """Each joule meets the intensity of its time; pods of seconds and of days are there."""
    result = energy("--output", "json")

    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    rows = {(row["namespace"], row["owner_kind"], row["owner_name"]): row for row in found["rows"]}
    net = rows["ml", "Job", "net"]
    assert net["pods"] == 2
    assert net["energy_joules"] == pytest.approx(2.025 * 3.6e6)
    assert net["operational_grams"] == pytest.approx(100 + 400 + 2.5, rel=1e-3)
    assert net["electricity_cost"] == pytest.approx(2.025 * 0.30, rel=1e-6)
    assert net["currency"] == "EUR"
    web = rows["shop", "Deployment", "web"]
    assert web["energy_joules"] == pytest.approx(2.4 * 3.6e6, rel=1e-3)
    assert web["operational_grams"] == pytest.approx(1.2 * 100 + 1.2 * 400, rel=2e-3)
    assert rows["ml", "", ""]["energy_joules"] == pytest.approx(0.5 * 3.6e6)
    assert (found["zone"], found["signal"], found["factor"]) == ("DE", "Average", "life-cycle")


def test_what_is_not_known_is_said_below_the_table(energy: Run) -> None:
    """The pod without an owner, the energy of no pod, the kind of the grams."""
    text = energy().stdout

    lines = text.splitlines()
    assert lines[0].split() == [
        *("NAMESPACE", "KIND", "NAME", "PODS", "ENERGY", "CARBON", "COST", "COUNTED")
    ]
    assert lines[1].split() == [
        *("shop", "Deployment", "web", "1", "2.40", "kWh", "600", "g", "0.720", "EUR", "100", "%")
    ]
    assert "Pods whose owner is not known: 1 (500 Wh)" in text
    assert "Of no pod at all: 1.20 kWh of gpu" in text
    assert "average intensity of zone DE (life-cycle emissions)" in text


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("namespace", {"shop": 2.4, "ml": 2.525}),
        ("node", {"n1": 2.4 + 2.0 + 0.5, "n2": 0.025}),
    ],
)
def test_the_same_energy_by_namespace_and_by_node(
    energy: Run, by: str, expected: dict[str, float]
) -> None:
    """Every grouping adds up to the same sum."""
    rows = list(csv.DictReader(io.StringIO(energy("--by", by, "--output", "csv").stdout)))

    found = {row[by]: float(row["energy_joules"]) / 3.6e6 for row in rows}
    assert found == pytest.approx(expected, rel=1e-3)


def test_a_namespace_is_asked_for_alone(energy: Run) -> None:
    """Other namespaces' pods are neither shown nor added."""
    found = json.loads(energy("-n", "shop", "--output", "json").stdout)

    assert [row["namespace"] for row in found["rows"]] == ["shop"]
    assert found["unowned_joules"] == {}


def test_a_part_without_intensity_has_no_grams(energy: Run) -> None:
    """Of a zone that was never recorded there is no gram, and not 0 g."""
    result = energy("--zone", "FR", "--output", "json")

    row = json.loads(result.stdout)["rows"][0]
    assert row["operational_grams"] is None
    assert row["energy_joules"] > 0
    assert row["electricity_cost"] is None
    assert "Grams are not known" in energy("--zone", "FR").stdout


def test_a_time_before_the_first_sample_is_empty_and_says_so(energy: Run) -> None:
    """No pods, no zone: a note on standard error, exit code 0."""
    result = energy("--to", "2026-03-01T00:00Z", "--since", "1h")

    assert result.exit_code == 0
    assert "no intensity was stored" in result.stderr


def test_a_prometheus_that_does_not_answer_is_one_sentence(lowtide: Run) -> None:
    """Exit code 1, no traceback."""
    result = lowtide("energy", "--prometheus", "http://127.0.0.1:1")

    assert result.exit_code == 1
    assert "does not answer" in result.stderr
