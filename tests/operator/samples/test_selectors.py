"""Selectors name pods by their uid and namespace, and no value can change a query."""

from lowtide_operator.samples.source import Selector, selector_of_pods


def test_no_value_can_change_a_query() -> None:
    """Quotes and regular expressions in a value are only characters."""
    expected = 'm{namespace="m\\"l",pod_uid=~"a\\"\\\\},\\\\ up\\\\{x=\\"|b\\\\.c"}'
    assert selector_of_pods("m", 'm"l', ['a"}, up{x="', "b.c"]).promql == expected


def test_an_absent_label_is_an_empty_text() -> None:
    """This is Prometheus' own rule."""
    matches = Selector("m", equal={"pod_uid": ""}, like={"pod": "a|b"}).matcher()
    assert matches({"pod": "b"})
    assert not matches({"pod": "b", "pod_uid": "u"})
    assert not matches({"pod": "c"})
