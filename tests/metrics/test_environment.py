"""Which reference set may rate which job."""

import pytest

from lowtide.metrics.environment import (
    environment_name,
    is_same_environment,
    rating_obstacle,
    reference_for,
)
from lowtide.metrics.properties import Task
from lowtide.metrics.reference import ReferenceSet


def a_set(environment: str, dataset: str = "digits") -> ReferenceSet:
    return ReferenceSet(
        name=environment,
        task=Task.TRAINING,
        dataset=dataset,
        environment=environment,
        reference="best",
        values={},
        boundaries={},
        rows=5,
        source="invented",
    )


@pytest.mark.parametrize(
    ("model", "count", "framework", "name"),
    [
        ("A100", 8, "TensorFlow 2.8.0", "A100 x8 - TensorFlow 2.8.0"),
        ("A100", None, "torch 2.9", "A100 - torch 2.9"),
        ("A100", 1, None, "A100 x1"),
        (None, 1, "torch 2.9", None),
    ],
)
def test_an_environment_is_hardware_and_framework(
    model: str | None, count: int | None, framework: str | None, name: str | None
) -> None:
    """The form of the published measurements."""
    assert environment_name(model, count, framework) == name


@pytest.mark.parametrize(
    ("asked", "offered", "same"),
    [
        ("A100 x8 - torch 2.9", "A100 x8 - torch 2.9", True),
        ("A100 x8 - torch 2.9", "A100 x8 - torch 2.8", False),
        ("A100 x8 - torch 2.9", "A100 x8", True),
        ("A100 x8 - torch 2.9", "A100 x4", False),
        ("A100 x8", "A100 x8 - torch 2.9", False),
    ],
)
def test_a_set_for_the_hardware_is_for_every_framework(
    asked: str, offered: str, same: bool
) -> None:
    """A set for one framework is never for the hardware."""
    assert is_same_environment(asked, offered) is same


def test_the_more_exact_set_comes_first() -> None:
    """Although the one for all frameworks was listed before it."""
    sets = [a_set("A100 x8"), a_set("A100 x8 - torch 2.9")]

    found = reference_for(
        sets, task=Task.TRAINING, dataset="DIGITS", environment="A100 x8 - torch 2.9"
    )

    assert found is sets[1]


def test_without_a_fitting_set_the_first_three_are_named() -> None:
    """The message also says how many more there are."""
    sets = [a_set(f"A100 x{n}") for n in (1, 2, 4, 8)]

    found = reference_for(sets, task=Task.TRAINING, dataset="digits", environment="T4 x1")

    assert found == (
        "no reference set is for training on digits in T4 x1 (there are: digits in A100 x1; "
        "digits in A100 x2; digits in A100 x4 and 1 more)"
    )
    assert "none of this task" in str(
        reference_for(sets, task=Task.INFERENCE, dataset="digits", environment="T4 x1")
    )
    nothing = reference_for([], task=Task.TRAINING, dataset="digits", environment="T4 x1")
    assert nothing == "there is no reference set to rate with"


@pytest.mark.parametrize(
    ("dataset", "environment", "words"),
    [
        ("DIGITS ", "A100 x8 - torch 2.9", None),
        ("ImageNet", "A100 x8", "rates the data set digits, but the job's is ImageNet"),
        ("digits", "H100 x64", "rates the environment A100 x8, but the job's is H100 x64"),
        (None, "A100 x8", "rates the data set digits, but the job's is not stated"),
    ],
)
def test_a_set_rates_jobs_of_its_own_data_set_and_environment(
    dataset: str | None, environment: str, words: str | None
) -> None:
    """The rule of comparisons: different or known for one side only, no letter."""
    found = rating_obstacle(a_set("A100 x8"), dataset=dataset, environment=environment)

    assert found is None if words is None else words in (found or "")


def test_where_neither_side_states_anything_nothing_is_known_to_differ() -> None:
    """A table of one's own, rated against itself."""
    own = a_set("not stated", "not stated")

    assert rating_obstacle(own, dataset=None, environment=None) is None
