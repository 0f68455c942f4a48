"""Views of API objects: what a template holds."""

import pytest

from lowtide_operator.objects.views import gpus_of_template


@pytest.mark.parametrize(
    ("template", "gpus"),
    [
        (None, 0),
        ({"spec": {"template": {"spec": {"containers": [{"name": "c"}]}}}}, 0),
        (
            {
                "spec": {
                    "parallelism": 2,
                    "template": {
                        "spec": {
                            "containers": [
                                {"resources": {"limits": {"nvidia.com/gpu": "4", "cpu": "2"}}},
                                {"resources": {"limits": {"nvidia.com/mig-1g.5gb": 1}}},
                            ]
                        }
                    },
                }
            },
            10,
        ),
    ],
)
def test_gpus_of_a_template_count_all_pods_at_a_time(template: object, gpus: int) -> None:
    """Two pods of four GPUs and a slice; what cannot be read counts as none."""
    assert gpus_of_template(template) == gpus
