"""Scaling of an elastic job, from its own attempts and from those of its series."""

from dataclasses import replace

from lowtide.planning.durations import Experience
from lowtide.planning.scaling import scaling_of
from lowtide.trainingjob.requests import given_efficiency
from lowtide.trainingjob.sized_attempts import sized_attempts
from lowtide_operator.objects.views import Fault, JobView


def with_scaling(job: JobView, experience: Experience | None) -> JobView:
    """Return an elastic job with what is known of its scaling; another job as it is."""
    if isinstance(job.spec, Fault) or job.spec.schedule.elastic is None:
        return job
    runs = () if experience is None else experience.attempts
    own = sized_attempts(job.status.attempts)
    return replace(job, scaling=scaling_of(given_efficiency(job.spec), (*runs, own)))
