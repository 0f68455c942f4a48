"""Objects that the chart renders: rights, security contexts, switches."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic.alias_generators import to_camel

from lowtide.names import CLAIM
from lowtide_exporter.settings import DEFAULT_OWNER_RESOURCES
from lowtide_operator.settings import RELOADABLE
from lowtide_operator.settings_file import load_settings

pytestmark = [pytest.mark.slow, pytest.mark.beside_cluster]

ROOT = Path(__file__).resolve().parents[2]
CRD_NAME = "trainingjobs.lowtide.dev"

Documents = list[dict[str, Any]]
Render = Callable[..., Documents]
CHART = Path(__file__).resolve().parents[2] / "charts" / "lowtide"
Pick = Callable[..., dict[str, Any]]

OPERATOR_RIGHTS = {
    ("lowtide.dev", "trainingjobs"): {"get", "list", "watch", "create", "patch", "delete"},
    ("lowtide.dev", "trainingjobs/status"): {"update"},
    ("lowtide.dev", "trainingjobs/finalizers"): {"update"},
    ("batch", "jobs"): {"get", "list", "watch", "create", "patch"},
    ("", "pods"): {"list"},
    ("", "namespaces"): {"get"},
    ("events.k8s.io", "events"): {"create", "list"},
    ("coordination.k8s.io", "leases"): {"create", "get", "update"},
}
OWNERS = (
    *(("apps", f"{kind}s") for kind in ("replicaset", "deployment", "statefulset")),
    *(("batch", "jobs"), ("jobset.x-k8s.io", "jobsets"), ("ray.io", "rayclusters")),
)
EXPORTER_RIGHTS = {
    ("", "pods"): {"get", "list", "watch"},
    **{resource: {"get"} for resource in OWNERS},
}
EVERYTHING_ON = {
    "monitoring": {
        name: {"enabled": True}
        for name in ("serviceMonitor", "podMonitor", "prometheusRule", "dashboards", "vmui")
    },
    "networkPolicy": {"enabled": True},
    "operator": {"replicas": 2, "podDisruptionBudget": {"enabled": True}},
}


def rights(role: dict[str, Any]) -> dict[tuple[str, str], set[str]]:
    """Return the verbs of a role by group and resource."""
    found: dict[tuple[str, str], set[str]] = {}
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                found.setdefault((group, resource), set()).update(rule["verbs"])
    return found


def pod_specs(documents: Documents) -> dict[str, dict[str, Any]]:
    """Return the pod spec of everything that makes pods, by kind."""
    found = {}
    for document in documents:
        if document["kind"] in {"Deployment", "DaemonSet"}:
            found[document["kind"]] = document["spec"]["template"]["spec"]
        if document["kind"] == "Pod":
            found["Pod"] = document["spec"]
    return found


def test_crd_equals_the_committed_one(render: Render, pick: Pick) -> None:
    """Helm users and `kubectl apply` users get the same definition."""
    crd = pick(render({"crds": {"keep": False}}), "CustomResourceDefinition")

    assert crd == yaml.safe_load((ROOT / "crds" / f"{CRD_NAME}.yaml").read_text())


def test_crd_is_kept_at_uninstall_unless_told_otherwise(render: Render, pick: Pick) -> None:
    """The annotation protects every TrainingJob from `helm uninstall`."""
    kept = pick(render(), "CustomResourceDefinition")["metadata"]
    not_kept = pick(render({"crds": {"keep": False}}), "CustomResourceDefinition")["metadata"]

    assert kept["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert "annotations" not in not_kept


def test_crd_can_be_installed_by_other_means(render: Render) -> None:
    """With crds.enabled false nothing cluster-wide is defined."""
    kinds = {document["kind"] for document in render({"crds": {"enabled": False}})}

    assert "CustomResourceDefinition" not in kinds


def test_operator_has_the_documented_rights_and_no_more(render: Render, pick: Pick) -> None:
    """The ClusterRole is the table of the documentation, verb by verb."""
    role = pick(render(), "ClusterRole", "lowtide-operator")

    assert rights(role) == OPERATOR_RIGHTS


def test_of_the_leases_of_a_namespace_the_operator_reads_and_writes_its_claim_only(
    render: Render, pick: Pick
) -> None:
    """Rights cannot bind the creation to a name."""
    role = pick(render(), "ClusterRole", "lowtide-operator")
    rules = [rule for rule in role["rules"] if rule["resources"] == ["leases"]]
    assert [(rule["verbs"], rule.get("resourceNames")) for rule in rules] == [
        (["create"], None),
        (["get", "update"], [CLAIM]),
    ]


def test_counting_the_nodes_gpus_adds_the_right_to_list_nodes(render: Render, pick: Pick) -> None:
    """Off, the role is absent; on, it has that one verb, also beside the Roles of namespaces."""
    values = {"settings": {"capacityFromNodes": True}, "watchNamespaces": ["one"]}

    role = pick(render(values), "ClusterRole", "lowtide-operator-nodes")
    binding = pick(render(values), "ClusterRoleBinding", "lowtide-operator-nodes")

    assert role["rules"] == [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}]
    assert binding["subjects"][0]["name"] == "lowtide-operator"
    assert "lowtide-operator-nodes" not in {d["metadata"]["name"] for d in render()}


def test_authenticated_metrics_add_two_questions_and_a_role_for_readers(
    render: Render, pick: Pick
) -> None:
    """The operator may ask who somebody is and what they may; readers get one path, and a token."""
    prometheus = {"kind": "ServiceAccount", "name": "prometheus-k8s", "namespace": "monitoring"}
    values = {
        "operator": {"metricsAuthentication": {"enabled": True, "readers": [prometheus]}},
        "monitoring": {"serviceMonitor": {"enabled": True}},
    }
    found = render(values)
    reviews = pick(found, "ClusterRole", "lowtide-operator-reviews")
    reader = pick(found, "ClusterRole", "lowtide-operator-metrics-reader")
    binding = pick(found, "ClusterRoleBinding", "lowtide-operator-metrics-reader")
    settings = yaml.safe_load(pick(found, "ConfigMap", "lowtide-operator")["data"]["settings.yaml"])
    endpoint = pick(found, "ServiceMonitor", "lowtide-operator")["spec"]["endpoints"][0]
    exporter = pick(found, "ServiceMonitor", "lowtide-exporter")["spec"]["endpoints"][0]

    assert [(r["resources"], r["verbs"]) for r in reviews["rules"]] == [
        (["tokenreviews"], ["create"]),
        (["subjectaccessreviews"], ["create"]),
    ]
    assert reader["rules"] == [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]
    assert binding["subjects"] == [prometheus]
    assert settings["server"] == {"metricsAuthentication": True}
    assert endpoint["bearerTokenFile"].endswith("/serviceaccount/token")
    assert "bearerTokenFile" not in exporter
    tested = pick(found, "ClusterRoleBinding", "lowtide-test-tide")
    assert tested["roleRef"]["name"] == "lowtide-operator-metrics-reader"
    secret = {"name": "scrape", "key": "token"}
    values["operator"]["metricsAuthentication"]["tokenSecret"] = secret  # type: ignore[assignment]
    endpoint = pick(render(values), "ServiceMonitor", "lowtide-operator")["spec"]["endpoints"][0]
    assert endpoint["authorization"] == {"credentials": secret}
    assert not [d for d in render() if d["metadata"]["name"].endswith(("reviews", "reader"))]


def test_exporter_may_only_read_pods_and_their_owners(render: Render, pick: Pick) -> None:
    """The exporter writes nothing to the API, and lists nothing but pods."""
    role = pick(render(), "ClusterRole", "lowtide-exporter")

    assert rights(role) == EXPORTER_RIGHTS


def test_rights_and_setting_of_owners_are_one_list(render: Render, pick: Pick) -> None:
    """A kind of another team gets its right and is asked; an empty list takes both away."""
    workflow = {"group": "argoproj.io", "kind": "Workflow", "resource": "workflows"}
    rendered = render({"exporter": {"ownerResources": [workflow]}})
    without = render({"exporter": {"ownerResources": []}})

    def setting(documents: Any) -> str:
        (container,) = pick(documents, "DaemonSet", "lowtide-exporter")["spec"]["template"]["spec"][
            "containers"
        ]
        named = {entry["name"]: entry.get("value") for entry in container["env"]}
        return str(named["LOWTIDE_OWNER_RESOURCES"])

    assert setting(rendered) == "argoproj.io/Workflow=workflows"
    assert rights(pick(rendered, "ClusterRole", "lowtide-exporter"))[
        "argoproj.io", "workflows"
    ] == {"get"}
    assert setting(without) == ""
    assert set(rights(pick(without, "ClusterRole", "lowtide-exporter"))) == {("", "pods")}
    assert setting(render()) == DEFAULT_OWNER_RESOURCES


@pytest.mark.parametrize("values", [{}, EVERYTHING_ON, {"watchNamespaces": ["one"]}])
def test_no_role_has_a_wildcard_or_reads_secrets(render: Render, values: dict[str, Any]) -> None:
    """No role names `*`, and none names Secrets."""
    roles = [d for d in render(values) if d["kind"] in {"Role", "ClusterRole"}]

    assert roles
    for role in roles:
        for rule in role["rules"]:
            words = {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
            assert not words & {"*", "secrets"}, role["metadata"]["name"]


def test_namespaced_mode_needs_roles_only(render: Render) -> None:
    """With watchNamespaces, no exporter lookup and no aggregation, nothing is cluster-wide."""
    documents = render(
        {
            "watchNamespaces": ["red", "blue"],
            "crds": {"enabled": False},
            "rbac": {"aggregateUserRoles": False},
            "exporter": {"readPods": False},
        }
    )

    roles = [
        d
        for d in documents
        if d["kind"] == "Role"
        and d["metadata"]["namespace"] in ("red", "blue")
        and d["metadata"]["name"] == "lowtide-operator"
    ]
    assert not [d for d in documents if d["kind"].startswith("Cluster")]
    assert {role["metadata"]["namespace"] for role in roles} == {"red", "blue"}
    assert all(rights(role) == OPERATOR_RIGHTS for role in roles)


def test_people_get_trainingjobs_through_the_built_in_roles(render: Render, pick: Pick) -> None:
    """Editors may write TrainingJobs, viewers only read them, and neither may write status."""
    documents = render()
    editor = pick(documents, "ClusterRole", "lowtide-editor")
    viewer = pick(documents, "ClusterRole", "lowtide-viewer")

    assert (
        editor["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-edit"],
        viewer["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"],
    ) == ("true", "true")
    assert rights(editor)["lowtide.dev", "trainingjobs/status"] == {"get"}
    assert rights(viewer)["lowtide.dev", "trainingjobs"] == {"get", "list", "watch"}


def test_every_container_is_confined(render: Render) -> None:
    """No container of the chart escalates, holds a capability, or writes its root file system."""
    specs = pod_specs(render(EVERYTHING_ON))

    assert set(specs) == {"Deployment", "DaemonSet", "Pod"}
    for spec in specs.values():
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostPID", "hostNetwork", "hostIPC"} & set(spec)
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert not context.get("privileged", False)


def test_operator_meets_the_restricted_standard(render: Render) -> None:
    """The operator is not root and mounts nothing of the host."""
    spec = pod_specs(render())["Deployment"]

    assert spec["securityContext"]["runAsNonRoot"] is True
    assert not [volume for volume in spec["volumes"] if "hostPath" in volume]


def test_exporter_sees_the_host_read_only(render: Render) -> None:
    """The kubelet's socket directory and /sys are mounted, and cannot be written."""
    spec = pod_specs(render())["DaemonSet"]

    paths = {volume["hostPath"]["path"] for volume in spec["volumes"]}
    assert paths == {"/var/lib/kubelet/pod-resources", "/sys"}
    assert all(mount["readOnly"] for mount in spec["containers"][0]["volumeMounts"])


def test_exporter_requests_no_gpu(render: Render) -> None:
    """A requested GPU would be taken from a training job."""
    container = pod_specs(render())["DaemonSet"]["containers"][0]

    assert "resources" not in container


def test_nothing_optional_is_rendered_by_default(render: Render) -> None:
    """Monitoring and budgets are explicit, so the default needs no foreign CRD."""
    kinds = {document["kind"] for document in render()}

    assert kinds == {
        "ClusterRole",
        "ClusterRoleBinding",
        "ConfigMap",
        "CustomResourceDefinition",
        "DaemonSet",
        "Deployment",
        "Job",
        "NetworkPolicy",
        "Pod",
        "Role",
        "RoleBinding",
        "Service",
        "ServiceAccount",
    }


def test_every_switch_adds_its_object(render: Render) -> None:
    """Each flag renders what it names."""
    kinds = {document["kind"] for document in render(EVERYTHING_ON)}

    assert {
        "NetworkPolicy",
        "PodDisruptionBudget",
        "PodMonitor",
        "PrometheusRule",
        "ServiceMonitor",
    } <= kinds


def test_pages_of_victoriametrics_are_rendered_unchanged(render: Render) -> None:
    """One ConfigMap to mount as a folder holds the four files as they were tested."""
    (held,) = (
        document["data"]
        for document in render({"monitoring": {"vmui": {"enabled": True}}})
        if document["metadata"]["name"] == "lowtide-vmui"
    )

    assert held == {
        f"lowtide-{file.name}": file.read_text() for file in (CHART / "files/vmui").glob("*.json")
    }
    assert len(held) == 4


def test_scrapes_keep_the_labels_of_the_training_pod(render: Render) -> None:
    """Without honorLabels the exporter's own pod and namespace would win."""
    monitors = [
        document for document in render(EVERYTHING_ON) if document["kind"] == "ServiceMonitor"
    ]

    assert len(monitors) == 2
    assert all(m["spec"]["endpoints"][0]["honorLabels"] is True for m in monitors)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        pytest.param({}, "lowtide/operator:0.1.0", id="tag is the version"),
        pytest.param({"tag": "v9"}, "lowtide/operator:v9", id="own tag"),
        pytest.param(
            {"tag": "v9", "digest": "sha256:" + "a" * 64},
            "lowtide/operator@sha256:" + "a" * 64,
            id="a digest wins",
        ),
    ],
)
def test_image_reference(render: Render, image: dict[str, str], expected: str) -> None:
    """A digest wins over a tag, and the tag defaults to the chart's appVersion."""
    spec = pod_specs(render({"operator": {"image": image}}))["Deployment"]

    assert spec["containers"][0]["image"] == expected


def test_private_registry_reaches_every_pod(render: Render) -> None:
    """Registry and pull secrets apply to operator, exporter and test."""
    values = {"image": {"registry": "registry.example/mirror/", "pullSecrets": ["pull"]}}

    for spec in pod_specs(render(values)).values():
        assert spec["imagePullSecrets"] == [{"name": "pull"}]
        assert spec["containers"][0]["image"].startswith("registry.example/mirror/lowtide/")


def test_settings_arrive_as_one_file(render: Render, pick: Pick) -> None:
    """The settings file holds what the values say, and where the history is kept."""
    settings = {"defaultZone": "DE", "zones": {"DE": {}}}

    config = pick(render({"settings": settings}), "ConfigMap")

    assert yaml.safe_load(config["data"]["settings.yaml"]) == settings | {
        "historyDirectory": "/var/lib/lowtide/history",
        "workloads": {"kinds": ["Job"]},
    }


def test_default_settings_are_accepted_by_the_operator(
    render: Render, pick: Pick, tmp_path: Path
) -> None:
    """What the chart renders by default is a settings file that the operator loads."""
    path = tmp_path / "settings.yaml"
    path.write_text(
        pick(render({"watchNamespaces": ["red"]}), "ConfigMap")["data"]["settings.yaml"]
    )

    settings = load_settings(path, {})

    assert settings.cluster.namespaces == ("red",)


def test_namespaces_are_named_in_one_place_only(refusal: Callable[..., str]) -> None:
    """Namespaces in the settings would have no Role, so the chart points to watchNamespaces."""
    message = refusal({"settings": {"cluster": {"namespaces": ["red"]}}})

    assert "use watchNamespaces" in message


def test_operator_restarts_only_for_settings_it_cannot_reload(render: Render) -> None:
    """The pod template changes with a zone, and not with a default of the schedule."""

    def checksum(settings: dict[str, Any]) -> str:
        (deployment,) = [d for d in render({"settings": settings}) if d["kind"] == "Deployment"]
        annotations: dict[str, str] = deployment["spec"]["template"]["metadata"]["annotations"]
        return annotations["lowtide.dev/settings-checksum"]

    plain = checksum({})
    assert checksum({"schedule": {"marginSeconds": 5}}) == plain
    assert checksum({"zones": {"DE": {}}}) != plain


def test_chart_knows_what_the_operator_reloads() -> None:
    """The settings left out of the checksum are exactly those that the operator reloads."""
    helpers = (ROOT / "charts/lowtide/templates/_helpers.tpl").read_text()
    (omitted,) = re.findall(r"omit \$settings (.*) \| toYaml", helpers)

    assert set(re.findall(r'"(\w+)"', omitted)) == {to_camel(name) for name in RELOADABLE}


def test_reference_sets_are_mounted_and_need_no_right(render: Render, pick: Pick) -> None:
    """A ConfigMap of the team's, read-only, allowed to be missing; no role names ConfigMaps."""
    values = {"referenceSets": {"configMap": "ml-references"}}
    documents = render({**values, "settings": {"rating": {"missing": "worst"}}})
    spec = pod_specs(documents)["Deployment"]

    assert yaml.safe_load(pick(documents, "ConfigMap")["data"]["settings.yaml"])["rating"] == {
        "directory": "/etc/lowtide/references",
        "missing": "worst",
    }
    (volume,) = [v for v in spec["volumes"] if v["name"] == "references"]
    assert volume["configMap"] == {"name": "ml-references", "optional": True}
    (mount,) = [m for m in spec["containers"][0]["volumeMounts"] if m["name"] == "references"]
    assert mount == {
        "name": "references",
        "mountPath": "/etc/lowtide/references",
        "readOnly": True,
    }
    rules = [rule for d in documents if d["kind"].endswith("Role") for rule in d["rules"]]
    assert all("configmaps" not in rule.get("resources", []) for rule in rules)


def test_credentials_are_mounted_never_rendered(render: Render) -> None:
    """A Secret is named, mounted read-only, and allowed to be missing."""
    documents = render({"credentials": [{"secretName": "grid-token"}]})
    spec = pod_specs(documents)["Deployment"]

    assert "Secret" not in {document["kind"] for document in documents}
    (volume,) = [v for v in spec["volumes"] if "secret" in v]
    (mount,) = [m for m in spec["containers"][0]["volumeMounts"] if m["name"] == volume["name"]]
    assert volume["secret"] == {"secretName": "grid-token", "optional": True}
    assert mount["mountPath"] == "/etc/lowtide/credentials/grid-token"
    assert mount["readOnly"] is True


def test_selectors_do_not_change_with_the_version(render: Render) -> None:
    """A selector with the chart's version could never be upgraded."""
    for document in render():
        if document["kind"] in {"Deployment", "DaemonSet"}:
            assert set(document["spec"]["selector"]["matchLabels"]) == {
                "app.kubernetes.io/name",
                "app.kubernetes.io/instance",
                "app.kubernetes.io/component",
            }


def test_two_releases_share_no_name(helm: Path, render: Render) -> None:
    """A second release beside the first collides with nothing it installs."""
    first = render({"crds": {"enabled": False}})
    second = render({"crds": {"enabled": False}, "fullnameOverride": "second"})

    def names(documents: Documents) -> set[tuple[str, str]]:
        return {(d["kind"], d["metadata"]["name"]) for d in documents}

    assert not names(first) & names(second)


def test_protected_prometheus_is_a_secret_and_two_paths(
    render: Render, pick: Pick, tmp_path: Path
) -> None:
    """Token and authority lie where the Secret is mounted, and the operator accepts the file."""
    mounted = "/etc/lowtide/credentials/prometheus"
    prometheus = {
        "url": "https://prometheus.monitoring:9090",
        "tokenFile": f"{mounted}/token",
        "caFile": f"{mounted}/ca.crt",
    }
    documents = render(
        {
            "credentials": [{"secretName": "prometheus"}],
            "settings": {"prometheus": prometheus},
        }
    )
    path = tmp_path / "settings.yaml"
    path.write_text(pick(documents, "ConfigMap")["data"]["settings.yaml"])

    settings = load_settings(path, {}).prometheus

    mounts = pod_specs(documents)["Deployment"]["containers"][0]["volumeMounts"]
    assert mounted in {mount["mountPath"] for mount in mounts}
    assert (str(settings.token_file), str(settings.ca_file)) == (
        f"{mounted}/token",
        f"{mounted}/ca.crt",
    )


def test_operators_that_share_no_history_may_stand_by(render: Render, pick: Pick) -> None:
    """Two operators are spread, replaced one by one, and led by a Lease of their own name."""
    documents = render({"operator": {"replicas": 2}})
    deployment = pick(documents, "Deployment", "lowtide-operator")
    assert deployment["spec"]["strategy"]["type"] == "RollingUpdate"
    pod = deployment["spec"]["template"]["spec"]
    assert pod["topologySpreadConstraints"][0]["topologyKey"] == "kubernetes.io/hostname"
    (name,) = (e["value"] for e in pod["containers"][0]["env"] if e["name"].endswith("LEASE_NAME"))
    lease = pick(documents, "Role", "lowtide-operator-lease")["rules"]
    assert [rule["verbs"] for rule in lease] == [["create"], ["get", "update"]]
    assert lease[1]["resourceNames"] == [name]


def test_operators_on_one_volume_are_refused(render: Render) -> None:
    """A claim that one pod holds would keep the standby from starting."""
    claim = {"persistentVolumeClaim": {"claimName": "history"}}
    with pytest.raises(Exception, match="each operator keeps a history of its own"):
        render({"operator": {"replicas": 2, "historyVolume": claim}})


def test_only_prometheus_may_scrape_by_default(render: Render, pick: Pick) -> None:
    """The pages hold every tenant's names and costs."""
    (probes, scrapes) = pick(render(), "NetworkPolicy", "lowtide-operator")["spec"]["ingress"]
    assert [port["port"] for port in probes["ports"]] == ["health"]
    assert [port["port"] for port in scrapes["ports"]] == ["metrics"]
    prometheus, test = (peer["podSelector"]["matchLabels"] for peer in scrapes["from"])
    assert prometheus == {"app.kubernetes.io/name": "prometheus"}
    assert test["app.kubernetes.io/component"] == "test"
