"""Fingerprints tell apart what the API server can tell apart."""

from lowtide_operator.objects.fingerprint import fingerprint


def test_templates_that_differ_in_arguments_only_are_tried_once() -> None:
    """A sweep of trainings is one template; another image, another field or a wrong type is not."""

    def template(**container: object) -> dict[str, object]:
        first = {"name": "train", "image": "a", "args": ["--seed", "1"], **container}
        return {"spec": {"template": {"spec": {"containers": [first]}}}}

    known = fingerprint(template())
    assert fingerprint(template(args=["--seed", "2", "--slow"])) == known
    others = [
        template(image="b"),
        template(args=["--seed", 2]),
        template(args="--seed"),
        template(stdin=True),
    ]
    assert len({known, *map(fingerprint, others)}) == 5
