"""The cache parses a job once for a pass, and knows which jobs run."""

from typing import Any

from lowtide_operator.cluster.cache import Cache
from lowtide_operator.objects.key import Key

NET = Key("ml", "net")


def body(version: str, *, delay: int = 60, state: str = "Waiting", uid: str = "u") -> Any:
    """A TrainingJob as the API server tells of it."""
    metadata = {
        "name": "net",
        "namespace": "ml",
        "uid": uid,
        "creationTimestamp": "2026-11-30T12:00:00Z",
        "resourceVersion": version,
    }
    return {
        "metadata": metadata,
        "spec": {"template": {}, "schedule": {"maxDelaySeconds": delay}},
        "status": {"display": {"state": state}},
    }


def test_what_was_parsed_for_a_pass_serves_one_look_unless_the_job_has_changed() -> None:
    """Nothing parsed is kept after the look: of ten thousand jobs it would not fit."""
    cache = Cache()
    cache.remember(body("1"))
    record = cache.record(NET)
    assert record is not None
    ahead = cache.look_ahead(record)
    assert cache.look(NET) is ahead
    again = cache.look(NET)
    assert again == ahead
    assert again is not ahead
    cache.look_ahead(record)
    cache.remember(body("2", delay=120))
    changed = cache.look(NET)
    assert changed is not None
    assert changed.resource_version == "2"
    assert changed.spec != ahead.spec


def test_a_job_counts_as_running_from_its_start_to_its_end_or_deletion() -> None:
    """A job that waits, has ended or is gone holds no GPUs; nor does one that took its name."""
    cache = Cache()
    found = []
    for version, state in enumerate(("Waiting", "Running", "Complete", "Running", "Running")):
        cache.remember(body(str(version), state=state))
        found.append(cache.running_keys())
    assert found == [(), (NET,), (), (NET,), (NET,)]
    cache.forget(body("9", uid="another"))
    assert cache.running_keys() == (NET,)
    cache.forget(body("9"))
    assert cache.running_keys() == ()
