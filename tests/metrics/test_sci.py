"""SCI is a rate, honest about what is missing (GSF SCI specification 1.1)."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.metrics.embodied import Components, embodied_components, embodied_share
from lowtide.metrics.result import Caution, MetricError, Refusal, Result, Undefined
from lowtide.metrics.sci import (
    Basis,
    Emissions,
    FunctionalUnitKind,
    Scope,
    add_components,
    aggregate,
    operational,
    sci,
)

Vectors = Callable[[str], dict[str, Any]]
HOUR = 3600
EXACT = 1e-12


def of_vector(row: dict[str, Any]) -> Result:
    """Return the score of a vector row: C alone, O and M, or E, I and M."""
    grams = row.get("O_g", row.get("C_g"))
    if "E_kWh" in row:
        grams = operational(
            energy_kwh=[row["E_kWh"]],
            intensity_grams_per_kwh=[row["I_g_per_kWh"]],
            scope=Scope(row.get("intensity_scope", "location")),
        ).value
    embodied = 0 if "C_g" in row and "M_g" not in row else row.get("M_g")
    if "O_g" not in row and "C_g" in row:
        embodied = 0
    return sci(operational_grams=grams, embodied_grams=embodied, functional_units=row["R"])


def test_reproduces_every_published_score(vectors: Vectors) -> None:
    """Specification, guide, Impact Framework and SCI for AI guidance (sci.json, score)."""
    rows = vectors("sci")["score"]

    assert len(rows) == 9
    for row in rows:
        assert of_vector(row).value == pytest.approx(row["sci"], rel=EXACT), row


def test_reproduces_embodied_shares(vectors: Vectors) -> None:
    """TE * TiR/EL * RR/ToR (sci.json, embodied_share)."""
    for row in vectors("sci")["embodied_share"]:
        result = embodied_share(
            total_embodied_grams=row["TE_g"],
            reserved_seconds=row["TiR_h"] * HOUR,
            lifespan_seconds=row["EL_h"] * HOUR,
            reserved_resources=row["RR"],
            total_resources=row["ToR"],
        )
        assert result.value == pytest.approx(row["M_g"], rel=EXACT), row


def test_reproduces_the_component_model(vectors: Vectors) -> None:
    """GSF Impact Framework 1.1.0 unit tests and example manifest (sci.json, component_model)."""
    names = {
        "vcpus": "vcpus",
        "memory_gb": "memory_gigabytes",
        "ssd": "ssd_drives",
        "hdd": "hdd_drives",
        "gpu": "gpus",
        "baseline_g": "baseline_grams",
        "memory_coefficient_kg_per_gb": "memory_kilograms_per_gigabyte",
    }
    rows = vectors("sci")["component_model"]

    assert len(rows) == 14
    for row in rows:
        given_ = dict(row["inputs"])
        others = {"duration_seconds": given_.pop("time_s")}
        if "lifespan_s" in given_:
            others["lifespan_seconds"] = given_.pop("lifespan_s")
        if "usage_ratio" in given_:
            others["usage_ratio"] = given_.pop("usage_ratio")
        components = Components(**{names[key]: value for key, value in given_.items()})
        result = embodied_components(components, **others)
        assert result.value == pytest.approx(row["M_g"], rel=EXACT), row


def test_a_memory_coefficient_per_384_gb_is_not_per_gb() -> None:
    """The example manifest's 1172 is probably kg per 384 GB; that would give 60.4756 g."""
    server = Components(
        vcpus=4,
        memory_gigabytes=32,
        ssd_drives=1,
        hdd_drives=1,
        gpus=1,
        baseline_grams=2_000_000,
        memory_kilograms_per_gigabyte=1172 / 384,
    )

    result = embodied_components(server, duration_seconds=3600, lifespan_seconds=157_680_000)

    assert result.value == pytest.approx(60.4756, abs=5e-5)


def test_undefined_and_refused_inputs_name_their_reason(vectors: Vectors) -> None:
    """sci.json, undefined: never the total in place of the rate."""
    for row in vectors("sci")["undefined"]:
        if row["expect"] == "error":
            with pytest.raises(MetricError) as refused:
                _score_or_share(row)
            assert refused.value.reason == row["reason"], row
        else:
            result = of_vector(row)
            assert result.value == row.get("sci"), row
            assert result.reason == row.get("reason"), row


def _score_or_share(row: dict[str, Any]) -> Result:
    if "TE_g" in row:
        return embodied_share(
            total_embodied_grams=row["TE_g"],
            reserved_seconds=row["TiR_h"] * HOUR,
            lifespan_seconds=row["EL_h"] * HOUR,
        )
    return of_vector(row)


def test_operational_emissions_are_resolved_in_time(vectors: Vectors) -> None:
    """1500 g and not the 1400 g of sum times mean."""
    for row in vectors("sci")["operational_time_resolved"]:
        result = operational(
            energy_kwh=row["E_kWh"], intensity_grams_per_kwh=row["I_g_per_kWh"], pue=1
        )
        assert result.value == pytest.approx(row["O_g"], rel=EXACT)
        assert result.warnings == ()


def test_periods_add_as_sum_over_sum(vectors: Vectors) -> None:
    """C = 100, 300 and R = 1, 9 give 40 and not the mean of ratios, 66.67."""
    for row in vectors("sci")["aggregate"]:
        periods = [
            Emissions(carbon_grams=c, functional_units=r)
            for c, r in zip(row["C_g"], row["R"], strict=True)
        ]
        assert aggregate(periods).value == pytest.approx(row["sci"], rel=EXACT)


def test_missing_intensity_still_reports_energy_and_covered_share() -> None:
    """Three of four kWh are priced: no O, but 75 % coverage and 600 g of it known."""
    result = operational(energy_kwh=[1, 1, 2], intensity_grams_per_kwh=[200, None, 200], pue=1)

    assert (result.value, result.reason) == (None, Undefined.INTENSITY_MISSING)
    assert result.coverage == pytest.approx(0.75)
    assert result.parameters["energy_kwh"] == 4
    assert result.parameters["priced_grams"] == pytest.approx(600)


def test_overhead_multiplies_energy_and_its_absence_is_said() -> None:
    """PUE 1.5 turns 100 g into 150 g; without a PUE the factor is left out and warned of."""
    without = operational(energy_kwh=[1], intensity_grams_per_kwh=[100])
    with_pue = operational(energy_kwh=[1], intensity_grams_per_kwh=[100], pue=1.5)

    assert (without.value, without.warnings) == (100, (Caution.PUE_NOT_INCLUDED,))
    assert (with_pue.value, with_pue.warnings) == (150, ())


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        pytest.param({"pue": 0.9}, "pue", id="overhead below one"),
        pytest.param({"energy_kwh": [-1]}, "energy_kwh", id="negative energy"),
        pytest.param({"energy_kwh": [float("nan")]}, "energy_kwh", id="energy not a number"),
        pytest.param(
            {"intensity_grams_per_kwh": [float("inf")]}, "intensity_grams_per_kwh", id="infinite I"
        ),
        pytest.param({"energy_kwh": [1, 2]}, "intensity_grams_per_kwh", id="lengths differ"),
    ],
)
def test_operational_refuses_inputs_outside_their_domain(
    arguments: dict[str, Any], field: str
) -> None:
    """The refusal names the field."""
    with pytest.raises(MetricError) as refused:
        operational(**{"energy_kwh": [1], "intensity_grams_per_kwh": [1], **arguments})

    assert (refused.value.reason, refused.value.field) == (Refusal.OUT_OF_DOMAIN, field)


def test_hardware_reserved_beyond_its_life_is_a_warning() -> None:
    """TiR > EL still has a value."""
    result = embodied_share(total_embodied_grams=100, reserved_seconds=20, lifespan_seconds=10)

    assert (result.value, result.warnings) == (200, (Caution.SHARE_ABOVE_ONE,))


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"reserved_resources": 9, "total_resources": 8}, id="more than all"),
        pytest.param({"total_resources": 0}, id="no resources"),
        pytest.param({"total_embodied_grams": -1}, id="negative total"),
        pytest.param({"reserved_seconds": float("nan")}, id="time not a number"),
    ],
)
def test_embodied_share_refuses_inputs_outside_their_domain(arguments: dict[str, float]) -> None:
    """Each is out_of_domain."""
    with pytest.raises(MetricError) as refused:
        embodied_share(**{"total_embodied_grams": 1, "reserved_seconds": 1, **arguments})

    assert refused.value.reason is Refusal.OUT_OF_DOMAIN


@pytest.mark.parametrize(
    ("components", "usage_ratio"),
    [
        pytest.param({"gpus": -1}, 1, id="negative count"),
        pytest.param({}, 1.5, id="usage above one"),
        pytest.param({}, -0.1, id="usage below zero"),
        pytest.param({"vcpus": 0, "baseline_grams": 0}, 1, id="parts add up below zero"),
    ],
)
def test_component_model_refuses_impossible_servers(
    components: dict[str, float], usage_ratio: float
) -> None:
    """A server cannot have embodied emissions below zero."""
    with pytest.raises(MetricError):
        embodied_components(Components(**components), duration_seconds=1, usage_ratio=usage_ratio)


def test_periods_of_different_methods_do_not_add() -> None:
    """An average and a marginal period have no common score."""
    periods = [
        Emissions(carbon_grams=1, functional_units=1, basis=Basis(intensity_kind="average")),
        Emissions(carbon_grams=1, functional_units=1, basis=Basis(intensity_kind="marginal")),
    ]

    assert aggregate(periods).reason is Undefined.METHOD_MISMATCH


def test_components_add_only_for_the_same_unit_count() -> None:
    """Front end 2 g/job and trainer 3 g/job are 5 g/job; with another R they are nothing."""
    two = sci(operational_grams=4, embodied_grams=0, functional_units=2)
    three = sci(operational_grams=5, embodied_grams=1, functional_units=2)
    other = sci(operational_grams=5, embodied_grams=1, functional_units=3)

    assert add_components([two, three]).value == 5
    assert add_components([two, other]).reason is Undefined.METHOD_MISMATCH


def test_partial_energy_is_said() -> None:
    """A score from 90 % of the run says so."""
    result = sci(operational_grams=1, embodied_grams=1, functional_units=1, coverage=0.9)

    assert (result.coverage, result.warnings) == (0.9, (Caution.PARTIAL_ENERGY,))


def test_the_unit_names_what_the_score_is_per() -> None:
    """Grams per job, per epoch, per whatever the team counts."""
    per_epoch = sci(
        operational_grams=1,
        embodied_grams=0,
        functional_units=1,
        functional_unit=FunctionalUnitKind.EPOCH,
    )
    own = sci(operational_grams=1, embodied_grams=0, functional_units=1, functional_unit="image")

    assert (per_epoch.unit, own.unit) == ("gCO2eq/epoch", "gCO2eq/image")


def test_the_result_object_is_json_with_the_keys_of_the_reference() -> None:
    """name, value, unit, reason, warnings, parameters, mode, method, coverage."""
    result = sci(operational_grams=None, embodied_grams=2, functional_units=1)

    data = json.loads(json.dumps(result.to_json(), allow_nan=False))

    assert list(data) == [
        "name", "value", "unit", "reason", "warnings", "parameters", "mode", "method", "coverage",
    ]  # fmt: skip
    assert (data["value"], data["reason"], data["mode"]) == (None, "intensity_missing", "correct")
    assert result.sentence == "energy was used at times whose grid intensity is not known"


def test_a_result_has_either_a_value_or_a_reason() -> None:
    """Every result is one or the other."""
    with pytest.raises(ValueError, match="either a value or a reason"):
        Result(name="x", value=None, unit="")
    with pytest.raises(ValueError, match="is not a result"):
        Result(name="x", value=float("inf"), unit="")


amounts = st.floats(0, 1e9)


@given(amounts, amounts, st.floats(1e-3, 1e9), st.floats(1, 1000))
def test_twice_the_carbon_or_half_the_units_double_the_score(
    operational_grams: float, embodied: float, units: float, factor: float
) -> None:
    """SCI scales with C and inversely with R."""
    score = sci(
        operational_grams=operational_grams, embodied_grams=embodied, functional_units=units
    )

    scaled = sci(
        operational_grams=operational_grams * factor,
        embodied_grams=embodied * factor,
        functional_units=units,
    )

    assert score.value is not None
    assert scaled.value == pytest.approx(score.value * factor, rel=1e-9)


@given(st.lists(st.tuples(amounts, st.floats(1e-3, 1e6)), min_size=1, max_size=6))
def test_an_aggregate_lies_between_the_best_and_the_worst_period(
    rows: list[tuple[float, float]],
) -> None:
    """Sum over sum is a mean weighted by units."""
    result = aggregate([Emissions(carbon_grams=c, functional_units=r) for c, r in rows])

    ratios = [c / r for c, r in rows]
    assert result.value is not None
    assert min(ratios) * (1 - 1e-9) <= result.value <= max(ratios) * (1 + 1e-9)
