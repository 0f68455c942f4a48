"""Recording rules of every pod: power, grams and money by node, namespace and top owner.

Expected values are hand calculations. A sample is a minute; 600 J a minute are 10 W.
"""

from pathlib import Path
from typing import Any

import pytest
from standins.promtool import run_promtool, selector

ENERGY = "lowtide_pod_energy_joules_total"
OWNER = "lowtide_pod_owner_info"
POWER = "node_namespace_owner:lowtide_power_watts:rate5m"
GRAMS = "node_namespace_owner:lowtide_operational_grams_per_second:rate5m"
COST = "node_namespace_owner:lowtide_electricity_cost_per_second:rate5m"
BOUND = "namespace_owner:lowtide_waiting_bound_grams_per_second:rate5m"

NET = {"namespace": "ml", "owner_kind": "TrainJob", "owner_name": "net"}
GRID = {"zone": "DE", "signal": "Average", "factor": "life-cycle"}
INTENSITY = selector("lowtide_operator_intensity_grams_per_kwh", **GRID)
DEFAULT_ZONE = {selector("lowtide_operator_default_zone_info", zone="DE"): "1x4000"}
PRICE = selector("lowtide_operator_price_per_kwh", zone="DE", currency="EUR", provider="tariff")


def energy(pod: str, values: str, **labels: str) -> dict[str, str]:
    """Return a counter of a pod on node n1."""
    told = {"namespace": "ml", "pod": pod, "pod_uid": f"u-{pod}", "node": "n1", "component": "gpu"}
    return {selector(ENERGY, **(told | labels)): values}


def owner(pod: str, values: str = "1x4000", **labels: str) -> dict[str, str]:
    """Return the series that names a pod's top owner."""
    told = {"namespace": "ml", "pod": pod, "pod_uid": f"u-{pod}", "node": "n1"}
    named = {"owner_kind": "TrainJob", "owner_name": "net", "owner_uid": "u-tj"}
    return {selector(OWNER, **(told | named | labels)): values}


def check(
    promtool: Path, rules: Path, series: dict[str, str], expected: list[dict[str, Any]]
) -> None:
    """Let promtool compare expressions with samples."""
    test = {
        "name": "workloads",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": expected,
    }
    run_promtool(promtool, rules, [test])


def micro(expression: str) -> str:
    """Return an expression in millionths and whole, so that decimals compare exactly."""
    return f"round(1e6 * {expression})"


def labelled(**labels: str) -> str:
    """Return labels without a name, as a computed series has them."""
    return selector("", **labels)


def at(minute: int, expression: str, *samples: tuple[str, float]) -> dict[str, Any]:
    """Return one expectation: the samples of an expression after so many minutes."""
    return {
        "expr": expression,
        "eval_time": f"{minute}m",
        "exp_samples": [{"labels": labels, "value": value} for labels, value in samples],
    }


def test_pods_are_added_up_under_their_top_owner_and_nothing_is_lost(
    promtool: Path, rules_file: Path
) -> None:
    """Two pods of 10 W, two components each, are 40 W of one owner; a pod without one is unknown.

    The owner is told twice for a while, by a series that did not know it yet.
    """
    series = {
        **energy("a", "0+600x60"),
        **energy("a", "0+600x60", component="cpu"),
        **energy("b", "0+600x60"),
        **energy("b", "0+600x60", component="cpu"),
        **energy("stranger", "0+300x60"),
        **owner("a"),
        **owner("b", "_x9 1x4000"),
        **owner("b", "1x12", owner_kind="", owner_name="", owner_uid=""),
    }
    expected = [
        at(
            30,
            POWER,
            (selector(POWER, node="n1", **NET), 40),
            (selector(POWER, node="n1", namespace="ml", owner_kind="unknown"), 5),
        ),
        at(6, f"sum({POWER})", ("{}", 45)),
    ]

    check(promtool, rules_file, series, expected)


def test_each_minute_is_priced_with_its_own_intensity_and_price(
    promtool: Path, rules_file: Path
) -> None:
    """3,600 W are 1 kWh in 1,000 s: 0.36 g/s at 360 g/kWh, 0.036 at 36; 0.0003 EUR/s at 0.30.

    An hour of the first intensity and an hour of the second are 1,296 + 129.6 g.
    """
    series = {
        **energy("a", "0+216000x200"),
        **owner("a"),
        **DEFAULT_ZONE,
        INTENSITY: "360x69 36x100",
        PRICE: "0.3x200",
        # Another zone of the settings concerns no pod.
        selector("lowtide_operator_intensity_grams_per_kwh", zone="FR", signal="Average"): "50x200",
    }
    labels = {"node": "n1", **NET, **GRID}
    expected = [
        at(60, micro(GRAMS), (labelled(**labels), 360_000)),
        at(100, micro(GRAMS), (labelled(**labels), 36_000)),
        at(60, micro(COST), (labelled(node="n1", **NET, zone="DE", currency="EUR"), 300)),
        at(129, f"round(sum(sum_over_time({GRAMS}[119m30s:1m])) * 60, 0.1)", ("{}", 1425.6)),
    ]

    check(promtool, rules_file, series, expected)


def test_an_unknown_intensity_leaves_grams_unknown(promtool: Path, rules_file: Path) -> None:
    """Without a default zone, or without its intensity, there is power and no 0 g."""
    series = {**energy("a", "0+600x60"), **owner("a"), INTENSITY: "360x60"}

    check(
        promtool,
        rules_file,
        series,
        [at(30, GRAMS), at(30, COST), at(30, f"count({POWER})", ("{}", 1))],
    )


def test_two_operators_do_not_count_twice(promtool: Path, rules_file: Path) -> None:
    """A leader and a standby say the same intensity; one may know the factor a little later."""
    series = {
        **energy("a", "0+216000x60"),
        **owner("a"),
        **{selector("lowtide_operator_default_zone_info", zone="DE", pod=p): "1x60" for p in "xy"},
        selector("lowtide_operator_intensity_grams_per_kwh", **GRID, pod="x"): "360x60",
        selector("lowtide_operator_intensity_grams_per_kwh", **GRID, pod="y"): "350x60",
    }

    check(promtool, rules_file, series, [at(30, micro(f"sum({GRAMS})"), ("{}", 360_000))])


@pytest.mark.slow
@pytest.mark.beside_cluster
def test_a_day_later_the_bound_of_waiting_is_known(promtool: Path, rules_file: Path) -> None:
    """3,600 W at 360 g/kWh, and 60 g/kWh at the best minute of the day after: 0.30 g/s at most.

    A Deployment cannot wait, so it has no bound.
    """
    series = {
        **energy("a", "0+216000x60"),
        **energy("web", "0+216000x60"),
        **owner("a"),
        **owner("web", owner_kind="Deployment", owner_name="web", owner_uid="u-d"),
        **DEFAULT_ZONE,
        INTENSITY: "360x600 60x10 300x2000",
    }

    check(
        promtool,
        rules_file,
        series,
        [at(30 + 24 * 60, micro(BOUND), (labelled(**NET, **GRID), 300_000))],
    )
