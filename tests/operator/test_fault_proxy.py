"""The real operator behind a proxy that fails by seed: its promises hold, and it finds back."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from standins.kubernetes.fake_api import JOBS, TRAININGJOBS
from standins.kubernetes.fault_proxy import FaultProxy

pytestmark = pytest.mark.waits

NAMES = ("ant", "bee", "cat", "dog")
SEEDS = range(12)
FAULTY_SECONDS = 2.5


def state(api: Any, name: str) -> str | None:
    """Return the state of a job as its column shows it."""
    status = (api.get(TRAININGJOBS, name) or {}).get("status") or {}
    return (status.get("display") or {}).get("state")


class Starts:
    """Jobs that were ever let go, by the uid of their TrainingJob."""

    def __init__(self, api: Any) -> None:
        self._api = api
        self.of: dict[str, set[str]] = {}

    def look(self) -> None:
        """Note the Jobs that are there and not suspended."""
        for job in self._api.all(JOBS):
            if not job["spec"].get("suspend"):
                owner = job["metadata"]["ownerReferences"][0]["uid"]
                self.of.setdefault(owner, set()).add(job["metadata"]["uid"])


async def a_faulty_while(
    seed: int,
    api: Any,
    operator: Callable[..., Any],
    training_job: Callable[..., Any],
    kubeconfig: Path,
) -> None:
    """Let four jobs start through a proxy that fails, and a user interfere; then be honest."""
    starts = Starts(api)
    proxy = FaultProxy(api.url, seed)
    proxy.is_honest = True
    async with proxy.serve() as address:
        document = yaml.safe_load(kubeconfig.read_text())
        document["clusters"][0]["cluster"]["server"] = address
        kubeconfig.write_text(yaml.safe_dump(document))
        async with operator(queue={"workers": 4, "resyncSeconds": 8}) as task:
            # A failing discovery ends the process, which Kubernetes starts again.
            await api.until(lambda: ("watch", "lowtide.dev", "trainingjobs") in api.calls)
            proxy.is_honest = False
            for name in NAMES:
                api.create(TRAININGJOBS, training_job(name, schedule={"policy": "Immediate"}))
            loop = asyncio.get_running_loop()
            end = loop.time() + FAULTY_SECONDS
            while loop.time() < end:
                starts.look()
                if api.get(JOBS, "bee-1") and api.get(TRAININGJOBS, "bee"):
                    api.delete(TRAININGJOBS, "bee")
                await asyncio.sleep(0.01)
            proxy.is_honest = True
            for name in ("ant", "cat", "dog"):
                await api.until(lambda job=f"{name}-1": started(api, job))
                starts.look()
                api.end_job(f"{name}-1")
            for name in ("ant", "cat", "dog"):
                await api.until(lambda name=name: state(api, name) == "Complete")
            assert not task.done(), "the operator ended"
    if api.get(TRAININGJOBS, "bee") is None:
        # One that was created as its owner went has no pods; the garbage collector takes it.
        assert not started(api, "bee-1"), "the Job of a deleted TrainingJob was let go"
    several = {uid: jobs for uid, jobs in starts.of.items() if len(jobs) > 1}
    assert not several, f"seed {seed}: more than one Job was let go: {several}"
    assert proxy.faults, "nothing failed"


def started(api: Any, name: str) -> bool:
    """Return whether a Job is there and was let go."""
    job = api.get(JOBS, name)
    return job is not None and not job["spec"].get("suspend")


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
async def test_a_faulty_way_to_the_api_server_starts_nothing_twice_and_loses_nothing(
    seed: int,
    api: Any,
    operator: Callable[..., Any],
    training_job: Callable[..., Any],
    kubeconfig: Path,
) -> None:
    """Almost every third request fails for a while, in eight ways; watches in four."""
    await a_faulty_while(seed, api, operator, training_job, kubeconfig)
