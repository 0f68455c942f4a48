"""Kopf leaves objects alone: it copies none and writes nothing into them."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

import kopf
import pytest

from lowtide_operator.cluster.watches import kopf_settings
from lowtide_operator.settings import OperatorSettings


class Uncopied(dict[str, Any]):
    """A part of an object that must not be copied."""

    def __deepcopy__(self, memo: object) -> "Uncopied":
        raise AssertionError("the object was copied")


@pytest.fixture
def persistence() -> Any:
    """Settings of kopf about remembering."""
    return kopf_settings(OperatorSettings()).persistence


def test_objects_that_kopf_hears_of_are_not_copied(persistence: Any) -> None:
    """It would keep a copy of each to see later what has changed; the operator sees by itself."""
    metadata = {"name": "net", "annotations": Uncopied(note="x")}
    content: Any = {"metadata": metadata, "spec": Uncopied(template=Uncopied())}
    body = kopf.Body(content)
    essence = persistence.diffbase_storage.build(body=body, extra_fields=["spec.template"])
    essence = persistence.progress_storage.clear(essence=essence)
    assert essence == {}
    assert persistence.diffbase_storage.fetch(body=body) is None
    assert persistence.progress_storage.fetch(key="handler", body=body) is None


def test_a_list_that_is_refused_is_tried_again_for_ever() -> None:
    """Kopf ends the operator after the last wait, for all namespaces, so the waits have no end."""
    waits = kopf_settings(OperatorSettings()).networking.error_backoffs
    assert isinstance(waits, Iterable)
    first = list(islice(waits, 1000))
    assert len(first) == 1000
    assert first == sorted(first)
    assert first[-1] == 21


def test_nothing_is_ever_written_into_an_object_by_kopf(persistence: Any) -> None:
    """Neither a last state nor the progress of a handler: an object is its user's."""
    patch, body = kopf.Patch(), kopf.Body({"metadata": {"name": "net"}})
    persistence.diffbase_storage.store(body=body, patch=patch, essence={"spec": {}})
    persistence.progress_storage.store(key="h", record={"retries": 1}, body=body, patch=patch)
    persistence.progress_storage.touch(body=body, patch=patch, value="now")
    persistence.progress_storage.purge(key="h", body=body, patch=patch)
    assert patch == {}
