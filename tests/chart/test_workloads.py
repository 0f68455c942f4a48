"""What the chart renders for workloads that somebody else wrote: rights, policy, uninstall."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from lowtide import names
from lowtide.trainingjob.holding import GATES, OUR_GATE, QUEUE_LABEL
from lowtide.trainingjob.workload_kinds import KINDS
from lowtide_operator.cluster.check_keeper import CONTROLLER
from lowtide_operator.workload_settings import CustomKindSettings

pytestmark = [pytest.mark.slow, pytest.mark.beside_cluster]

Documents = list[dict[str, Any]]
Render = Callable[..., Documents]
Pick = Callable[..., dict[str, Any]]

POLICY = "MutatingAdmissionPolicy"
SERVED = f"admissionregistration.k8s.io/v1/{POLICY}"
ALL = [kind.kind for kind in KINDS]


def rules(role: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_each_listed_kind_adds_the_rights_for_itself_and_none_else(
    render: Render, pick: Pick
) -> None:
    """The chart's table and the operator's are the same."""
    without = rules(pick(render({"workloads": {"kinds": []}}), "ClusterRole", "lowtide-operator"))
    for kind in KINDS:
        documents = render({"workloads": {"kinds": [kind.kind]}})
        role = pick(documents, "ClusterRole", "lowtide-operator")
        of_kind = {(kind.group, kind.plural, verb) for verb in ("get", "list", "watch", "patch")}
        of_kind |= {("lowtide.dev", "trainingjobs", verb) for verb in ("create", "patch")}
        assert rules(role) - without == (of_kind | {("", "namespaces", "get")}) - without


def test_no_kind_means_no_right_no_policy_and_no_hook(render: Render) -> None:
    """Lowtide then runs templates of its own only."""
    documents = render({"workloads": {"kinds": []}}, served=SERVED)
    assert not {"Job", POLICY} & {document["kind"] for document in documents}


def test_a_kind_of_another_team_gets_its_rights_from_its_declaration(
    render: Render, pick: Pick
) -> None:
    """Declared in the settings by the same table."""
    declared = {
        "kind": "Sweep",
        "group": "ml.example.com",
        "version": "v1",
        "plural": "sweeps",
        "pods": ["ml.example.com/uid={uid}"],
    }
    values = {"workloads": {"kinds": ["Sweep"]}, "settings": {"workloads": {"custom": [declared]}}}
    role = pick(render(values), "ClusterRole", "lowtide-operator")
    assert ("ml.example.com", "sweeps", "patch") in rules(role)


def test_an_unknown_kind_is_refused_with_the_known_ones(refusal: Callable[..., str]) -> None:
    """A typo would otherwise be a right that is missing later."""
    assert 'names "Jobset", which is neither Job, JobSet' in refusal(
        {"workloads": {"kinds": ["Jobset"]}}
    )


def test_kinds_are_named_in_one_place_only(refusal: Callable[..., str]) -> None:
    """The settings alone would give no rights."""
    said = refusal({"settings": {"workloads": {"kinds": ["Job"]}}})
    assert "settings.workloads.kinds is set: use workloads.kinds" in said


def test_the_policy_is_rendered_where_the_api_server_has_it(render: Render) -> None:
    """Detected at the installation; elsewhere the operator suspends after creation."""
    assert POLICY not in {document["kind"] for document in render()}
    assert POLICY in {document["kind"] for document in render(served=SERVED)}
    off = {"workloads": {"admissionPolicy": {"enabled": False}}}
    assert POLICY not in {document["kind"] for document in render(off, served=SERVED)}


def test_the_policy_holds_every_kind_with_the_marks_that_the_operator_reads(
    render: Render, pick: Pick
) -> None:
    """Names in the policy are those of the code: label, gate and the flag of each kind."""
    spec = pick(render({"workloads": {"kinds": ALL}}, served=SERVED), POLICY)["spec"]
    constraints = spec["matchConstraints"]
    assert constraints["objectSelector"] == {"matchLabels": {names.LABEL_SCHEDULE: "true"}}
    assert [
        (rule["apiGroups"], rule["apiVersions"], rule["resources"])
        for rule in constraints["resourceRules"]
    ] == [
        ([kind.group], [kind.version], [kind.plural])
        for kind in sorted(KINDS, key=lambda kind: kind.kind)
    ]
    (mutation,) = spec["mutations"]
    text = mutation["applyConfiguration"]["expression"]
    assert f"'{names.LABEL_HELD}': 'true'" in text
    assert f"'{GATES}'" in text
    assert f"'{OUR_GATE}'" in text
    assert f"'{QUEUE_LABEL}'" in spec["variables"][0]["expression"]
    for kind in KINDS:
        *parents, _ = kind.suspend.split(".")
        assert f"Object.{'.'.join(parents)}{{suspend: true}}" in text
    assert (spec["failurePolicy"], spec["reinvocationPolicy"]) == ("Ignore", "IfNeeded")


def test_the_policy_keeps_to_the_namespaces_that_are_served(render: Render, pick: Pick) -> None:
    """A workload elsewhere would be held by nobody's operator."""
    spec = pick(render({"watchNamespaces": ["red"]}, served=SERVED), POLICY)["spec"]
    (expression,) = spec["matchConstraints"]["namespaceSelector"]["matchExpressions"]
    assert expression == {
        "key": "kubernetes.io/metadata.name",
        "operator": "In",
        "values": ["red"],
    }


@pytest.mark.parametrize("namespaces", [[], ["red", "blue"]])
def test_an_uninstall_frees_what_is_held_by_a_job_with_a_role_of_its_own(
    render: Render, namespaces: list[str]
) -> None:
    """Its objects are hooks after the deletion, made in order, and go when it succeeded."""
    values = {"workloads": {"kinds": ["JobSet"]}, "watchNamespaces": namespaces}
    mine = [d for d in render(values) if d["metadata"]["name"] == "lowtide-release"]
    hooks = [d["metadata"]["annotations"] for d in mine]
    assert {hook["helm.sh/hook"] for hook in hooks} == {"post-delete"}
    weights = {d["kind"]: int(d["metadata"]["annotations"]["helm.sh/hook-weight"]) for d in mine}
    role = "Role" if namespaces else "ClusterRole"
    assert weights["ServiceAccount"] < weights["Job"]
    assert weights[role] < weights[f"{role}Binding"] < weights["Job"]
    for one in (d for d in mine if d["kind"] == role):
        # A paused workload goes on when its last pod is gone.
        assert rules(one) == {
            ("", "pods", "list"),
            *(("jobset.x-k8s.io", "jobsets", verb) for verb in ("list", "patch")),
        }
    (pod,) = [d["spec"]["template"]["spec"] for d in mine if d["kind"] == "Job"]
    assert pod["containers"][0]["args"] == [
        "--kinds=JobSet",
        f"--namespaces={','.join(namespaces)}",
    ]
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"]


def test_an_uninstall_frees_kinds_of_other_teams_too(render: Render) -> None:
    """The Job is told their entries, and its program understands them."""
    sweep = {
        "kind": "Sweep",
        "group": "ml.example.com",
        "version": "v1",
        "plural": "sweeps",
        "suspend": "spec.rest",
        "pods": ["ml.example.com/sweep-uid={uid}"],
    }
    values = {"workloads": {"kinds": ["Sweep"]}, "settings": {"workloads": {"custom": [sweep]}}}
    mine = [d for d in render(values) if d["metadata"]["name"] == "lowtide-release"]
    (pod,) = [d["spec"]["template"]["spec"] for d in mine if d["kind"] == "Job"]
    _, _, custom = pod["containers"][0]["args"]

    (entry,) = TypeAdapter(list[CustomKindSettings]).validate_json(custom.removeprefix("--custom="))
    assert (entry.entry().plural, entry.entry().suspend) == ("sweeps", "spec.rest")
    (role,) = [d for d in mine if d["kind"] == "ClusterRole"]
    assert ("ml.example.com", "sweeps", "patch") in rules(role)


BY_CHECK = {"workloads": {"admissionCheck": {"enabled": True}}}
KUEUES = {
    *(("kueue.x-k8s.io", "workloads", verb) for verb in ("get", "list", "watch")),
    ("kueue.x-k8s.io", "workloads/status", "patch"),
}


@pytest.mark.parametrize("namespaces", [[], ["red"]])
def test_an_admission_check_comes_with_the_rights_to_decide_it_and_no_others(
    render: Render, pick: Pick, namespaces: list[str]
) -> None:
    """The check itself belongs to no namespace; `spec.active` may not be written."""
    watched = {"watchNamespaces": namespaces}
    role = "Role" if namespaces else "ClusterRole"
    without = rules(pick(render(watched), role, "lowtide-operator"))
    documents = render({**BY_CHECK, **watched})
    assert rules(pick(documents, role, "lowtide-operator")) - without == KUEUES
    check = pick(documents, "AdmissionCheck", "lowtide")
    assert check["apiVersion"] == "kueue.x-k8s.io/v1beta2"
    assert check["spec"] == {"controllerName": CONTROLLER}
    of_check = pick(documents, "ClusterRole", "lowtide-operator-check")
    assert rules(of_check) == {
        ("kueue.x-k8s.io", "admissionchecks", "get"),
        ("kueue.x-k8s.io", "admissionchecks/status", "patch"),
    }
    assert {tuple(rule["resourceNames"]) for rule in of_check["rules"]} == {("lowtide",)}
    settings = yaml.safe_load(
        pick(documents, "ConfigMap", "lowtide-operator")["data"]["settings.yaml"]
    )
    assert settings["workloads"]["admissionCheck"] == "lowtide"


def test_the_check_is_made_in_the_version_that_the_cluster_serves(
    render: Render, pick: Pick
) -> None:
    """An older Kueue has the older one only."""
    older = "kueue.x-k8s.io/v1beta1/AdmissionCheck"
    check = pick(render(BY_CHECK, served=older), "AdmissionCheck", "lowtide")
    assert check["apiVersion"] == "kueue.x-k8s.io/v1beta1"


def test_no_check_is_made_where_it_is_not_asked_for_or_no_workload_is(
    render: Render, refusal: Callable[..., str]
) -> None:
    """And it is named in one place only."""
    none = {"workloads": {"kinds": [], "admissionCheck": {"enabled": True}}}
    for values in ({}, none):
        assert "kueue" not in str(render(values))
    said = refusal({"settings": {"workloads": {"admissionCheck": "lowtide"}}})
    assert "settings.workloads.admissionCheck is set: use workloads.admissionCheck" in said


def test_the_dispatcher_brings_its_rights_and_its_setting(render: Render, pick: Pick) -> None:
    """Off by default; the status alone is written, and nothing of the Workload itself."""
    off = [d["metadata"]["name"] for d in render() if d["kind"] == "ClusterRole"]
    assert "lowtide-operator-dispatcher" not in off
    on = render({"dispatcher": {"enabled": True}})
    given = rules(pick(on, "ClusterRole", "lowtide-operator-dispatcher"))
    assert {right for right in given if right[2] not in ("get", "list", "watch")} == {
        ("kueue.x-k8s.io", "workloads/status", "patch")
    }
    settings = yaml.safe_load(pick(on, "ConfigMap", "lowtide-operator")["data"]["settings.yaml"])
    assert settings["dispatcher"] == {"enabled": True}


def test_the_dispatcher_serves_all_namespaces_or_none(refusal: Callable[..., str]) -> None:
    """Workloads of the other namespaces would wait for ever; the setting alone gives no rights."""
    dispatcher = {"dispatcher": {"enabled": True}}
    assert "Kueue has one dispatcher for all namespaces" in refusal(
        {**dispatcher, "watchNamespaces": ["red"]}
    )
    assert "use dispatcher.enabled, which also gives the rights" in refusal(
        {"settings": dispatcher}
    )
