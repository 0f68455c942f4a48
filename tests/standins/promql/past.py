"""Samples for every metric that a rule or a dashboard names, with every label that one asks for.

Values are steady: what two stores make of steps and gaps may differ by their rules, not by ours.
"""

import re
from collections.abc import Iterable, Iterator

from standins.promql.stores import Past

STEP_SECONDS = 60
LENGTH_SECONDS = 7200
DAY_SECONDS = 86_400
METRIC = re.compile(r"\b((?:[a-z_]+:)?(?:lowtide|kube)_[a-z0-9_]+(?::[a-z0-9_]+)?)\b(?!\s*\()")
MATCHER = re.compile(r'\b([a-z_]+)(=~|=|!=)"([^"]*)"')
LABELS = {
    "namespace": "ml", "pod": "bert-1-abcde", "pod_uid": "u-1", "trainingjob": "bert",
    "node": "n1", "uuid": "GPU-1", "zone": "DE", "signal": "Average", "factor": "life-cycle",
    "currency": "EUR", "kind": "energy", "component": "gpu", "part": "active", "reason": "busy",
    "source": "nvml", "quality": "counter", "outcome": "error", "state": "Running",
    "provider": "file", "band": "0-6h", "owner_kind": "Job", "owner_name": "bert", "owner_uid": "o",
    "type": "Complete", "status": "True", "container": "c", "method": "exclusive",
    "resource": "cpu",
}  # fmt: skip
"""Labels of every series; what a matcher asks for comes beside them."""


def samples_for(expressions: Iterable[str], now: int) -> list[Past]:
    """Return two hours of samples up to `now` for all metrics that are named, and of a day ago."""
    wanted: dict[str, dict[str, set[str]]] = {}
    for expression in expressions:
        for name, matchers in _selectors(expression):
            labels = wanted.setdefault(name, {})
            for label, kind, text in MATCHER.findall(matchers):
                if kind != "!=" and "(" not in text:
                    values = {value.removesuffix(".*") for value in text.split("|")}
                    labels.setdefault(label, set()).update(values - {""} or {LABELS[label]})
    return [series for name, labels in sorted(wanted.items()) for series in _of(name, labels, now)]


def _selectors(expression: str) -> Iterator[tuple[str, str]]:
    for found in METRIC.finditer(expression):
        rest = expression[found.end() :].lstrip()
        yield found[1], rest[1 : rest.index("}")] if rest.startswith("{") else ""


def _of(name: str, asked: dict[str, set[str]], now: int) -> Iterator[Past]:
    choices = {**{label: {value} for label, value in LABELS.items()}, **asked}
    if "owner_kind" in asked:  # one pod has one owner
        choices["owner_kind"] = {LABELS["owner_kind"]}
    names = sorted(choices)
    first = tuple(sorted(choices[name])[0] for name in names)
    # One label varies at a time: all combinations would be thousands of series.
    variants = {
        (*first[:at], value, *first[at + 1 :])
        for at, name in enumerate(names)
        for value in choices[name]
    }
    for number, values in enumerate(sorted(variants)):
        labels = dict(zip(names, values, strict=True))
        times = [
            *(range(now - DAY_SECONDS - LENGTH_SECONDS, now - DAY_SECONDS + 1, STEP_SECONDS)),
            *range(now - LENGTH_SECONDS, now + 1, STEP_SECONDS),
        ]
        rate = 100.0 + 7.0 * number
        begin = times[0]
        if name.endswith("_total"):
            yield Past(name, labels, [(t, 1000.0 + rate * (t - begin)) for t in times])
        elif "timestamp_seconds" in name:
            yield Past(name, labels, [(t, float(begin + number)) for t in times])
        else:
            yield Past(name, labels, [(t, rate) for t in times])
