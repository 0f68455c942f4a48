"""A status is replaced as a whole, and only if nothing has changed since it was decided."""

from pathlib import Path
from typing import Any

import pytest

from lowtide_operator.cluster.client import Cluster
from lowtide_operator.cluster.connection import connect
from lowtide_operator.cluster.errors import ConflictError
from lowtide_operator.cluster.leadership import Leadership
from lowtide_operator.objects.key import Key

TRAININGJOBS = ("lowtide.dev/v1alpha1", "trainingjobs")
NET = Key("default", "net")


@pytest.fixture
async def cluster(api: Any, kubeconfig: Path) -> Any:
    """A client of the stand-in."""
    client = await connect(workers=1)
    yield Cluster(client, Leadership(), timeout_seconds=10)
    await client.close()  # type: ignore[no-untyped-call]


async def test_a_write_replaces_the_status_and_nothing_else(
    api: Any, cluster: Any, training_job: Any
) -> None:
    """A field that is not in the new status is gone; spec, labels and annotations stay."""
    api.create(TRAININGJOBS, training_job())
    before = api.change(TRAININGJOBS, "net", {"status": {"plan": {"reason": "Old"}}})
    version = before["metadata"]["resourceVersion"]

    after = await cluster.write_status(NET, {"carbon": {"zone": "DE"}}, version)

    assert after["status"] == {"carbon": {"zone": "DE"}}
    assert after["spec"] == before["spec"]
    del before["metadata"]["resourceVersion"], after["metadata"]["resourceVersion"]
    assert after["metadata"] == before["metadata"]


async def test_a_change_since_the_decision_is_a_conflict_and_stays(
    api: Any, cluster: Any, training_job: Any
) -> None:
    """Somebody has suspended the job meanwhile: the next look decides with that."""
    api.create(TRAININGJOBS, training_job())
    version = api.get(TRAININGJOBS, "net")["metadata"]["resourceVersion"]
    changed = api.change(TRAININGJOBS, "net", {"spec": {"suspend": True}})

    with pytest.raises(ConflictError):
        await cluster.write_status(NET, {"carbon": {"zone": "DE"}}, version)

    assert api.get(TRAININGJOBS, "net") == changed


async def test_the_status_of_a_deleted_job_is_not_written(cluster: Any) -> None:
    """A job that is gone is no error."""
    assert await cluster.write_status(NET, {"carbon": {"zone": "DE"}}, "1") is None
