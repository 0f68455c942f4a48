"""Fields that one manager has applied, by the API server's own record of them."""

from typing import Any

from lowtide_operator.objects.applied_fields import applied_by

BODY: dict[str, Any] = {
    "apiVersion": "kueue.x-k8s.io/v1beta2",
    "metadata": {
        "managedFields": [
            {
                "manager": "kueue-admission",
                "operation": "Apply",
                "apiVersion": "kueue.x-k8s.io/v1beta2",
                "subresource": "status",
                "fieldsV1": {
                    "f:status": {
                        "f:admission": {
                            "f:clusterQueue": {},
                            "f:podSetAssignments": {
                                'k:{"name":"main"}': {
                                    ".": {},
                                    "f:count": {},
                                    "f:flavors": {"f:cpu": {}},
                                    "f:name": {},
                                }
                            },
                        },
                        "f:conditions": {
                            'k:{"type":"QuotaReserved"}': {".": {}, "f:status": {}, "f:type": {}},
                            'k:{"type":"Gone"}': {".": {}, "f:status": {}, "f:type": {}},
                        },
                        "f:nominatedClusterNames": {},
                        "f:schedulingStats": {".": {}},
                        "f:marks": {'v:"a"': {}, 'v:"c"': {}},
                    }
                },
            },
            {
                "manager": "kueue-admission",
                "operation": "Update",
                "apiVersion": "kueue.x-k8s.io/v1beta2",
                "subresource": "status",
                "fieldsV1": {"f:status": {"f:other": {}}},
            },
        ]
    },
    "status": {
        "admission": {
            "clusterQueue": "gpus",
            "podSetAssignments": [
                {"name": "main", "count": 2, "flavors": {"cpu": "any", "gpu": "a100"}, "more": 1},
                {"name": "others", "count": 9},
            ],
        },
        "conditions": [
            {"type": "QuotaReserved", "status": "True", "reason": "not its own"},
            {"type": "Evicted", "status": "False"},
        ],
        "nominatedClusterNames": ["a", "b"],
        "schedulingStats": {"evictions": []},
        "marks": ["a", "b"],
        "other": 1,
    },
}


def test_only_what_the_manager_applied_is_read_back() -> None:
    """Items of lists by their keys, members of sets, whole leaves; what is gone stays gone."""
    assert applied_by("kueue-admission", BODY, subresource="status") == {
        "status": {
            "admission": {
                "clusterQueue": "gpus",
                "podSetAssignments": [{"name": "main", "count": 2, "flavors": {"cpu": "any"}}],
            },
            "conditions": [{"type": "QuotaReserved", "status": "True"}],
            "nominatedClusterNames": ["a", "b"],
            "schedulingStats": {},
            "marks": ["a"],
        }
    }


def test_another_manager_version_or_part_of_the_object_has_applied_nothing() -> None:
    """Fields of another API version have other names; an update is no apply."""
    assert applied_by("lowtide-operator", BODY, subresource="status") is None
    assert applied_by("kueue-admission", BODY) is None
    older = {**BODY, "apiVersion": "kueue.x-k8s.io/v1beta1"}
    assert applied_by("kueue-admission", older, subresource="status") is None
    assert applied_by("kueue-admission", {"metadata": {}}, subresource="status") is None
