"""Views of new TrainingJobs, for decisions that need no API server."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from lowtide.trainingjob.spec import TrainingJobSpec
from lowtide.trainingjob.status import TrainingJobStatus
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.views import JobView

CREATED: Final = datetime(2026, 11, 30, 10, 0, tzinfo=UTC)
KEY: Final = Key("ml", "net")


def new_job(spec: TrainingJobSpec, **changes: Any) -> JobView:
    """Return a job with one GPU that was just created; keywords are other fields of the view."""
    job = JobView(
        key=KEY,
        uid="uid-1",
        generation=1,
        resource_version="1",
        created=CREATED,
        deleting=False,
        run_now=False,
        gpus=1,
        spec=spec,
        status=TrainingJobStatus(),
    )
    return replace(job, **changes)
