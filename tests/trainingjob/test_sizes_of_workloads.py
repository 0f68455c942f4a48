"""Size of a workload that somebody else wrote: its own, the one it was given, and the way back."""

from typing import Any

import pytest
from standins.episodes.world import merge

from lowtide.trainingjob.sizes_of_workloads import at_own_size, own_size, present_size, size_patch
from lowtide.trainingjob.workload_kinds import JOB, JOB_SET


def a_job(size: int, *, resized: str = "", suspend: bool = True) -> dict[str, Any]:
    notes = {"lowtide.dev/resized": resized} if resized else {}
    metadata = {"name": "bert", "uid": "u-1", "resourceVersion": "7", "annotations": notes}
    spec = {"suspend": suspend, "parallelism": size, "completions": size}
    return {"metadata": metadata, "spec": spec}


def test_another_size_remembers_the_own_one_and_the_way_back_forgets_it() -> None:
    """One patch sets both numbers and the note, for the version that was read."""
    patch = size_patch(JOB, a_job(2), 4)
    assert patch == {
        "metadata": {
            "uid": "u-1",
            "resourceVersion": "7",
            "annotations": {"lowtide.dev/resized": "2->4"},
        },
        "spec": {"parallelism": 4, "completions": 4},
    }
    wide = merge(a_job(2), patch)
    assert (own_size(JOB, wide), present_size(JOB, wide)) == (2, 4)
    assert at_own_size(JOB, wide)["spec"]["parallelism"] == 2
    narrower = merge(wide, size_patch(JOB, wide, 3))
    assert narrower["metadata"]["annotations"] == {"lowtide.dev/resized": "2->3"}
    back = merge(narrower, size_patch(JOB, narrower))
    assert back == a_job(2)


def test_a_size_that_somebody_else_sets_is_the_workloads_own() -> None:
    """A note about another size than the present one is out of date."""
    scaled = a_job(3, resized="2->4")
    assert own_size(JOB, scaled) == 3
    assert size_patch(JOB, scaled) == {}


@pytest.mark.parametrize("note", ["", "4", "0->4", "2->4->8", "x->4", "9999999->4"])
def test_a_note_that_nobody_of_us_wrote_says_nothing(note: str) -> None:
    """Tenants may write anything there."""
    assert own_size(JOB, a_job(4, resized=note)) == 4


def test_nothing_is_changed_of_what_runs_and_of_what_has_no_size() -> None:
    """A running Job keeps its size to its end; a JobSet always."""
    assert size_patch(JOB, a_job(2, suspend=False), 4) == {}
    assert size_patch(JOB, a_job(2), 2) == {}
    unequal = a_job(2)
    unequal["spec"]["completions"] = 8
    assert size_patch(JOB, unequal, 4) == {}
    assert size_patch(JOB_SET, {**a_job(2), "kind": "JobSet"}, 4) == {}
