"""The operator's process and the real API server, with a proxy between them that fails by seed.

Users act on the API server directly. Every third of the operator's requests fails for a while, then
the proxy is honest: at most one Job was let go per TrainingJob, every status says what is, and
nothing is left of what was deleted.
"""

import asyncio
import base64
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from clients import Kubectl, RunningCluster
from standins.kubernetes.fault_proxy import FaultProxy
from standins.ports import free_port

pytestmark = [pytest.mark.cluster, pytest.mark.own_namespace]

CRD = Path(__file__).parents[2] / "crds" / "trainingjobs.lowtide.dev.yaml"
JOBS = "/apis/batch/v1/namespaces/{}/jobs"
TRAININGJOBS = "/apis/lowtide.dev/v1alpha1/namespaces/{}/trainingjobs"
STAY = ("ant", "bee", "cat")
FAULTY_SECONDS = 6.0
PATIENCE_SECONDS = 240.0
SEEDS = tuple(range(int(os.environ.get("LOWTIDE_FAULT_SEEDS", "3"))))
"""LOWTIDE_FAULT_SEEDS=100 plays a hundred."""


def tls_of(kubeconfig: str, directory: Path) -> tuple[str, ssl.SSLContext]:
    """Return the API server's address and a TLS context with the client's certificate."""
    document = yaml.safe_load(Path(kubeconfig).read_text())
    cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
    files = {}
    for name, holder in (
        ("certificate-authority", cluster),
        ("client-certificate", user),
        ("client-key", user),
    ):
        files[name] = holder.get(name)
        if files[name] is None:
            files[name] = str(directory / name)
            Path(files[name]).write_bytes(base64.b64decode(holder[f"{name}-data"]))
    context = ssl.create_default_context(cafile=files["certificate-authority"])
    context.load_cert_chain(files["client-certificate"], files["client-key"])
    return cluster["server"], context


@contextmanager
def operator(address: str, namespace: str, directory: Path) -> Iterator[str]:
    """Run an operator for one namespace through the proxy; yields its metrics page."""
    port = free_port()
    section = {"server": address}
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "faulty",
        "clusters": [{"name": "faulty", "cluster": section}],
        "users": [{"name": "faulty", "user": {"token": "none"}}],
        "contexts": [{"name": "faulty", "context": {"cluster": "faulty", "user": "faulty"}}],
    }
    settings = {
        "cluster": {"namespaces": [namespace], "podPollSeconds": 1, "requestTimeoutSeconds": 5},
        "schedule": {"startLatencySeconds": 1, "marginSeconds": 1},
        "queue": {"workers": 4, "backoffFirstSeconds": 0.2, "resyncSeconds": 10},
        "server": {"metricsPort": port, "healthPort": 0},
    }
    files = {"kubeconfig": kubeconfig, "settings.yaml": settings}
    for name, content in files.items():
        (directory / name).write_text(yaml.safe_dump(content))
    log = directory / "operator.log"
    command = [sys.executable, "-m", "lowtide_operator.main"]
    command += ["--settings", str(directory / "settings.yaml")]
    environment = {**os.environ, "KUBECONFIG": str(directory / "kubeconfig")}
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
    try:
        yield f"http://127.0.0.1:{port}/metrics"
        assert process.poll() is None, log.read_text()[-4000:]
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_SECONDS)


class Truth:
    """What the API server says without the proxy."""

    def __init__(
        self, session: aiohttp.ClientSession, server: str, tls: ssl.SSLContext, namespace: str
    ) -> None:
        self._session, self._server, self._tls = session, server, tls
        self._namespace = namespace
        self.let_go: dict[str, set[str]] = {}
        """Jobs that were ever not suspended, by the uid of their TrainingJob."""

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return the answer to a request in the namespace."""
        url = self._server + path.format(self._namespace)
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        async with self._session.request(
            method,
            url,
            data=None if body is None else json.dumps(body),
            headers={"Content-Type": kind},
            ssl=self._tls,
        ) as answer:
            return await answer.json()

    async def follow(self) -> None:
        """Note every Job that is let go, from a watch, until cancelled."""
        url = self._server + JOBS.format(self._namespace)
        query = {"watch": "true", "resourceVersion": "0"}
        async with self._session.get(url, params=query, ssl=self._tls) as answer:
            async for line in answer.content:
                job = json.loads(line)["object"]
                if not job["spec"].get("suspend"):
                    owner = job["metadata"]["ownerReferences"][0]["uid"]
                    self.let_go.setdefault(owner, set()).add(job["metadata"]["uid"])

    async def states(self) -> dict[str, str | None]:
        """Return the state of every TrainingJob as its column shows it."""
        items = (await self.ask("GET", TRAININGJOBS))["items"]
        return {
            item["metadata"]["name"]: ((item.get("status") or {}).get("display") or {}).get("state")
            for item in items
        }


def training_job(name: str, image: str) -> dict[str, Any]:
    """Return a TrainingJob that ends at once."""
    container = {"name": "train", "image": image, "command": ["python3", "-c", "pass"]}
    pod = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    return {
        "apiVersion": "lowtide.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": name},
        "spec": {
            "schedule": {"policy": "Immediate"},
            "template": {"spec": {"template": {"spec": pod}}},
        },
    }


async def episode(
    seed: int, cluster: RunningCluster, namespace: str, image: str, directory: Path
) -> None:
    """Play one seed."""
    server, tls = tls_of(cluster.kubeconfig, directory)
    proxy = FaultProxy(server, seed, tls=tls)
    proxy.is_honest = True
    timeout = aiohttp.ClientTimeout(total=None)
    async with proxy.serve() as address, aiohttp.ClientSession(timeout=timeout) as session:
        truth = Truth(session, server, tls, namespace)
        follower = asyncio.create_task(truth.follow())
        with operator(address, namespace, directory) as metrics:
            await until(lambda: page_of(session, metrics), "the operator answers")
            # Discovery at the start ends the process where it fails; Kubernetes starts it again.
            await truth.ask("POST", TRAININGJOBS, training_job("first", image))
            await until(lambda: has_state(truth, "first"), "the operator works")
            proxy.is_honest = False
            for name in (*STAY, "gone"):
                await truth.ask("POST", TRAININGJOBS, training_job(name, image))
            await asyncio.sleep(FAULTY_SECONDS / 2)
            await truth.ask("DELETE", TRAININGJOBS + "/gone")
            await asyncio.sleep(FAULTY_SECONDS / 2)
            proxy.is_honest = True
            wanted = dict.fromkeys(("first", *STAY), "Complete")
            await until(lambda: equals(truth.states(), wanted), "all are complete")
            await until(lambda: has_no_ghost(truth, session, metrics), "nothing is left over")
        follower.cancel()
        several = {uid: jobs for uid, jobs in truth.let_go.items() if len(jobs) > 1}
        assert not several, f"seed {seed}: more than one Job was let go: {several}"
        assert len(truth.let_go) >= len(wanted)
    assert proxy.faults, "nothing failed"


async def until(holds: Any, what: str) -> None:
    """Wait until an awaited condition holds."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await holds():
            await asyncio.sleep(0.3)


async def equals(found: Any, wanted: Any) -> bool:
    """Return whether an awaited value is the wanted one."""
    return bool(await found == wanted)


async def page_of(session: aiohttp.ClientSession, url: str) -> str:
    """Return a page; empty where it does not answer."""
    try:
        async with session.get(url) as answer:
            return await answer.text()
    except aiohttp.ClientError:
        return ""


async def has_state(truth: Truth, name: str) -> bool:
    """Return whether the operator has written a job's status."""
    return bool((await truth.states()).get(name))


async def has_no_ghost(truth: Truth, session: aiohttp.ClientSession, metrics: str) -> bool:
    """Return whether cluster and operator know the jobs that there are, and no other."""
    jobs = {item["metadata"]["name"] for item in (await truth.ask("GET", JOBS))["items"]}
    lines = (await page_of(session, metrics)).splitlines()
    known = [line for line in lines if line.startswith("lowtide_trainingjobs{")]
    count = sum(float(line.rpartition(" ")[2]) for line in known)
    return jobs == {f"{name}-1" for name in ("first", *STAY)} and count == len(STAY) + 1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_faulty_way_to_the_real_api_server_starts_nothing_twice_and_loses_nothing(
    seed: int,
    cluster: RunningCluster,
    kubectl: Kubectl,
    namespace: str,
    image: str,
    tmp_path: Path,
) -> None:
    """Another seed, other faults."""
    kubectl("apply", "--server-side", "-f", str(CRD))
    asyncio.run(episode(seed, cluster, namespace, image, tmp_path))
