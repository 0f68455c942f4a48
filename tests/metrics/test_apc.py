"""APC, APEC and their gridded times."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.metrics.apc import PUBLISHED_PRICE_PER_WH, ConsumptionUnit, apc, apec
from lowtide.metrics.closest import (
    DELTA_COST,
    ApcGrid,
    TrainingPoint,
    cell_of,
    cell_value,
    closest,
    time_to_closest,
)
from lowtide.metrics.result import MetricError, Refusal, Undefined

Vectors = Callable[[str], dict[str, Any]]
EXACT = 1e-12
PER_HOUR, PER_INFERENCE = ConsumptionUnit.WH_PER_HOUR, ConsumptionUnit.WH_PER_INFERENCE


def test_reproduces_every_published_apc(vectors: Vectors) -> None:
    """Models on both devices, with the default weights of Wh per hour."""
    for row in vectors("apc")["models_apc"]:
        result = apc(accuracy=row["acc"], consumption=row["c"], unit=PER_HOUR)
        assert result.value == pytest.approx(row["apc"], rel=EXACT), row


def test_reproduces_the_sweep(vectors: Vectors) -> None:
    """245 rows over a and b, unit free."""
    rows = vectors("apc")["sweep"]

    assert len(rows) == 245
    for row in rows:
        result = apc(accuracy=row["acc"], consumption=row["c"], a=row["a"], b=row["b"])
        assert result.value == pytest.approx(row["apc"], rel=EXACT, abs=1e-15), row


def test_reproduces_every_published_apec(vectors: Vectors) -> None:
    """ApcGrid power at the published price, and solar power at a price of zero."""
    for row in vectors("apc")["models_apec"]:
        result = apec(
            accuracy=row["acc"],
            consumption=row["cost"],
            price_per_wh=1,
            currency="cent EUR",
            unit=PER_HOUR,
        )
        assert result.value == pytest.approx(row["apec"], rel=EXACT), row


def test_reproduces_apec_at_a_household_price(vectors: Vectors) -> None:
    """Ten times the published price, which is about 30 cents per kWh."""
    for row in vectors("apc")["models_apec_price_0_0305"]:
        result = apec(
            accuracy=row["acc"],
            consumption=row["c"],
            price_per_wh=row["price_per_Wh"],
            currency="cent EUR",
            b=row["b"],
            a=row["a"],
        )
        assert result.value == pytest.approx(row["apec"], rel=EXACT), row


def test_reproduces_individual_measures(vectors: Vectors) -> None:
    """Single measurements, APC and APEC."""
    for row in vectors("apc")["individual_measures"]:
        money = {"price_per_wh": PUBLISHED_PRICE_PER_WH, "currency": "cent EUR"}
        cost = apec(accuracy=row["acc"], consumption=row["c"], unit=PER_HOUR, **money)
        plain = apc(accuracy=row["acc"], consumption=row["c"], unit=PER_HOUR)
        assert row["price_per_Wh"] == PUBLISHED_PRICE_PER_WH
        assert plain.value == pytest.approx(row["apc_b0_1"], rel=EXACT)
        assert cost.value == pytest.approx(row["apec_b50"], rel=EXACT)


def test_reproduces_the_published_grid(vectors: Vectors) -> None:
    """Cells by their row and column."""
    for row in vectors("apc")["grid"]:
        grid = ApcGrid(
            a=row["a"],
            b=row["b"],
            delta_accuracy=str(row["delta_acc"]),
            delta_consumption=str(row["delta_c"]),
        )
        value = cell_value(row["row"], row["column"], grid)
        assert value == pytest.approx(row["apc"], rel=EXACT)


@pytest.mark.parametrize("table", ["closest_apc", "closest_apec"])
def test_reproduces_every_closest_value(vectors: Vectors, table: str) -> None:
    """Lowtide's rule, with floors over decimals."""
    for row in vectors("apc")[table]:
        cost = table == "closest_apec"
        consumption = row["cost" if cost else "c"]
        step = row["delta_cost" if cost else "delta_c"]
        weights = {"closest": 50} if cost else {"closest_b1": 1, "closest_b0_1": 0.1}
        for key, b in weights.items():
            grid = ApcGrid(a=row["a"], b=b, delta_accuracy=row["delta_acc"], delta_consumption=step)
            cell = cell_of(row["acc"], consumption, grid)
            assert (cell.row, cell.column) == (row["row"], row["column"]), row
            assert closest(row["acc"], consumption, grid) == pytest.approx(row[key], rel=EXACT)


def test_reproduces_the_trace(vectors: Vectors) -> None:
    """TTCAPC(.83348) is 360 s; the raw APC peaks later, at 420 s."""
    row = vectors("apc")["ttcapc"]
    grid = ApcGrid(
        a=row["a"],
        b=row["b"],
        delta_accuracy=row["delta_acc"],
        delta_consumption=row["delta_c"],
    )
    points = [
        TrainingPoint(t, acc, row["c"]) for t, acc in zip(row["time_s"], row["acc"], strict=True)
    ]

    result = time_to_closest(points, grid)

    values = [closest(p.accuracy, p.consumption, grid) for p in points]
    raw = [apc(accuracy=float(acc), consumption=8.9, b=0.1).value for acc in row["acc"]]
    assert result.value == row["ttcapc_s"]
    assert result.parameters["target"] == pytest.approx(row["target_value"], rel=EXACT)
    assert values == pytest.approx(row["closest"], rel=EXACT)
    assert raw == pytest.approx(row["raw"], rel=EXACT)
    assert row["time_s"][raw.index(max(raw))] == row["time_of_raw_maximum_s"]  # type: ignore[type-var]


def test_edge_cases_are_values_or_named_errors(vectors: Vectors) -> None:
    """apc.json, edge_cases."""
    for row in vectors("apc")["edge_cases"]:
        arguments = {"accuracy": row["acc"], "consumption": row["c"], "a": row["a"], "b": row["b"]}
        if row["expect"] == "error":
            with pytest.raises(MetricError) as refused:
                apc(**arguments)
            assert refused.value.reason == row["reason"], row
        else:
            assert apc(**arguments).value == row["apc"], row


@pytest.mark.parametrize(
    ("accuracy", "consumption", "row", "column"),
    [
        pytest.param("0.5", "0.3", 50, 3, id=".3/.1 is column 3"),
        pytest.param(0.5, 0.3, 50, 3, id="the same from floats"),
        pytest.param("0.29", "0", 29, 0, id=".29/.01 is row 29"),
        pytest.param("0.57", "0", 57, 0, id=".57/.01 is row 57"),
        pytest.param("1", "10", 99, 100, id="accuracy one is in the last row"),
    ],
)
def test_floors_are_exact(
    accuracy: str | float, consumption: str | float, row: int, column: int
) -> None:
    """In binary floats these land one cell too low."""
    cell = cell_of(accuracy, consumption, ApcGrid(b=1))

    assert (cell.row, cell.column) == (row, column)


def test_steps_that_do_not_divide_one_still_have_a_last_row() -> None:
    """With steps of 0.3 there are four rows, 0 to 3."""
    assert cell_of("1", "0", ApcGrid(b=1, delta_accuracy="0.3")).row == 3


def test_a_target_never_reached_has_no_time() -> None:
    """The pair (target, time) is undefined, and the best that was reached is said."""
    result = time_to_closest([TrainingPoint(60, "0.5", "1")], ApcGrid(b=1), target=0.9)

    assert (result.value, result.reason) == (None, Undefined.TARGET_NOT_REACHED)
    assert result.parameters["target"] == 0.9


def test_no_checkpoint_is_too_few() -> None:
    """Nothing trained, nothing to time."""
    assert time_to_closest([], ApcGrid(b=1)).reason is Undefined.TOO_FEW_SAMPLES


def test_cost_uses_its_own_step() -> None:
    """TTCAPEC: accuracy .9056 at zero cost sits at the centre .0005, so it is not .905 exactly."""
    grid = ApcGrid(b=50, delta_consumption=DELTA_COST)

    result = time_to_closest([TrainingPoint(60, ".9056", "0")], grid, name="TTCAPEC")

    assert (result.name, result.value) == ("TTCAPEC", 60)
    assert result.parameters["best"] == pytest.approx(0.9008224359532667, rel=EXACT)


@pytest.mark.parametrize(
    "checkpoints",
    [
        pytest.param(
            [TrainingPoint(60, "0.5", "1"), TrainingPoint(60, "0.6", "1")], id="time stands"
        ),
        pytest.param([TrainingPoint(-1, "0.5", "1")], id="before the start"),
        pytest.param([TrainingPoint(60, "50", "1")], id="accuracy in percent"),
        pytest.param([TrainingPoint(60, "0.5", "-1")], id="negative consumption"),
        pytest.param([TrainingPoint(60, "half", "1")], id="accuracy is not a number"),
        pytest.param([TrainingPoint(60, "NaN", "1")], id="accuracy is NaN"),
        pytest.param([TrainingPoint(60, "0.5", Decimal("Infinity"))], id="infinite consumption"),
    ],
)
def test_refuses_impossible_traces(checkpoints: list[TrainingPoint]) -> None:
    """Each names its field."""
    with pytest.raises(MetricError):
        time_to_closest(checkpoints, ApcGrid(b=1))


@pytest.mark.parametrize(
    "grid",
    [
        ApcGrid(b=1, delta_accuracy="0"),
        ApcGrid(b=1, delta_accuracy="2"),
        ApcGrid(b=1, delta_consumption="-1"),
        ApcGrid(b=-1),
        ApcGrid(b=1, a=2),
    ],
)
def test_refuses_impossible_grids(grid: ApcGrid) -> None:
    """Steps are above zero and weights in their domain."""
    with pytest.raises(MetricError) as refused:
        time_to_closest([TrainingPoint(60, "0.5", "1")], grid)

    assert refused.value.reason is Refusal.OUT_OF_DOMAIN


def test_the_weight_belongs_to_the_unit_of_the_consumption() -> None:
    """No silent default: without a unit the weight must be given."""
    with pytest.raises(MetricError) as refused:
        apc(accuracy=0.9, consumption=1)

    assert refused.value.reason is Refusal.UNIT_MISMATCH
    assert apc(accuracy=0.9, consumption=1, unit=PER_INFERENCE).parameters["b"] == 1
    assert apc(accuracy=0.9, consumption=1, unit=PER_HOUR).parameters["b"] == 0.1


@pytest.mark.parametrize(
    "arguments",
    [{"price_per_wh": -1}, {"currency": " "}, {"consumption": float("nan")}, {"b": float("inf")}],
)
def test_apec_refuses_impossible_prices(arguments: dict[str, Any]) -> None:
    """A price is at least zero and has a currency."""
    usual = {"accuracy": 0.9, "consumption": 1, "price_per_wh": 1, "currency": "cent", "b": 1}
    with pytest.raises(MetricError):
        apec(**{**usual, **arguments})


fractions = st.floats(0, 1)
amounts = st.floats(0, 1e6)


@given(fractions, amounts, fractions, amounts)
def test_apc_lies_between_zero_and_the_accuracy(
    accuracy: float, consumption: float, a: float, b: float
) -> None:
    """Range 0 to 1; consumption only takes away."""
    value = apc(accuracy=accuracy, consumption=consumption, a=a, b=b).value

    assert value is not None
    assert 0 <= value <= accuracy


@given(fractions, fractions, amounts, amounts, fractions)
def test_more_accuracy_or_less_consumption_never_lowers_apc(
    acc1: float, acc2: float, c1: float, c2: float, a: float
) -> None:
    """Monotone in both arguments."""
    worse = apc(accuracy=min(acc1, acc2), consumption=max(c1, c2), a=a, b=1).value
    better = apc(accuracy=max(acc1, acc2), consumption=min(c1, c2), a=a, b=1).value

    assert worse is not None
    assert better is not None
    assert better >= worse


@given(st.decimals(0, 1, places=4), st.decimals(0, 100, places=3))
def test_a_pair_lies_in_its_cell(accuracy: Decimal, consumption: Decimal) -> None:
    """The centre is never further than half a step away."""
    cell = cell_of(accuracy, consumption, ApcGrid(b=1))

    assert abs(cell.accuracy - float(accuracy)) <= 0.005 + 1e-12
    assert abs(cell.consumption - float(consumption)) <= 0.05 + 1e-12


@pytest.mark.parametrize("consumption", ["1" + "0" * 350, "1e350"])
def test_a_number_beyond_every_float_is_refused(consumption: str) -> None:
    """Fractions hold it, and the formula's floats cannot."""
    with pytest.raises(MetricError, match="a decimal number that a float can hold"):
        cell_of("0.5", consumption, ApcGrid(b=1))


def test_a_cell_whose_centre_is_beyond_every_float_is_refused() -> None:
    """1.75e308 lies in the second cell of 1.7e308, whose centre is at 2.55e308."""
    with pytest.raises(MetricError, match="larger than any float: choose a larger unit"):
        cell_of("0.5", "1.75e308", ApcGrid(b=1, delta_consumption="1.7e308"))
