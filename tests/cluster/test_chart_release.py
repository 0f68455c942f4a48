"""The chart on a real cluster: install, rights by token, upgrade, rollback, uninstall."""

import base64
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from clients import Helm, Kubectl, RunningCluster
from singlenode.errors import CommandFailedError
from sleepers import await_

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

CHART = Path(__file__).resolve().parents[2] / "charts" / "lowtide"
CRD = "customresourcedefinition/trainingjobs.lowtide.dev"
RELEASE_NAMESPACE = "tide-release"
JOBS = "/apis/lowtide.dev/v1alpha1"
FORBIDDEN = 403

Ask = Callable[[str, str, dict[str, Any] | None], int]


def values(images: dict[str, str], **more: Any) -> str:
    """Return the chart's values for the images of this tree, as YAML."""

    def image(name: str) -> dict[str, str]:
        repository, _, tag = images[name].rpartition(":")
        return {"repository": repository, "tag": tag}

    return yaml.safe_dump(
        {
            "operator": {"image": image("operator")},
            "exporter": {"image": image("exporter"), "nodeSelector": None},
            **more,
        }
    )


@pytest.fixture(scope="module")
def install(
    kubectl: Kubectl, images: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., str]]:
    """A function that installs or upgrades the release; everything is removed at the end."""
    file = tmp_path_factory.mktemp("values") / "values.yaml"
    kubectl("delete", CRD, "--ignore-not-found")

    def run(helm: Helm, **more: Any) -> str:
        file.write_text(values(images, **more))
        command = ["upgrade", "--install", "lowtide", str(CHART), "--values", str(file)]
        command += ["--namespace", RELEASE_NAMESPACE, "--create-namespace"]
        return helm(*command, "--wait", "--timeout", "240s", timeout=300)

    yield run
    kubectl("delete", "trainingjobs", "--all", "--all-namespaces", "--ignore-not-found")
    kubectl("delete", CRD, "--ignore-not-found")
    kubectl("delete", "namespace", RELEASE_NAMESPACE, "--ignore-not-found", "--wait=false")


@pytest.fixture(scope="module")
def release(install: Callable[..., str], helm: Helm) -> Iterator[str]:
    """The release, installed by Helm 4; what helm printed."""
    printed = install(helm)
    yield printed
    helm("uninstall", "lowtide", "--namespace", RELEASE_NAMESPACE, "--ignore-not-found", "--wait")


@pytest.fixture
def ask_as(cluster: RunningCluster, kubectl: Kubectl) -> Callable[[str], Ask]:
    """A function that returns a way to send real requests with a ServiceAccount's own token."""
    config = yaml.safe_load(Path(cluster.kubeconfig).read_text())["clusters"][0]["cluster"]
    context = ssl.create_default_context()
    if "certificate-authority-data" in config:
        context.load_verify_locations(
            cadata=base64.b64decode(config["certificate-authority-data"]).decode()
        )
    else:
        context.load_verify_locations(config["certificate-authority"])

    def with_token_of(account: str) -> Ask:
        token = kubectl("create", "token", account, "--namespace", RELEASE_NAMESPACE).strip()

        def ask(method: str, path: str, body: dict[str, Any] | None = None) -> int:
            kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
            request = urllib.request.Request(
                config["server"] + path,
                method=method,
                data=None if body is None else json.dumps(body).encode(),
                headers={"Authorization": f"Bearer {token}", "Content-Type": kind},
            )
            try:
                with urllib.request.urlopen(request, timeout=20, context=context) as answer:
                    return int(answer.status)
            except urllib.error.HTTPError as error:
                return int(error.code)

        return ask

    return with_token_of


def job(name: str, image: str, **schedule: Any) -> dict[str, Any]:
    """Return a TrainingJob that sleeps."""
    container = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "Never",
        "command": ["python3", "-c", "import time; time.sleep(900)"],
    }
    pod = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
    }
    return {
        "apiVersion": "lowtide.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": name},
        "spec": {"schedule": schedule, "template": {"spec": {"template": {"spec": pod}}}},
    }


def in_six_hours() -> str:
    """Return a start that no test lives to see, and that the default delay of a day allows."""
    return (datetime.now(UTC) + timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%SZ")


def await_state(inside: Kubectl, name: str, state: str) -> None:
    """Wait until the job's column says `state`."""
    condition = f"--for=jsonpath={{.status.display.state}}={state}"
    inside("wait", condition, f"trainingjob/{name}", "--timeout=240s", timeout=270)


def await_log(inside: Kubectl, pods: str, words: str) -> str:
    """Return the line of a log that holds these words, from the container before if it ended."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        for more in ([], ["--previous"]):
            try:
                said = inside("logs", pods, *more)
            except CommandFailedError:  # no container runs, or none ran before
                continue
            for line in said.splitlines():
                if words in line:
                    return line
        time.sleep(1)
    raise AssertionError(f"no line of {pods} said {words!r}")


def test_notes_name_the_next_command(release: str) -> None:
    """The user reads how to check that the release works."""
    assert f"helm test lowtide --namespace {RELEASE_NAMESPACE}" in release


def test_every_component_answers_helm_test(release: str, helm: Helm) -> None:
    """The test pod asks the API server, the operator and the exporter, and says what it saw."""
    said = helm("test", "lowtide", "--namespace", RELEASE_NAMESPACE, "--logs")

    assert "trainingjobs.lowtide.dev is served" in said
    assert "operator: healthy" in said
    assert "exporter: 1 ready" in said


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/v1/namespaces/kube-system/secrets", None),
        ("GET", "/api/v1/secrets", None),
        ("GET", "/api/v1/nodes", None),
        ("GET", f"/api/v1/namespaces/{RELEASE_NAMESPACE}/configmaps", None),
        ("POST", "/api/v1/namespaces/default/pods?dryRun=All", {}),
        ("DELETE", "/api/v1/namespaces/default/pods/any?dryRun=All", None),
        ("POST", "/api/v1/namespaces/default/pods/any/exec?command=id", None),
        ("GET", "/api/v1/pods?watch=1", None),
        ("PUT", f"{JOBS}/namespaces/default/trainingjobs/any?dryRun=All", {}),
        ("PATCH", f"{JOBS}/namespaces/default/trainingjobs/any/status?dryRun=All", {}),
        ("POST", "/apis/jobset.x-k8s.io/v1alpha2/namespaces/default/jobsets?dryRun=All", {}),
        ("DELETE", "/apis/batch/v1/namespaces/default/jobs/any?dryRun=All", None),
        ("DELETE", f"/apis/coordination.k8s.io/v1/namespaces/{RELEASE_NAMESPACE}/leases/any", None),
        ("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", None),
        ("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings?dryRun=All", {}),
        ("PATCH", f"/apis/apps/v1/namespaces/{RELEASE_NAMESPACE}/deployments/x?dryRun=All", {}),
    ],
)
def test_api_server_refuses_the_operator_what_it_does_not_need(
    release: str,
    ask_as: Callable[[str], Ask],
    method: str,
    path: str,
    body: dict[str, Any] | None,
) -> None:
    """Real requests with the operator's own token, not a question about its rights."""
    assert ask_as("lowtide-operator")(method, path, body) == FORBIDDEN


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"{JOBS}/trainingjobs", None),
        ("PUT", f"{JOBS}/namespaces/default/trainingjobs/any/status", {}),
        ("GET", "/apis/batch/v1/jobs", None),
        ("POST", "/apis/batch/v1/namespaces/default/jobs?dryRun=All", {}),
        ("DELETE", f"{JOBS}/namespaces/default/trainingjobs/any?dryRun=All", None),
        # A TrainingJob beside a labelled Job, the kind that is taken up by default.
        ("POST", f"{JOBS}/namespaces/default/trainingjobs?dryRun=All", {}),
        ("PATCH", f"{JOBS}/namespaces/default/trainingjobs/any?dryRun=All", {}),
        ("GET", "/api/v1/namespaces/default/pods", None),
        ("POST", "/apis/events.k8s.io/v1/namespaces/default/events?dryRun=All", {}),
    ],
)
def test_api_server_lets_the_operator_do_its_work(
    release: str,
    ask_as: Callable[[str], Ask],
    method: str,
    path: str,
    body: dict[str, Any] | None,
) -> None:
    """An answer other than 403: an empty object is invalid, an unknown name is not found."""
    assert ask_as("lowtide-operator")(method, path, body) != FORBIDDEN


def test_exporter_may_read_pods_and_nothing_else(
    release: str, ask_as: Callable[[str], Ask]
) -> None:
    """The exporter writes nothing to the API, and reads no jobs and no Secrets."""
    ask = ask_as("lowtide-exporter")

    assert ask("GET", "/api/v1/pods", None) == 200
    for method, path in (
        ("DELETE", "/api/v1/namespaces/default/pods/any?dryRun=All"),
        ("GET", "/api/v1/secrets"),
        ("GET", f"{JOBS}/trainingjobs"),
        ("GET", "/apis/batch/v1/jobs"),
    ):
        assert ask(method, path, None) == FORBIDDEN, path


@pytest.mark.parametrize(
    ("more", "advice"),
    [
        pytest.param({}, "for a second release set crds.enabled=false", id="definition"),
        pytest.param({"crds": {"enabled": False}}, "two operators would both run", id="same jobs"),
    ],
)
def test_second_release_is_refused_with_what_to_do(
    release: str, helm: Helm, kubectl: Kubectl, namespace: str, tmp_path: Path,
    images: dict[str, str], more: dict[str, Any], advice: str,
) -> None:  # fmt: skip
    """One sentence that names the first release, and nothing of the second is left behind."""
    file = tmp_path / "values.yaml"
    file.write_text(values(images, **more))

    with pytest.raises(CommandFailedError) as caught:
        helm("install", "second", str(CHART), "--namespace", namespace, "--values", str(file))

    assert f"the release lowtide in namespace {RELEASE_NAMESPACE}" in str(caught.value)
    assert advice in str(caught.value)
    assert kubectl.within(namespace)("get", "all,secrets,roles", "-o", "name") == ""


def test_missing_secret_is_named_at_install_time(
    release: str, install: Callable[..., str], helm: Helm
) -> None:
    """The operator runs without it, and the user reads which one is missing."""
    printed = install(helm, credentials=[{"secretName": "grid-token"}])

    assert f"The Secret grid-token does not exist in namespace {RELEASE_NAMESPACE} yet" in printed


def test_namespace_without_rights_is_refused_and_stays_empty(
    release: str, helm: Helm, kubectl: Kubectl, namespace: str, images: dict[str, str],
    tmp_path: Path,
) -> None:  # fmt: skip
    """A user who may only read a namespace gets the API server's sentence, and no half release."""
    inside, file = kubectl.within(namespace), tmp_path / "values.yaml"
    few = {
        "crds": {"enabled": False},
        "watchNamespaces": [namespace],
        "rbac": {"aggregateUserRoles": False},
    }
    asked = yaml.safe_load(values(images, **few))
    asked["exporter"]["readPods"] = False
    file.write_text(yaml.safe_dump(asked))
    inside("create", "serviceaccount", "reader")
    account = f"--serviceaccount={namespace}:reader"
    inside("create", "rolebinding", "reader", "--clusterrole=view", account)
    config = yaml.safe_load(Path(helm.kubeconfig).read_text())
    config["users"][0]["user"] = {"token": inside("create", "token", "reader").strip()}
    reader = tmp_path / "reader.kubeconfig"
    reader.write_text(yaml.safe_dump(config))
    as_reader = replace(helm, kubeconfig=str(reader))

    with pytest.raises(CommandFailedError, match="forbidden") as caught:
        as_reader("install", "second", str(CHART), "--namespace", namespace, "--values", str(file))

    assert f'in the namespace "{namespace}"' in str(caught.value)
    assert inside("get", "deployments,daemonsets,services,secrets", "-o", "name") == ""


def test_operator_says_that_the_definition_is_too_old(release: str, kubectl: Kubectl) -> None:
    """With a definition that lacks a field it writes, the operator stops before losing anything."""
    status = ("spec", "versions", 0, "schema", "openAPIV3Schema", "properties", "status")
    path = "/" + "/".join(map(str, (*status, "properties", "counterfactual")))
    lost: Any = kubectl.json("get", CRD)
    for step in (*status, "properties", "counterfactual"):
        lost = lost[step]
    inside = kubectl.within(RELEASE_NAMESPACE)

    def change(**operation: Any) -> None:
        kubectl("patch", CRD, "--type=json", f"--patch={json.dumps([{'path': path, **operation}])}")
        inside("rollout", "restart", "deployment/lowtide-operator")

    change(op="remove")
    try:
        said = await_log(inside, "deployment/lowtide-operator", "is older than this operator")
    finally:
        change(op="add", value=lost)
        inside("rollout", "status", "deployment/lowtide-operator", "--timeout=240s", timeout=270)

    assert "lacks status.counterfactual: kubectl apply --server-side -f crds/" in said


def test_upgrade_and_rollback_leave_jobs_alone(
    release: str,
    install: Callable[..., str],
    helm: Helm,
    kubectl: Kubectl,
    namespace: str,
    images: dict[str, str],
) -> None:
    """A waiting job goes on waiting, a running one runs on in the same pod."""
    inside = kubectl.within(namespace)
    inside.apply(
        job("waits", images["base"], startNoEarlierThan=in_six_hours()),
        job("runs", images["base"], policy="Immediate"),
    )
    await_state(inside, "waits", "Waiting")
    await_state(inside, "runs", "Running")

    def running() -> list[str]:
        return [pod["metadata"]["uid"] for pod in inside.json("get", "pods")["items"]]

    before = running()

    install(helm, settings={"server": {"logLevel": "debug"}})
    helm("rollback", "lowtide", "--namespace", RELEASE_NAMESPACE, "--wait", "--timeout", "120s")

    await_state(inside, "waits", "Waiting")
    await_state(inside, "runs", "Running")
    assert running() == before
    assert len(inside.json("get", "jobs")["items"]) == 1


def test_uninstall_keeps_the_jobs_and_a_new_install_finds_them(
    release: str,
    install: Callable[..., str],
    helm3: Helm,
    helm: Helm,
    kubectl: Kubectl,
    namespace: str,
    images: dict[str, str],
) -> None:
    """The definition and every TrainingJob outlive the release; Helm 3 installs it again."""
    inside = kubectl.within(namespace)
    inside.apply(job("stays", images["base"], startNoEarlierThan=in_six_hours()))
    await_state(inside, "stays", "Waiting")
    uid = inside.json("get", "trainingjob", "stays")["metadata"]["uid"]

    helm("uninstall", "lowtide", "--namespace", RELEASE_NAMESPACE, "--wait")
    inside_release = kubectl.within(RELEASE_NAMESPACE)
    inside_release("wait", "--for=delete", "pods", "--all", "--timeout=240s", timeout=270)
    await_(lambda: inside_release("get", "all", "-o", "name") == "", "nothing of it is left")
    assert inside.json("get", "trainingjob", "stays")["metadata"]["uid"] == uid

    install(helm3)
    await_state(inside, "stays", "Waiting")
    assert inside.json("get", "trainingjob", "stays")["metadata"]["uid"] == uid


def test_namespaced_mode_has_no_right_elsewhere(
    install: Callable[..., str],
    helm: Helm,
    namespace: str,
    ask_as: Callable[[str], Ask],
    release: str,
) -> None:
    """With watchNamespaces the operator sees that namespace and no other."""
    install(helm, watchNamespaces=[namespace])

    ask = ask_as("lowtide-operator")

    assert ask("GET", f"{JOBS}/namespaces/{namespace}/trainingjobs", None) == 200
    assert ask("GET", f"{JOBS}/trainingjobs", None) == FORBIDDEN
    assert ask("GET", f"{JOBS}/namespaces/default/trainingjobs", None) == FORBIDDEN
    install(helm)  # an uninstall after the namespace would find no place for its last role
