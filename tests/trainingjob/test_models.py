"""Reading what people write: defaults, and one clear sentence for each fault."""

from typing import Any

import pytest

from lowtide.trainingjob.base import decimal_text, difference_text, grams_text
from lowtide.trainingjob.models import InvalidTrainingJobError, parse_spec
from lowtide.trainingjob.schedule import Policy
from lowtide.trainingjob.status import EnergyStatus, TrainingJobStatus

TEMPLATE: dict[str, Any] = {"spec": {"template": {"spec": {"containers": []}}}}


def test_a_template_is_enough() -> None:
    """Everything else has a default that a sensible user would choose."""
    spec = parse_spec({"template": TEMPLATE})

    assert spec.schedule.policy is Policy.CARBON_OPTIMAL
    assert spec.schedule.minimum_saving_percent == 2
    assert not spec.schedule.interruption.allowed
    assert spec.template == TEMPLATE


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        pytest.param(
            {"template": TEMPLATE, "zone": "DE"},
            "spec.zone is not a field of a TrainingJob",
            id="unknown field",
        ),
        pytest.param({}, "spec needs either a template .* or a targetRef", id="nothing to run"),
        pytest.param(
            {
                "template": TEMPLATE,
                "targetRef": {"apiVersion": "batch/v1", "kind": "Job", "name": "bert"},
            },
            "spec needs either a template .* and not both",
            id="two things to run",
        ),
        pytest.param(
            {"targetRef": {"apiVersion": "batch/v1", "kind": "job", "name": "bert"}},
            "spec.targetRef.kind: .*'job'",
            id="kind in lower case",
        ),
        pytest.param(
            {"template": TEMPLATE, "schedule": {"maxDelaySeconds": "soon"}},
            "spec.schedule.maxDelaySeconds: .*'soon'",
            id="wrong type",
        ),
        pytest.param(
            {"template": TEMPLATE, "schedule": {"deadline": "2026-12-01T08:00:00"}},
            "spec.schedule.deadline: .*has no offset",
            id="naive time",
        ),
        pytest.param(
            {"template": TEMPLATE, "price": {"perHour": "-1"}},
            "spec.price.perHour: .*'-1'",
            id="negative price",
        ),
    ],
)
def test_faults_name_the_field_and_the_value(spec: dict[str, Any], sentence: str) -> None:
    """The message is a sentence with the path as in the manifest."""
    with pytest.raises(InvalidTrainingJobError, match=sentence):
        parse_spec(spec)


def test_absent_fields_stay_absent_on_the_wire() -> None:
    """A status field that is not known is left out, never null or zero."""
    status = TrainingJobStatus(energy=EnergyStatus(total_joules=0))

    assert status.to_api() == {"energy": {"totalJoules": 0}}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(3.7e-15, "0.0000000000000037", id="grams per operation"),
        pytest.param(123456789.0, "123456800", id="seven digits"),
        pytest.param(0.0, "0", id="zero"),
        pytest.param(-0.0, "0", id="negative zero"),
        pytest.param(-1.5, "-1.5", id="negative"),
        pytest.param(1e27, "1" + "0" * 27, id="large"),
        pytest.param(float("nan"), None, id="no number"),
        pytest.param(None, None, id="not known"),
        pytest.param(1e-40, None, id="too small for 32 characters"),
        pytest.param(1.234567e-28, "0." + "0" * 27 + "123", id="fewer digits that fit"),
    ],
)
def test_decimal_texts_keep_digits_and_never_an_exponent(
    value: float | None, text: str | None
) -> None:
    """A score per operation must not become zero by being written down."""
    assert decimal_text(value) == text


@pytest.mark.parametrize(
    ("grams", "text"),
    [
        pytest.param(12.34567, "12.3457", id="four places"),
        pytest.param(0.0, "0.0000", id="nothing"),
        pytest.param(0.123456789, "0.1234568", id="seven digits"),
        pytest.param(3.075e-05, "0.00003075", id="micrograms"),
        pytest.param(None, None, id="not known"),
    ],
)
def test_masses_keep_places_from_a_gram_on_and_digits_below(
    grams: float | None, text: str | None
) -> None:
    """A tiny job has emissions too."""
    assert grams_text(grams) == text


@pytest.mark.parametrize(
    ("minuend", "subtrahend", "difference"),
    [
        pytest.param("400.0000", "100.0000", "300.0000", id="places stay"),
        pytest.param("0.000114", "0.00003075", "0.00008325", id="micrograms"),
        pytest.param("1.2000", "1.9", "-0.7000", id="negative"),
        pytest.param("1.0000", None, None, id="not known"),
        pytest.param("0." + 29 * "0" + "1", "0.01", "-0.01", id="too long, so rounded"),
    ],
)
def test_a_stated_difference_is_that_of_the_stated_texts(
    minuend: str, subtrahend: str | None, difference: str | None
) -> None:
    """Stated figures subtract to the stated difference."""
    assert difference_text(minuend, subtrahend) == difference
