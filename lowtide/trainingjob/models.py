"""TrainingJob as a whole, and the one way to read one that people or the API server wrote."""

from typing import Any, Literal

from pydantic import Field, ValidationError

from lowtide.trainingjob.base import ApiModel
from lowtide.trainingjob.spec import TEMPLATE_OR_TARGET, TrainingJobSpec
from lowtide.trainingjob.status import TrainingJobStatus


class InvalidTrainingJobError(ValueError):
    """A TrainingJob's spec is not usable; the message is one sentence per fault."""


class TrainingJob(ApiModel):
    """A training job that runs when the grid is clean, measured and accounted for."""

    api_version: Literal["lowtide.dev/v1alpha1"] = "lowtide.dev/v1alpha1"
    kind: Literal["TrainingJob"] = "TrainingJob"
    metadata: dict[str, Any] = Field(default_factory=dict)
    spec: TrainingJobSpec = Field(description="spec is what the user wants.")
    status: TrainingJobStatus | None = Field(
        default=None, description="status is what the operator found and did."
    )


def parse_spec(spec: dict[str, Any]) -> TrainingJobSpec:
    """Return the validated spec of a TrainingJob.

    Raises:
        InvalidTrainingJobError: with the field's path, what was wrong and the value seen.
    """
    try:
        parsed = TrainingJobSpec.model_validate(spec)
    except ValidationError as error:
        raise InvalidTrainingJobError("; ".join(_sentences(error))) from error
    if (parsed.template is None) == (parsed.target_ref is None):
        raise InvalidTrainingJobError(TEMPLATE_OR_TARGET)
    return parsed


def _sentences(error: ValidationError) -> list[str]:
    """Return one clause per fault: the field's path as in the manifest, and what was wrong."""
    clauses = []
    for fault in error.errors(include_url=False)[:5]:
        path = ".".join(["spec", *(str(part) for part in fault["loc"])])
        if fault["type"] == "extra_forbidden":
            clauses.append(f"{path} is not a field of a TrainingJob")
            continue
        value = "" if isinstance(fault["input"], dict) else f" (value {fault['input']!r:.80})"
        clauses.append(f"{path}: {fault['msg']}{value}")
    return clauses
