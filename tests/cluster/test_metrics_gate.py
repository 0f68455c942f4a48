"""The metrics page behind a token, with the chart's own rights and a real API server's verdicts."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from os import environ
from pathlib import Path
from typing import Any

import pytest
import yaml
from clients import Kubectl, RunningCluster
from singlenode.commands import run
from sleepers import await_ as until
from standins.ports import free_port

pytestmark = [pytest.mark.cluster, pytest.mark.own_namespace]

CHART = Path(__file__).parents[2] / "charts" / "lowtide"
CRD = Path(__file__).parents[2] / "crds" / "trainingjobs.lowtide.dev.yaml"
RIGHTS = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
READER = "scraper"


@pytest.fixture
def here(kubectl: Kubectl, namespace: str) -> Kubectl:
    """The cluster's client in the test's namespace, where two accounts exist besides."""
    here = kubectl.within(namespace)
    for account in (READER, "stranger"):
        here("create", "serviceaccount", account)
    return here


@pytest.fixture
def account(
    cluster: RunningCluster, kubectl: Kubectl, here: Kubectl, namespace: str
) -> Iterator[str]:
    """The operator's account with the rights that the chart gives; `scraper` is a named reader."""
    kubectl("apply", "--server-side", "-f", str(CRD))
    reader = {"kind": "ServiceAccount", "name": READER, "namespace": namespace}
    values = {
        "crds": {"enabled": False},
        "exporter": {"enabled": False},
        "watchNamespaces": [namespace],
        "rbac": {"aggregateUserRoles": False},
        "operator": {"metricsAuthentication": {"enabled": True, "readers": [reader]}},
    }
    rendered = run(
        [
            cluster.programs.clients / "helm", "template", namespace, CHART,
            "--namespace", namespace, "--values", "-",
        ],
        input_text=yaml.safe_dump(values),
    )  # fmt: skip
    objects = [one for one in yaml.safe_load_all(rendered) if one and one["kind"] in RIGHTS]
    deployment = next(
        one for one in yaml.safe_load_all(rendered) if one and one["kind"] == "Deployment"
    )
    kubectl.apply(*objects)
    yield deployment["spec"]["template"]["spec"]["serviceAccountName"]
    bundle = {"apiVersion": "v1", "kind": "List", "items": objects}
    kubectl("delete", "--ignore-not-found", "-f", "-", text=json.dumps(bundle))


@pytest.fixture
def status_for(
    cluster: RunningCluster, here: Kubectl, account: str, namespace: str, tmp_path: Path
) -> Iterator[Callable[[str | None], int]]:
    """What the page of a running operator, which has those rights only, answers a token."""
    port = free_port()
    config: dict[str, Any] = yaml.safe_load(Path(cluster.kubeconfig).read_text())
    for user in config["users"]:
        user["user"] = {"token": here("create", "token", account).strip()}
    kubeconfig, settings = tmp_path / "kubeconfig", tmp_path / "settings.yaml"
    kubeconfig.write_text(yaml.safe_dump(config))
    document = {
        "cluster": {"namespaces": [namespace]},
        "workloads": {"kinds": []},
        "server": {"metricsPort": port, "healthPort": 0, "metricsAuthentication": True},
    }
    settings.write_text(yaml.safe_dump(document))
    log = tmp_path / "operator.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "lowtide_operator.main", "--settings", str(settings)],
            env={**environ, "KUBECONFIG": str(kubeconfig)},
            stdout=out,
            stderr=out,
        )

    def ask(token: str | None) -> int:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def serves() -> bool:
        assert process.poll() is None, log.read_text()[-4000:]
        try:
            return ask(None) > 0
        except OSError:
            return False

    try:
        until(serves, "the operator serves its metrics page")
        yield ask
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)
    assert "cannot be reviewed" not in log.read_text()


def test_the_page_is_for_those_whom_the_api_server_lets_read_it(
    status_for: Callable[[str | None], int], here: Kubectl
) -> None:
    """No token or a forged one: 401. An account without the right: 403. A named reader: 200."""
    assert status_for(None) == 401
    assert status_for("eyJhbGciOiJub25lIn0.e30.") == 401
    assert status_for(here("create", "token", "stranger").strip()) == 403
    assert status_for(here("create", "token", READER).strip()) == 200
