"""`kubectl lowtide` where nothing but the definition is installed: no operator, no Prometheus."""

import json
from pathlib import Path
from typing import Any

import plugin
import pytest
from clients import Kubectl, RunningCluster
from singlenode.errors import CommandFailedError

pytestmark = [pytest.mark.cluster, pytest.mark.own_namespace]

CRD = Path(__file__).resolve().parents[2] / "crds" / "trainingjobs.lowtide.dev.yaml"
NAME = "net"


@pytest.fixture(scope="module", autouse=True)
def definition(kubectl: Kubectl) -> None:
    """The committed definition, as `kubectl apply --server-side` users have it."""
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRD))
    kubectl("wait", "--for=condition=Established", "crd/trainingjobs.lowtide.dev")


@pytest.fixture
def inside(kubectl: Kubectl, namespace: str) -> Kubectl:
    """Kubectl in a fresh namespace with one job, which no operator looks at."""
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "none"}]}
    kubectl.within(namespace).apply(
        {
            "apiVersion": "lowtide.dev/v1alpha1",
            "kind": "TrainingJob",
            "metadata": {"name": NAME},
            "spec": {"suspend": True, "template": {"spec": {"template": {"spec": pod}}}},
        }
    )
    return kubectl.within(namespace)


@pytest.fixture(scope="module")
def verb(cluster: RunningCluster) -> plugin.Verb:
    """A function that runs `kubectl lowtide ...` as a user does."""
    return plugin.of(cluster)


def spec(inside: Kubectl) -> dict[str, Any]:
    """Return the job as it is stored."""
    found: dict[str, Any] = inside.json("get", "trainingjob", NAME)
    return found


def test_a_job_is_listed_watched_and_explained(
    inside: Kubectl, namespace: str, verb: plugin.Verb
) -> None:
    """Fields that no operator has filled in are left open, and the verbs say so."""
    where = ("-n", namespace)

    listed = json.loads(verb("lowtide", "status", *where, "-o", "json"))

    assert [entry["name"] for entry in listed] == [NAME]
    assert NAME in verb("lowtide", "status", *where)
    assert NAME in verb("lowtide", "watch", "--once", *where)
    assert NAME in verb("lowtide", "explain", NAME, *where)


def test_verbs_that_ask_write_what_an_operator_will_read(
    inside: Kubectl, namespace: str, verb: plugin.Verb
) -> None:
    """The wish is in the object, for an operator to act on later."""
    where = ("-n", namespace)

    verb("lowtide", "resume", NAME, *where)
    resumed = spec(inside)["spec"]["suspend"]
    verb("lowtide", "suspend", NAME, *where)
    suspended = spec(inside)["spec"]["suspend"]
    verb("lowtide", "run-now", NAME, *where)

    assert (resumed, suspended) == (False, True)
    assert spec(inside)["metadata"]["annotations"]["lowtide.dev/run-now"] == "true"
    assert spec(inside)["spec"]["suspend"] is False


def test_a_job_that_is_not_there_is_one_sentence(namespace: str, verb: plugin.Verb) -> None:
    """The API server's own words, and exit code 1."""
    with pytest.raises(CommandFailedError, match=r'"nobody" not found'):
        verb("lowtide", "explain", "nobody", "-n", namespace)
