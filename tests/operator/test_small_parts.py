"""Merge patches, selectors, estimates, conditions, bookings: small parts with sharp edges."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.grid.series import AverageSeries, MarginalSeries, Point
from lowtide.trainingjob.status import PlanSegment, PlanStatus
from lowtide_operator.cluster.accepted import Accepted
from lowtide_operator.cluster.cache import Cache
from lowtide_operator.objects.fingerprint import fingerprint
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.records import Record, parse_status
from lowtide_operator.objects.views import gpus_of_template
from lowtide_operator.samples.source import selector_of_job_pods, selector_of_pods
from lowtide_operator.schedule.bookings import Bookings
from lowtide_operator.schedule.estimates import with_estimates
from lowtide_operator.status.conditions import Conditions, ConditionType, Reason, shortened
from lowtide_operator.status.merge_patch import merge_patch

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)

JSON = st.recursive(
    st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2),
    lambda children: st.dictionaries(st.sampled_from("abcd"), children, max_size=4),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(st.sampled_from("abcd"), JSON, max_size=4)


def applied(document: object, patch: object) -> object:
    """Apply a merge patch as RFC 7396 says, section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = applied(result.get(key), value)
    return result


@given(DOCUMENTS, DOCUMENTS)
def test_a_patch_turns_the_old_document_into_the_new_one(
    old: dict[str, object], new: dict[str, object]
) -> None:
    """Fields that are gone are taken away, lists are replaced whole."""
    patch = merge_patch(old, new)
    assert applied(old, patch) == new
    assert (patch == {}) == (old == new)


def test_names_of_pods_cannot_change_a_query() -> None:
    """Quotes and regular expressions in a value are only characters."""
    expected = 'm{pod_uid=~"a\\"\\\\},\\\\ up\\\\{x=\\"|b\\\\.c"}'
    assert selector_of_pods("m", ['a"}, up{x="', "b.c"]).promql == expected


def test_pods_of_a_job_are_found_by_their_generated_names() -> None:
    """Five letters or digits behind the Job's name; the pods of `net-1-1` are not those of it."""
    selector = selector_of_job_pods("m", "ml", ["net-1"])
    assert selector.promql == 'm{namespace="ml",pod=~"(?:net\\\\-1)-[a-z0-9]{5}"}'
    pattern = r"(?:net\-1)-[a-z0-9]{5}"
    assert re.fullmatch(pattern, "net-1-x7k2p")
    assert not re.fullmatch(pattern, "net-1-1-x7k2p")


def series(values: dict[int, float | None], kind: type = AverageSeries) -> AverageSeries:
    """Return hourly values by hours from noon."""
    points = tuple(
        Point(NOON + h * HOUR, NOON + (h + 1) * HOUR, value) for h, value in sorted(values.items())
    )
    made: AverageSeries = kind("DE", "grid", points)
    return made


def test_what_was_seen_is_never_replaced_and_gaps_are_marked_estimates() -> None:
    """Two seen hours, one missing, one expected: the expected ones say that they are."""
    filled = with_estimates(
        series({0: 100.0, 1: None}), series({0: 1.0, 1: 200.0, 2: 300.0}), NOON, NOON + 3 * HOUR
    )
    assert filled is not None
    assert [(p.grams_per_kwh, p.estimated) for p in filled.points] == [
        (100.0, False),
        (200.0, True),
        (300.0, True),
    ]
    assert "estimates" in filled.source


def test_estimates_of_another_signal_are_not_used() -> None:
    """Average and marginal never meet."""
    seen = series({0: 100.0})
    assert with_estimates(seen, series({1: 5.0}, MarginalSeries), NOON, NOON + 2 * HOUR) is seen


def test_a_transition_time_moves_only_with_the_status() -> None:
    """A new message is no transition."""
    first = Conditions((), now=NOON, generation=1)
    first.set(ConditionType.RUNNING, "False", Reason.WAITING, "a")
    later = Conditions(first.build(), now=NOON + HOUR, generation=2)
    later.set(ConditionType.RUNNING, "False", Reason.PODS_PENDING, "b")
    kept = next(c for c in later.build() if c.type == ConditionType.RUNNING)
    assert (kept.last_transition_time, kept.reason, kept.observed_generation) == (
        NOON,
        "PodsPending",
        2,
    )
    last = Conditions(later.build(), now=NOON + 2 * HOUR, generation=2)
    last.set(ConditionType.RUNNING, "True", Reason.PODS_RUNNING)
    moved = next(c for c in last.build() if c.type == ConditionType.RUNNING)
    assert moved.last_transition_time == NOON + 2 * HOUR


def test_every_reason_is_one_word_of_the_api() -> None:
    """The pattern of the CRD, for all of them."""
    assert all(reason.isalnum() and reason[0].isupper() for reason in Reason)


def test_long_messages_are_cut_to_one_line() -> None:
    """An API server's answer of many lines stays readable."""
    assert shortened("a\n  b") == "a b"
    assert len(shortened("x" * 5000)) == 1024


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


def test_an_accepted_template_counts_in_its_namespace_for_ten_minutes() -> None:
    """Quotas and policies differ from one to the other, and change."""
    accepted = Accepted()
    accepted.remember("ml", "t", NOON)
    assert accepted.knows("ml", "t", NOON + timedelta(minutes=9))
    assert not accepted.knows("ml", "t", NOON + timedelta(minutes=10))
    assert not accepted.knows("other", "t", NOON)


def test_a_status_of_another_version_loses_only_what_cannot_be_read() -> None:
    """An unknown section or field never makes a job unreadable."""
    text = b'{"plan": {"reason": "X"}, "energy": {"unknown": 1}, "newer": {}}'
    status = parse_status(text)
    assert status.plan is not None
    assert status.plan.reason == "X"
    assert status.energy is None


def test_a_record_keeps_no_template() -> None:
    """Ten thousand jobs must fit into the memory limit."""
    template = {"spec": {"template": {"spec": {"containers": [{"image": "x" * 10_000}]}}}}
    metadata = {
        "name": "net",
        "namespace": "ml",
        "uid": "u",
        "creationTimestamp": "2026-11-30T12:00:00Z",
    }
    record = Record.of({"metadata": metadata, "spec": {"template": template}})
    assert len(record.spec) < 100
    assert record.view().created == NOON


def test_what_was_parsed_for_a_pass_serves_one_look_unless_the_job_has_changed() -> None:
    """Nothing parsed is kept after the look: of ten thousand jobs it would not fit."""

    def body(version: str, delay: int) -> dict[str, object]:
        metadata = {
            "name": "net",
            "namespace": "ml",
            "uid": "u",
            "creationTimestamp": "2026-11-30T12:00:00Z",
            "resourceVersion": version,
        }
        return {"metadata": metadata, "spec": {"schedule": {"maxDelaySeconds": delay}}}

    cache, key = Cache(), Key("ml", "net")
    cache.remember(body("1", 60))
    record = cache.record(key)
    assert record is not None
    ahead = cache.look_ahead(record)
    assert cache.look(key) is ahead
    again = cache.look(key)
    assert again == ahead
    assert again is not ahead
    cache.look_ahead(record)
    cache.remember(body("2", 120))
    changed = cache.look(key)
    assert changed is not None
    assert changed.resource_version == "2"
    assert changed.spec != ahead.spec


def test_a_running_job_keeps_its_gpus_although_its_plan_has_run_out() -> None:
    """Nobody is planned onto the GPUs of a job that takes longer."""
    bookings = Bookings()
    key = Key("ml", "net")
    plan = PlanStatus(segments=(PlanSegment(start=NOON, end=NOON + HOUR),))
    bookings.note(key, "uid-1", 2, plan)
    now = NOON + 2 * HOUR
    (held,) = bookings.calendar(4, now, [key]).reservations
    assert held.gpus == 2
    assert held.segments[-1].end > now
    bookings.note(key, "uid-1", 2, None)
    assert bookings.calendar(4, now).reservations == ()
