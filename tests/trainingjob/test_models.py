"""Reading what people write: defaults, and one clear sentence for each fault."""

from typing import Any

import pytest

from lowtide.trainingjob.models import InvalidTrainingJobError, parse_spec
from lowtide.trainingjob.spec import Policy
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
        pytest.param({}, "spec.template: Field required", id="no template"),
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
