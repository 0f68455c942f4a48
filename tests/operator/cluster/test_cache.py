"""The cache parses a job once for a pass."""

from lowtide_operator.cluster.cache import Cache
from lowtide_operator.objects.key import Key


def test_what_was_parsed_for_a_pass_serves_one_look_unless_the_job_has_changed() -> None:
    """Nothing parsed is kept after the look: of ten thousand jobs it would not fit."""

    def body(version: str, delay: int) -> dict[str, object]:
        metadata = {
            "name": "net",
            "namespace": "ml",
            "uid": "u",
            "creationTimestamp": "2026-11-30T12:00:00Z",
            "resourceVersion": version,
        }
        return {
            "metadata": metadata,
            "spec": {"template": {}, "schedule": {"maxDelaySeconds": delay}},
        }

    cache, key = Cache(), Key("ml", "net")
    cache.remember(body("1", 60))
    record = cache.record(key)
    assert record is not None
    ahead = cache.look_ahead(record)
    assert cache.look(key) is ahead
    again = cache.look(key)
    assert again == ahead
    assert again is not ahead
    cache.look_ahead(record)
    cache.remember(body("2", 120))
    changed = cache.look(key)
    assert changed is not None
    assert changed.resource_version == "2"
    assert changed.spec != ahead.spec
