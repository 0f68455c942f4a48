"""Merge patches turn one document into another."""

from hypothesis import given
from hypothesis import strategies as st

from lowtide_operator.status.merge_patch import merge_patch

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
