"""Index, letters and compound letters, correct and compatible."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.metrics.compound import Compound, compound_letter
from lowtide.metrics.letters import (
    Letter,
    best_of,
    boundaries_from,
    check_boundaries,
    index_of,
    letter_of,
)
from lowtide.metrics.properties import DEFAULT_WEIGHTS, PROPERTIES, TASK_PROPERTIES, Direction, Task
from lowtide.metrics.rating import Missing, rate
from lowtide.metrics.reference import ReferenceSet, build_reference, parse_reference
from lowtide.metrics.result import MetricError, Mode, Undefined
from lowtide.metrics.strep import compound_index, default_groups, group_weights

Vectors = Callable[[str], dict[str, Any]]
EXACT = 1e-12
HIGHER, LOWER = Direction.HIGHER, Direction.LOWER

KEYS = {
    "parameters": "parameters",
    "gflops": "operations",
    "fsize": "file_size",
    "inference_power_draw": "inference_energy",
    "inference_time": "inference_time",
    "train_power_draw_epoch": "training_energy_per_epoch",
    "train_power_draw": "training_energy",
    "train_time_epoch": "training_time_per_epoch",
    "train_time": "training_time",
    "top1_val": "accuracy_top1",
    "top5_val": "accuracy_top5",
}
"""Names of Fischer et al. 2022 and of this project."""


def published(vectors: Vectors, task: str, environment: str) -> ReferenceSet:
    """Return the published boundaries with the reference values of one environment."""
    rows = [r for r in vectors(f"mlee_{task}")["rows"] if r["environment"] == environment]
    metrics = vectors(f"mlee_{task}")["metric_order"]
    reference = next((r for r in rows if r["model"] == "ResNet101"), None)
    assert reference is not None, environment
    bounds = vectors("rating")["mlee_boundaries"]
    return ReferenceSet(
        name="published",
        task=Task(task),
        dataset="ImageNet",
        environment=environment,
        reference="ResNet101",
        values={KEYS[m]: reference[m][0] for m in metrics},
        boundaries={KEYS[m]: check_boundaries(bounds[m]) for m in metrics},
        rows=len(rows),
        source="Fischer et al. 2022",
    )


@pytest.mark.parametrize(("task", "count"), [("inference", 176), ("training", 21)])
def test_reproduces_every_published_index_and_letter(
    vectors: Vectors, task: str, count: int
) -> None:
    """All rows of Fischer et al. 2022 in mlee mode: single letters and all compound modes."""
    rows = vectors(f"mlee_{task}")["rows"]
    references = {r["environment"]: published(vectors, task, r["environment"]) for r in rows}

    assert len(rows) == count
    for row in rows:
        values = {KEYS[m]: row[m][0] for m in vectors(f"mlee_{task}")["metric_order"]}
        reference = references[row["environment"]]
        for how, letter in row["compound_compatible"].items():
            rating = rate(values, reference, compound=Compound(how), mode=Mode.MLEE)
            assert rating.letter is not None
            assert rating.letter.name == letter, (row["model"], row["environment"], how)
        for prop in rating.properties:
            name = next(m for m, key in KEYS.items() if key == prop.key)
            _, index, shown = row[name]
            assert prop.index == pytest.approx(index or 0, rel=EXACT)
            assert prop.letter is not None
            assert prop.letter.name == shown


@pytest.mark.parametrize("task", ["inference", "training"])
def test_reproduces_every_correct_compound(vectors: Vectors, task: str) -> None:
    """Correct median and mean from the compatible single letters (n.a. counts as E there)."""
    for row in vectors(f"mlee_{task}")["rows"]:
        letters = [
            (Letter[row[m][2]], DEFAULT_WEIGHTS[KEYS[m]])
            for m in vectors(f"mlee_{task}")["metric_order"]
        ]
        for kind in ("median", "mean"):
            for view, letter in row[f"{kind}_correct"].items():
                result = compound_letter(letters, Compound(f"{view} {kind}"))
                assert result is not None
                assert result.name == letter, (row["model"], row["environment"], kind, view)


def test_the_compatible_letter_is_better_in_66_and_5_rows_and_never_worse(vectors: Vectors) -> None:
    """Effect of the published median's defect (A100, TensorFlow training).

    Source: docs/explanation/metrics.md#compound-letter.
    """
    counts = []
    for task in ("inference", "training"):
        pairs = [
            (row["compound_compatible"]["optimistic median"], row["median_correct"]["optimistic"])
            for row in vectors(f"mlee_{task}")["rows"]
        ]
        counts.append(sum(compatible < correct for compatible, correct in pairs))
        assert all(compatible <= correct for compatible, correct in pairs)

    assert counts == [66, 5]


def test_reproduces_the_compound_examples(vectors: Vectors) -> None:
    """rating.json, compound: compatible in every mode, correct medians."""
    for row in vectors("rating")["compound"]:
        ratings = [(Letter[letter], Decimal(str(w))) for letter, w in row["ratings_weights"]]
        for how, letter in row["compatible"].items():
            result = compound_letter(ratings, Compound(how), mode=Mode.MLEE)
            assert result is not None
            assert result.name == letter, (row, how)
        for view, letter in row["correct_median"].items():
            result = compound_letter(ratings, Compound(f"{view} median"))
            assert result is not None
            assert result.name == letter, (row, view)


def test_reproduces_the_rating_edges(vectors: Vectors) -> None:
    """Ties go to the worse letter; mlee calls an index above 10,000 an E, correct mode an A."""
    for row in vectors("rating")["rating_edges"]:
        bounds = check_boundaries(row["boundaries"])
        assert letter_of(row["index"], bounds, mode=Mode.MLEE).name == row["rating"], row
        correct = "A" if row["index"] > 10000 else row["rating"]
        assert letter_of(row["index"], bounds).name == correct


def test_reproduces_the_index_examples(vectors: Vectors) -> None:
    """rating.json, index; a zero cost has no index, where mlee says 0."""
    for row in vectors("rating")["index"]:
        better = HIGHER if row["higher_is_better"] else LOWER
        assert index_of(row["value"], row["reference"], better, mode=Mode.MLEE) == row["index"]
        correct = index_of(row["value"], row["reference"], better)
        if isinstance(row["correct"], str):
            assert correct is Undefined.VALUE_ZERO
        else:
            assert correct == row["correct"]


def test_an_index_on_the_boundary_is_a_tie_in_floats_too(vectors: Vectors) -> None:
    """EfficientNetB0's parameters sit exactly on b0, 8.38693941043089, and are B."""
    bounds = check_boundaries(vectors("rating")["mlee_boundaries"]["parameters"])

    assert letter_of(8.38693941043089, bounds) is Letter.B
    assert letter_of(8.38693941043089 * (1 + 1e-12), bounds) is Letter.B
    assert letter_of(8.38693941043089 * (1 + 1e-12), bounds, mode=Mode.STREP) is Letter.A


def test_published_default_weights(vectors: Vectors) -> None:
    """rating.json, default_weights."""
    published_weights = vectors("rating")["default_weights"]

    assert {KEYS[k]: Decimal(str(w)) for k, w in published_weights.items()} == DEFAULT_WEIGHTS


@pytest.mark.parametrize("name", ["inference_power_draw", "inference_time"])
def test_published_boundaries_are_the_quantiles_of_their_rows(vectors: Vectors, name: str) -> None:
    """Linear interpolation over the 176 inference rows gives the published boundaries."""
    indices = [row[name][1] for row in vectors("mlee_inference")["rows"]]

    bounds = boundaries_from(indices)

    assert bounds == pytest.approx(vectors("rating")["mlee_boundaries"][name], rel=EXACT)


STREP_KEYS = ("top-1_val", "top-5_val", "parameters", "flops", "fsize")
STREP_COSTS = {
    "infer": ("power_draw", "running_time"),
    "train": ("train_power_draw", "train_running_time"),
}
STREP_GROUPS = {"top-1_val": "Quality", "top-5_val": "Quality", "parameters": "Complexity"}
STREP_GROUPS |= {"flops": "Complexity", "fsize": "Complexity"}


@pytest.mark.parametrize(("task", "count"), [("infer", 26), ("train", 21)])
def test_reproduces_every_strep_row(vectors: Vectors, task: str, count: int) -> None:
    """Indices, letters, group and compound indices and the compound letter of STREP main."""
    data = vectors("strep_a100_tf")
    rows = [row for row in data["rows"] if row["task"] == task]
    bounds = data["boundaries"][task]
    keys = (*STREP_KEYS, *STREP_COSTS[task])
    groups = {**STREP_GROUPS, **dict.fromkeys(STREP_COSTS[task], "Resources")}
    weights = group_weights(groups)

    assert len(rows) == count
    for key in keys:
        better = HIGHER if key.startswith("top") else LOWER
        reference = best_of([row["values"].get(key) for row in rows], better)
        for row in rows:
            index = index_of(row["values"].get(key), reference, better)
            if row["index"].get(key) is None:
                assert index is Undefined.VALUE_MISSING
                assert row["rating_original"][key] == Letter.A, "the original's defect"
            else:
                assert index == pytest.approx(row["index"][key], rel=EXACT)
                letter = letter_of(
                    row["index"][key], check_boundaries(bounds[key]), mode=Mode.STREP
                )
                assert letter == row["rating_original"][key], (row["model"], key)
    for row in rows:
        _check_strep_compound(row, groups, weights, bounds)


def _check_strep_compound(
    row: dict[str, Any], groups: dict[str, str], weights: dict[str, Fraction], bounds: Any
) -> None:
    compound = compound_index(row["index"], weights, mode=Mode.STREP)
    assert compound == pytest.approx(row["compound_index"], rel=EXACT), row["model"]
    for group in ("Quality", "Resources", "Complexity"):
        own = {key: Fraction(1) for key, g in groups.items() if g == group}
        index = compound_index(row["index"], own, mode=Mode.STREP)
        assert index == pytest.approx(row[f"{group}_index"], rel=EXACT), row["model"]
    assert compound is not None
    letter = letter_of(compound, check_boundaries(bounds["compound_index"]), mode=Mode.STREP)
    assert letter.name == row["compound_rating"], row["model"]


@pytest.mark.parametrize("task", ["infer", "train"])
def test_a_reference_built_from_strep_s_rows_rates_them_as_strep(
    vectors: Vectors, task: str
) -> None:
    """From values alone: single letters (a missing one is A) and compound letters of all rows."""
    rows = [row for row in vectors("strep_a100_tf")["rows"] if row["task"] == task]
    keys = {"top-1_val": "accuracy_top1", "top-5_val": "accuracy_top5", "flops": "operations"}
    keys |= {"parameters": "parameters", "fsize": "file_size"}
    costs = ("energy", "time")
    full = {"infer": Task.INFERENCE, "train": Task.TRAINING}[task]
    keys |= {old: f"{full}_{new}" for old, new in zip(STREP_COSTS[task], costs, strict=True)}
    values = [{keys[k]: v for k, v in row["values"].items()} for row in rows]
    reference = build_reference(
        values, name="STREP", task=full, dataset="ImageNet", environment="A100", source="STREP"
    )

    for row, own in zip(rows, values, strict=True):
        rating = rate(own, reference, mode=Mode.STREP)
        assert rating.letter is not None
        assert rating.letter.name == row["compound_rating"], row["model"]
        single = {p.key: p.letter for p in rating.properties}
        assert single == {keys[k]: letter for k, letter in row["rating_original"].items()}


def test_reproduces_the_strep_example(vectors: Vectors) -> None:
    """Invented values: index, compounds, boundaries, original and correct letters."""
    example = vectors("rating")["strep_example"]
    columns: dict[str, list[float | Undefined]] = {}
    for key, prop in example["properties"].items():
        better = HIGHER if prop["better"] == "higher" else LOWER
        reference = best_of(prop["values"], better)
        columns[key] = [index_of(v, reference, better) for v in prop["values"]]
        known = [None if isinstance(i, Undefined) else i for i in columns[key]]
        for index, expected in zip(known, example["index"][key], strict=True):
            assert index == (None if expected is None else pytest.approx(expected, rel=EXACT))
    weights = {k: Fraction(str(p["weight"])) for k, p in example["properties"].items()}
    rows = [
        {k: None if isinstance(c[i], Undefined) else c[i] for k, c in columns.items()}
        for i in range(5)
    ]

    means = [compound_index(row, weights, mode=Mode.STREP) for row in rows]  # type: ignore[arg-type]
    medians = [compound_index(row, weights, median=True, mode=Mode.STREP) for row in rows]  # type: ignore[arg-type]
    bounds = boundaries_from([m for m in means if m is not None])

    assert means == pytest.approx(example["compound_mean"], rel=EXACT)
    assert medians == pytest.approx(example["compound_median_original"], rel=EXACT)
    assert bounds == pytest.approx(example["compound_mean_boundaries"], rel=EXACT)
    assert bounds is not None
    letters = [letter_of(m, bounds, mode=Mode.STREP).name for m in means if m is not None]
    assert letters == example["compound_mean_rating"]
    energy = [i for i in columns["energy"] if not isinstance(i, Undefined)]
    energy_bounds = boundaries_from(energy, fewest=4)
    assert energy_bounds is not None
    correct = [letter_of(i, energy_bounds).name for i in energy]
    assert [*correct, None] == example["energy_rating_correct"]


def test_a_missing_index_leaves_the_correct_strep_compound_undefined() -> None:
    """STREP counts it 0; correct mode does not."""
    weights = {"a": Fraction(1), "b": Fraction(1)}

    assert compound_index({"a": 1.0, "b": None}, weights, mode=Mode.STREP) == 0.5
    assert compound_index({"a": 1.0, "b": None}, weights) is None


def test_the_correct_strep_median_is_the_weighted_median() -> None:
    """Indices .947 (.5), .25 (.25), 1 (.25): the original says .25, the median is .947."""
    weights = {"acc": Fraction(1, 2), "energy": Fraction(1, 4), "time": Fraction(1, 4)}
    row = {"acc": 0.947, "energy": 0.25, "time": 1.0}

    assert compound_index(row, weights, median=True) == 0.947
    assert compound_index(row, weights, median=True, mode=Mode.STREP) == 0.25


def test_groups_weigh_the_same_and_share_inside() -> None:
    """Three groups: a third each, divided by their members."""
    weights = group_weights(default_groups(TASK_PROPERTIES[Task.INFERENCE]))

    assert weights["accuracy_top1"] == Fraction(1, 6)
    assert weights["parameters"] == Fraction(1, 9)
    assert sum(weights.values()) == 1


def small_reference(**changes: Any) -> ReferenceSet:
    usual: dict[str, Any] = {
        "name": "ours",
        "task": Task.TRAINING,
        "dataset": "digits",
        "environment": "H200 - PyTorch 2.9",
        "reference": "baseline",
        "values": {"training_energy": 10.0, "accuracy_top1": 0.8},
        "boundaries": {
            "training_energy": (4.0, 3.0, 2.0, 1.0),
            "accuracy_top1": (1.1, 1.05, 1.0, 0.9),
        },
        "rows": 7,
        "source": "our own runs",
    }
    return ReferenceSet(**{**usual, **changes})


def test_a_rating_shows_index_letter_weight_and_reference() -> None:
    """2.8 kWh against 10 is index 3.57, B; accuracy .9 against .8 is 1.125, A; compound B."""
    rating = rate({"training_energy": 2.8, "accuracy_top1": 0.9}, small_reference())

    energy, accuracy = rating.properties
    assert energy.index == pytest.approx(10 / 2.8)
    assert (energy.letter, accuracy.letter) == (Letter.B, Letter.A)
    # Weights .7 (B) and .8 (A): A reaches .8 of 1.5, more than half.
    assert rating.letter is Letter.A
    parameters = rating.to_result().to_json()["parameters"]
    assert (parameters["letter"], parameters["rows"], parameters["reference_set"]) == (
        "A",
        7,
        "ours",
    )


def test_a_missing_value_has_no_letter_and_no_compound() -> None:
    """Unless the caller asks to count it as the worst."""
    values = {"training_energy": 2.8, "accuracy_top1": None}

    strict = rate(values, small_reference())
    counted = rate(values, small_reference(), missing=Missing.WORST)

    assert (strict.letter, strict.reason) == (None, Undefined.VALUE_MISSING)
    assert strict.to_result().value is None
    assert strict.properties[1].letter is None
    assert counted.letter is Letter.E


def test_a_weight_of_zero_excludes_a_property() -> None:
    """Its missing value does not matter then either."""
    reference = small_reference(weights={**DEFAULT_WEIGHTS, "accuracy_top1": Decimal(0)})

    assert rate({"training_energy": 2.8}, reference).letter is Letter.B


@pytest.mark.parametrize(
    ("value", "reason"), [(0.0, Undefined.VALUE_ZERO), (None, Undefined.VALUE_MISSING)]
)
def test_a_cost_without_amount_has_no_index(value: float | None, reason: Undefined) -> None:
    """Zero is not infinitely good, missing is not bad."""
    assert index_of(value, 1.0, LOWER) is reason


@pytest.mark.parametrize("reference", [None, 0.0])
def test_a_reference_without_value_gives_no_index(reference: float | None) -> None:
    """Nothing to compare with."""
    assert index_of(1.0, reference, LOWER) is Undefined.REFERENCE_MISSING


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_impossible_values_are_refused(value: float) -> None:
    """Negative costs and non-numbers are errors, not ratings."""
    with pytest.raises(MetricError):
        index_of(value, 1.0, LOWER)


def test_boundaries_need_five_values() -> None:
    """Four values make no quantiles worth the name."""
    assert boundaries_from([1, 2, 3, 4]) is None
    assert boundaries_from([1, 2, 3, 4, 5]) == pytest.approx((4.2, 3.4, 2.6, 1.8))


@pytest.mark.parametrize("bounds", [[1, 2, 3, 4], [1], [4, 3, 2]])
def test_boundaries_must_descend(bounds: list[float]) -> None:
    """The message shows what was given."""
    with pytest.raises(MetricError, match="four numbers that do not rise"):
        check_boundaries(bounds)


def test_a_built_reference_takes_the_best_or_the_named_values() -> None:
    """Six runs; the best energy is 1, the named reference's is 4."""
    rows = [{"training_energy": float(e), "accuracy_top1": 0.5 + e / 20} for e in range(1, 7)]
    usual: dict[str, Any] = {"name": "x", "task": Task.TRAINING, "dataset": "d"}
    usual |= {"environment": "e", "source": "s"}

    best = build_reference(rows, **usual)
    named = build_reference(rows, values={"training_energy": 4.0}, reference="run 4", **usual)

    assert best.values["training_energy"] == 1
    assert (named.values, named.rows) == ({"training_energy": 4.0}, 6)
    assert named.keys == ("training_energy",)


def test_a_reference_set_survives_its_file() -> None:
    """parse_reference reads what to_json writes."""
    reference = small_reference()

    assert parse_reference(reference.to_json()) == reference


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"task": "cooking"}, "cooking"),
        ({"boundaries": {"training_energy": [1, 2, 3, 4]}}, "do not rise"),
        ({"boundaries": {"colour": [4, 3, 2, 1]}}, "colour is not a rated property"),
        ({"rows": "many"}, "many"),
        ({"values": None}, "cannot be read"),
        (
            {"weights": {"accuracy_top1": "nan"}},
            "weights.accuracy_top1 of the reference set is nan",
        ),
        ({"weights": {"accuracy_top1": "-1"}}, "it must be a number of at least 0"),
        ({"values": {"training_energy": float("inf")}}, "values.training_energy"),
    ],
)
def test_a_broken_reference_set_is_one_sentence(change: dict[str, Any], text: str) -> None:
    """A team's ConfigMap may be wrong; the message says where."""
    with pytest.raises(MetricError) as refused:
        parse_reference({**small_reference().to_json(), **change})

    assert text in str(refused.value)


def test_a_reference_set_without_a_field_names_it() -> None:
    """Missing is not defaulted."""
    data = small_reference().to_json()
    del data["environment"]

    with pytest.raises(MetricError, match="has no field 'environment'"):
        parse_reference(data)


letters = st.sampled_from(list(Letter))
weights = st.decimals("0.01", 10, places=2)
ratings = st.lists(st.tuples(letters, weights), min_size=1, max_size=9)


@given(ratings, st.sampled_from(list(Compound)), st.randoms())
def test_a_correct_compound_does_not_depend_on_the_order(
    rows: list[tuple[Letter, Decimal]], how: Compound, random: Any
) -> None:
    """Shuffling properties changes nothing (it does in mlee mode)."""
    shuffled = list(rows)
    random.shuffle(shuffled)

    assert compound_letter(rows, how) == compound_letter(shuffled, how)


@given(ratings)
def test_compounds_stay_between_best_and_worst(rows: list[tuple[Letter, Decimal]]) -> None:
    """And the optimistic letter is never worse than the pessimistic one."""
    found = {how: compound_letter(rows, how) for how in Compound}

    assert all(letter is not None for letter in found.values())
    best, worst = found[Compound.BEST], found[Compound.WORST]
    assert all(best <= letter <= worst for letter in found.values())  # type: ignore[operator]
    assert found[Compound.OPTIMISTIC_MEDIAN] <= found[Compound.PESSIMISTIC_MEDIAN]  # type: ignore[operator]


@given(st.floats(0, 100), st.floats(0, 100))
def test_a_higher_index_never_has_a_worse_letter(one: float, other: float) -> None:
    """Monotone."""
    bounds = (4.0, 3.0, 2.0, 1.0)

    assert letter_of(max(one, other), bounds) <= letter_of(min(one, other), bounds)


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.floats(1e-3, 1e3))
def test_an_index_does_not_depend_on_the_unit(value: float, ref: float, factor: float) -> None:
    """J or kWh, the ratio is the same."""
    index = index_of(value, ref, LOWER)
    scaled = index_of(value * factor, ref * factor, LOWER)

    assert scaled == pytest.approx(index, rel=1e-9)


def test_every_task_rates_properties_that_exist() -> None:
    """Keys of the tasks are keys of the properties."""
    assert all(key in PROPERTIES for keys in TASK_PROPERTIES.values() for key in keys)
