"""Two operators on a real API server: one leads, the other takes over, never do both write."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from clients import Kubectl, RunningCluster
from sleepers import await_ as until
from tcp_proxy import proxy_to

from lowtide.names import CLAIM

pytestmark = [pytest.mark.cluster, pytest.mark.own_namespace]

CRD = Path(__file__).parents[2] / "crds" / "trainingjobs.lowtide.dev.yaml"
LEASE_SECONDS = 12
LONG_LEASE_SECONDS = 90
"""A Lease that no stopped leader is left to run out, however busy the machine is."""
TAKEOVER_SECONDS = 60.0
"""The Lease, a look of the standby, and room for a busy machine: a quiet one needs 16 s."""


class Replica:
    """One operator process; its log tells how it ended."""

    def __init__(self, settings: Path, kubeconfig: str, log: Path) -> None:
        self.log = log
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "lowtide_operator.main", "--settings", str(settings)],
                env={**os.environ, "KUBECONFIG": kubeconfig},
                stdout=out,
                stderr=out,
            )

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        self.process.send_signal(number)

    def ended(self) -> int | None:
        """Return the exit status, `None` while it runs."""
        return self.process.poll()

    def close(self) -> None:
        """End the process, whatever its state."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(timeout=10)


class Pair:
    """The replicas of a test and the Lease that they stand for."""

    def __init__(self, here: Kubectl, settings: Path, kubeconfig: str, folder: Path) -> None:
        self._here = here
        self._settings = settings
        self._kubeconfig = kubeconfig
        self._folder = folder
        self.replicas: list[Replica] = []

    def start(self, kubeconfig: str | None = None, **cluster: Any) -> Replica:
        """Start another replica, which sees the API server by its own way if one is given.

        Keywords are other settings of the section `cluster` than those of the replicas before.
        """
        log = self._folder / f"operator-{len(self.replicas)}.log"
        settings = self._settings
        if cluster:
            document = yaml.safe_load(settings.read_text())
            document["cluster"] |= cluster
            settings = self._folder / f"settings-{len(self.replicas)}.yaml"
            settings.write_text(yaml.safe_dump(document))
        replica = Replica(settings, kubeconfig or self._kubeconfig, log)
        self.replicas.append(replica)
        return replica

    def lease(self) -> dict[str, Any]:
        """The Lease's spec; empty while there is none."""
        return self._spec_of("lowtide-operator")

    def claim(self) -> str:
        """Installation that serves the namespace; empty while none does."""
        return str(self._spec_of(CLAIM).get("holderIdentity") or "")

    def _spec_of(self, name: str) -> dict[str, Any]:
        found = self._here.json("get", "leases.coordination.k8s.io")["items"]
        return next((dict(one["spec"]) for one in found if one["metadata"]["name"] == name), {})

    def leader(self) -> str:
        """Holder of the Lease; empty if it is free."""
        return str(self.lease().get("holderIdentity") or "")

    def first_leads(self) -> tuple[Replica, str]:
        """Start a replica and wait until it leads."""
        replica = self.start()
        until(self.leader, "the first operator leads")
        return replica, self.leader()

    def start_standby(self) -> Replica:
        """Start a replica and wait until it has seen the Lease of another."""
        replica = self.start()
        until(lambda: "stands by" in replica.log.read_text(), "the second stands by")
        return replica

    def other_leads(self, former: str) -> float:
        """Wait until another operator leads; return seconds since the former's last renewal."""
        renewed = moment(self.lease()["renewTime"])

        def taken() -> bool:
            nonlocal renewed
            lease = self.lease()
            if lease.get("holderIdentity") == former:
                renewed = moment(lease["renewTime"])
            return lease.get("holderIdentity") not in ("", None, former)

        until(taken, "the standby leads")
        return (moment(self.lease()["acquireTime"]) - renewed).total_seconds()


def moment(text: str) -> datetime:
    """Return a time of the API server."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


@pytest.fixture
def here(kubectl: Kubectl, namespace: str) -> Kubectl:
    """The cluster's client in the test's namespace."""
    return kubectl.within(namespace)


@pytest.fixture
def lease_seconds() -> int:
    """How long a Lease lasts after its last renewal; a test may say so."""
    return LEASE_SECONDS


@pytest.fixture
def pair(
    cluster: RunningCluster,
    kubectl: Kubectl,
    here: Kubectl,
    namespace: str,
    lease_seconds: int,
    tmp_path: Path,
) -> Iterator[Pair]:
    """Replicas that serve the test's namespace; all end with the test, without a traceback."""
    kubectl("apply", "--server-side", "-f", str(CRD))
    settings = {
        "cluster": {
            "namespaces": [namespace],
            "leaseNamespace": namespace,
            "leaseSeconds": lease_seconds,
            "requestTimeoutSeconds": 5,
        },
        "schedule": {"startLatencySeconds": 1, "marginSeconds": 1},
        "queue": {"workers": 4},
        "server": {"metricsPort": 0, "healthPort": 0},
    }
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump(settings))
    replicas = Pair(here, file, cluster.kubeconfig, tmp_path)
    yield replicas
    for replica in replicas.replicas:
        replica.close()
        assert "Traceback" not in replica.log.read_text(), replica.log.read_text()[-4000:]


@pytest.fixture
def create(here: Kubectl) -> Callable[[str], None]:
    """Return a function that creates a TrainingJob whose pod never starts: its Job is enough."""

    def make(name: str) -> None:
        container = {"name": "train", "image": "none.invalid/none", "imagePullPolicy": "Never"}
        template = {"spec": {"template": {"spec": {"containers": [container]}}}}
        job = {
            "apiVersion": "lowtide.dev/v1alpha1",
            "kind": "TrainingJob",
            "metadata": {"name": name},
            "spec": {"schedule": {"policy": "Immediate"}, "template": template},
        }
        here("create", "-f", "-", text=json.dumps(job))

    return make


def has_job(here: Kubectl, name: str) -> Callable[[], bool]:
    """Return a question: is there a batch Job of this name?"""
    return lambda: name in {item["metadata"]["name"] for item in here.json("get", "jobs")["items"]}


def test_the_standby_takes_over_from_a_killed_leader(
    pair: Pair, here: Kubectl, create: Callable[[str], None]
) -> None:
    """A job created while no operator leads is started by the standby, once."""
    first, leader = pair.first_leads()
    pair.start_standby()
    create("before")
    until(has_job(here, "before-1"), "the leader acts")
    first.signal(signal.SIGKILL)
    create("between")
    assert pair.other_leads(leader) < TAKEOVER_SECONDS
    until(has_job(here, "between-1"), "the new leader acts")
    assert len(here.json("get", "jobs")["items"]) == 2


def test_a_leader_that_was_frozen_writes_nothing_when_it_wakes_up(
    pair: Pair, here: Kubectl, create: Callable[[str], None]
) -> None:
    """It finds its fence closed and its Lease taken, ends with status 1 and says why."""
    first, leader = pair.first_leads()
    pair.start_standby()
    create("net")
    until(has_job(here, "net-1"), "the leader acts")
    first.signal(signal.SIGSTOP)
    assert pair.other_leads(leader) < TAKEOVER_SECONDS
    second = pair.leader()
    until(lambda: here.json("get", "trainingjob", "net")["status"]["conditions"], "a status")
    first.signal(signal.SIGCONT)
    until(lambda: first.ended() is not None, "the frozen leader ends")
    assert first.ended() == 1
    assert "could not be renewed" in first.log.read_text()
    assert pair.leader() == second


def test_a_leader_behind_a_partition_ends_and_the_standby_goes_on(
    pair: Pair,
    here: Kubectl,
    cluster: RunningCluster,
    create: Callable[[str], None],
    tmp_path: Path,
) -> None:
    """Its connections stay open and nothing gets through, the worst that a network does."""
    document = yaml.safe_load(Path(cluster.kubeconfig).read_text())
    server = urlsplit(document["clusters"][0]["cluster"]["server"])
    assert server.hostname is not None
    with proxy_to(server.hostname, server.port or 443) as proxy:
        document["clusters"][0]["cluster"] |= {
            "server": f"https://127.0.0.1:{proxy.port}",
            "tls-server-name": server.hostname,
        }
        mine = tmp_path / "through-the-proxy"
        mine.write_text(yaml.safe_dump(document))
        first = pair.start(str(mine))
        until(pair.leader, "the first operator leads")
        leader = pair.leader()
        pair.start_standby()
        proxy.cut()
        create("net")
        assert pair.other_leads(leader) < TAKEOVER_SECONDS
        until(has_job(here, "net-1"), "the new leader acts")
        until(lambda: first.ended() is not None, "the lonely leader ends")
    assert first.ended() == 1


@pytest.mark.parametrize("lease_seconds", [LONG_LEASE_SECONDS])
def test_a_stopped_leader_hands_over_at_once(pair: Pair) -> None:
    """A rolling update costs no wait for the Lease to run out."""
    first, leader = pair.first_leads()
    pair.start_standby()
    first.signal(signal.SIGTERM)
    assert pair.other_leads(leader) < LONG_LEASE_SECONDS
    until(lambda: first.ended() is not None, "the stopped leader ends")
    assert first.ended() == 0


def test_a_second_installation_writes_nothing_until_the_first_is_gone(
    pair: Pair, here: Kubectl, namespace: str, create: Callable[[str], None]
) -> None:
    """Each leads by a Lease of its own; the claim on the namespace lets one of them write."""
    first, _ = pair.first_leads()
    create("before")
    until(has_job(here, "before-1"), "the first acts")
    mine = f"{namespace}/lowtide-operator"
    assert pair.claim() == mine
    second = pair.start(leaseName="second-release", claimSeconds=15)
    said = f"the operator {mine} serves namespace {namespace}: this one writes nothing there"
    until(lambda: said in second.log.read_text(), "the second says that it writes nothing")
    create("beside")
    until(has_job(here, "beside-1"), "the first still acts")
    assert pair.claim() == mine
    first.signal(signal.SIGKILL)
    # As if five minutes had passed since its last renewal.
    patch = json.dumps({"spec": {"leaseDurationSeconds": 1}})
    here("patch", "lease", CLAIM, "--type=merge", "--patch", patch)
    create("after")
    until(has_job(here, "after-1"), "the second acts")
    assert pair.claim() == f"{namespace}/second-release"
    assert len(here.json("get", "jobs")["items"]) == 3
