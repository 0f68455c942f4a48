"""Faults of the API server at kopf's start and within a watch are waited out."""

from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import kopf
import pytest
from aiohttp import ClientPayloadError
from kopf._cogs.clients import watching
from kopf._core.reactor import observation

from lowtide_operator.cluster.unending import outlast_faults, scanning_again, watching_again

TRAININGJOBS = SimpleNamespace(group="lowtide.dev", plural="trainingjobs")
JOBS = SimpleNamespace(group="batch", plural="jobs")


def scan_of(*answers: Any) -> Any:
    """Return a scan that gives or raises these in turn."""
    left = iter(answers)

    async def scan(**_: Any) -> Any:
        answer = next(left)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return scanning_again(scan, waits=lambda: (0.0, 0.0, 0.0))


async def test_a_discovery_that_fails_or_is_incomplete_is_tried_again() -> None:
    """Kopf ended the operator for the first, and would never watch Jobs after the second."""
    scan = scan_of(ClientPayloadError("cut"), (TRAININGJOBS,), (TRAININGJOBS, JOBS))
    assert await scan(settings=None) == (TRAININGJOBS, JOBS)


async def test_missing_credentials_still_end_the_operator() -> None:
    """No wait brings them; a new process reads them anew."""
    with pytest.raises(kopf.LoginError):
        await scan_of(kopf.LoginError("none"))(settings=None)


async def test_an_error_within_a_watch_ends_the_watch_and_not_the_operator() -> None:
    """What came before it is kept."""

    async def watch(**_: Any) -> AsyncIterator[str]:
        yield "event"
        raise watching.WatchingError("etcdserver: leader changed")

    found = [event async for event in watching_again(watch, wait_seconds=0.0)()]
    assert found == ["event"]


def test_kopf_calls_what_stands_in_for_its_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks both up in their modules at each call; a newer one may not."""
    monkeypatch.setattr(observation.scanning, "scan_resources", None)
    monkeypatch.setattr(watching, "continuous_watch", None)
    outlast_faults()
    assert observation.scanning.scan_resources.__name__ == "scan_resources"
    assert "continuous_watch" in watching.infinite_watch.__code__.co_names
    assert watching.continuous_watch.__name__ == "continuous_watch"


async def test_the_operator_starts_although_discovery_fails_first(
    api: Any, operator: Callable[..., Any], training_job: Callable[..., Any]
) -> None:
    """The API server has lost the group for a moment; the job starts all the same."""
    failed = []

    def refusal(method: str, path: str) -> int | None:
        if path == "/apis" and not failed:
            failed.append(path)
            return 409
        return None

    api.fail_next = [refusal] * 1000
    api.create(
        ("lowtide.dev/v1alpha1", "trainingjobs"), training_job(schedule={"policy": "Immediate"})
    )
    async with operator():
        await api.until(lambda: api.get(("batch/v1", "jobs"), "net-1"))
    assert failed == ["/apis"]
