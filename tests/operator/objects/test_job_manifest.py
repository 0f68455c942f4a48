"""The batch Job that is made from a user's template."""

from typing import Any

import pytest

from lowtide_operator.objects.job_manifest import job_manifest
from lowtide_operator.objects.key import Key

KEY = Key("ml", "net")


def manifest(template: dict[str, Any]) -> dict[str, Any]:
    """Return the Job of a template."""
    return job_manifest(KEY, "uid-1", template, attempt=1, settle_seconds=180)


def pod(**spec: Any) -> dict[str, Any]:
    """Return a template whose pod has one container."""
    return {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "x"}], **spec}}}}


def test_names_labels_and_owner_are_those_that_others_rely_on() -> None:
    """The exporter and the operator's own watch join on them, on Job and pod."""
    job = manifest(pod())
    labels = {
        "app.kubernetes.io/managed-by": "lowtide",
        "lowtide.dev/trainingjob": "net",
        "lowtide.dev/trainingjob-uid": "uid-1",
        "lowtide.dev/attempt": "1",
    }
    assert job["metadata"]["name"] == "net-1"
    assert job["metadata"]["namespace"] == "ml"
    assert job["metadata"]["labels"] == labels
    assert job["spec"]["template"]["metadata"]["labels"] == labels
    (owner,) = job["metadata"]["ownerReferences"]
    assert owner["uid"] == "uid-1"
    assert owner["controller"] is True
    assert owner["blockOwnerDeletion"] is True


def test_disruptions_pauses_and_deleted_pods_are_excused() -> None:
    """None of them is a failure of the training."""
    spec = manifest(pod())["spec"]
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    disruption, exits = spec["podFailurePolicy"]["rules"]
    assert disruption["onPodConditions"] == [{"type": "DisruptionTarget"}]
    assert exits["onExitCodes"]["values"] == [75, 143]
    assert {rule["action"] for rule in spec["podFailurePolicy"]["rules"]} == {"Ignore"}


def test_what_the_user_says_stays() -> None:
    """Only what is left open is filled in."""
    template = pod(restartPolicy="OnFailure")
    template["spec"] |= {"backoffLimit": 9, "completions": 3}
    template["metadata"] = {"labels": {"team": "vision"}, "annotations": {"note": "mine"}}
    job = manifest(template)
    assert job["spec"]["backoffLimit"] == 9
    assert job["spec"]["completions"] == 3
    assert "podFailurePolicy" not in job["spec"]
    assert job["metadata"]["labels"]["team"] == "vision"
    assert job["metadata"]["annotations"] == {"note": "mine"}


def test_retries_per_index_are_the_users_own() -> None:
    """A limit of our own beside them would end a sweep of sixteen at its second failure."""
    template = pod()
    template["spec"] |= {"completionMode": "Indexed", "completions": 16, "backoffLimitPerIndex": 3}
    assert "backoffLimit" not in manifest(template)["spec"]


def test_no_failure_policy_is_added_where_the_job_api_would_refuse_it() -> None:
    """Beside podReplacementPolicy the API allows one only with `Failed`."""
    template = pod()
    template["spec"]["podReplacementPolicy"] = "TerminatingOrFailed"
    assert "podFailurePolicy" not in manifest(template)["spec"]
    template["spec"]["podReplacementPolicy"] = "Failed"
    assert "podFailurePolicy" in manifest(template)["spec"]


def test_the_template_itself_is_not_changed() -> None:
    """Making a manifest twice gives the same."""
    template = pod()
    assert manifest(template) == manifest(template)
    assert template == pod()


def test_the_trainer_is_told_whose_job_it_is_unless_the_user_did() -> None:
    """A variable that is set stays as it is."""
    template = pod()
    own = {"name": "LOWTIDE_ATTEMPT", "value": "7"}
    template["spec"]["template"]["spec"]["containers"][0]["env"] = [own]
    variables = manifest(template)["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {v["name"]: v["value"] for v in variables} == {
        "LOWTIDE_TRAININGJOB": "net",
        "LOWTIDE_NAMESPACE": "ml",
        "LOWTIDE_ATTEMPT": "7",
    }


def test_a_finished_job_is_kept_until_its_energy_is_read() -> None:
    """A time to live of zero would delete it before that."""
    template = pod()
    template["spec"]["ttlSecondsAfterFinished"] = 0
    assert manifest(template)["spec"]["ttlSecondsAfterFinished"] == 3600 + 180


@pytest.mark.parametrize(
    "template",
    [
        {},
        {"spec": None},
        {"spec": 3},
        {"spec": {"template": {"spec": {"containers": "no"}}}},
        {"metadata": {"labels": "no"}, "spec": {}},
        {"spec": {"template": {"metadata": {"labels": [1]}}}},
    ],
)
def test_a_template_of_the_wrong_shape_is_left_to_the_api_server(template: dict[str, Any]) -> None:
    """It is refused there, with words that name the field; here nothing breaks."""
    job = manifest(template)
    assert job["kind"] == "Job"
    labels = (template.get("metadata") or {}).get("labels")
    assert labels is None or job["metadata"]["labels"] == labels
