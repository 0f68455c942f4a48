"""Hostile specs: each gets a status with one line about what is wrong, and fails at nothing."""

import json
import tracemalloc
from typing import Final

import pytest
from standins.episodes.hostile import handle, hostile_body

from lowtide.trainingjob.conditions import ConditionType, find
from lowtide_operator.objects.records import Record
from lowtide_operator.objects.views import Fault

WIDE: Final = 11_800
"""Number of a spec with a wide template."""


@pytest.mark.parametrize("first", range(0, 400, 50))
def test_hostile_specs_are_answered_in_one_line(first: int) -> None:
    """100,000 are tried by benchmarks/operator/hostile.py, with their time and memory."""
    for number in range(first, first + 50):
        decision = handle(hostile_body(number))
        valid = find(decision.status.conditions, ConditionType.VALID)
        assert valid is not None, number
        assert "\n" not in valid.message, number
        assert valid.status != "False" or valid.message, number
        assert len(json.dumps(decision.status.to_api())) < 10_000, number


def test_a_wide_template_costs_no_copies_of_itself() -> None:
    """25 containers of 300 values: 75 kB as text, and once 1.2 MiB to keep it.

    The first time pays for what is loaded once.
    """
    handle(hostile_body(WIDE))
    body = hostile_body(WIDE)
    tracemalloc.start()
    try:
        handle(body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(json.dumps(body)) > 70_000
    assert peak < 512 * 1024


@pytest.mark.parametrize("levels", [200, 400, 5000])
def test_a_template_deeper_than_any_job_is_refused_in_one_sentence(levels: int) -> None:
    """It ended the operator, or was ignored without a word."""
    deep: object = "x"
    for _ in range(levels):
        deep = {"a": [deep]}
    body = hostile_body(0)
    body["spec"] = {"template": {"spec": deep}}
    spec = Record.of(body).view().spec
    assert spec == Fault("spec.template is nested more than 100 levels deep: a Job needs about 20")
