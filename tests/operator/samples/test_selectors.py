"""Selectors name the pods of a job, and nothing that a pod is called can change a query."""

import re

from lowtide_operator.samples.source import selector_of_job_pods, selector_of_pods


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
