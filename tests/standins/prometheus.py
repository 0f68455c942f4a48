"""A Prometheus for tests in one process: it stores pages and answers range selectors.

Small on purpose: every sample of a page is stored at the scrape's time under the target's
`instance`, and an instant query with a range selector returns the samples in the range, left edge
excluded (Prometheus 3, docs/querying/basics, "Range vector selectors"). Matchers know `=` and `=~`.
It shares no code with the operator's own store, so that the two can be compared.
"""

import json
import re
from collections import defaultdict
from typing import Any

from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

Labels = tuple[tuple[str, str], ...]

_QUERY = re.compile(r"(\w+)\{(.*)\}\[(\d+)s\]")
_MATCHER = re.compile(r'(\w+)(=~?)"((?:[^"\\]|\\.)*)"')


class PrometheusStandIn:
    """The stored samples, and the HTTP application that answers for them."""

    def __init__(self) -> None:
        self._samples: defaultdict[tuple[str, Labels], list[tuple[float, float]]] = defaultdict(
            list
        )

    def store(self, page: str, at_seconds: float, instance: str) -> None:
        """Store a target's page."""
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                labels = tuple(sorted({**sample.labels, "instance": instance}.items()))
                self._samples[sample.name, labels].append((at_seconds, sample.value))

    def application(self) -> web.Application:
        """Return the application."""
        made = web.Application()
        made.add_routes(
            [
                web.post("/api/v1/query", self._query),
                web.get("/api/v1/status/runtimeinfo", self._runtime),
            ]
        )
        return made

    async def _runtime(self, _: web.Request) -> web.Response:
        return web.Response(status=404, text="not known here")

    async def _query(self, request: web.Request) -> web.Response:
        form = await request.post()
        at, match = float(str(form["time"])), _QUERY.fullmatch(str(form["query"]))
        if match is None:
            answer: dict[str, Any] = {"status": "error", "errorType": "bad_data", "error": "?"}
            return web.json_response(answer, status=400)
        metric, matchers, seconds = match.groups()
        wanted = _MATCHER.findall(matchers)
        result = []
        for (name, pairs), samples in self._samples.items():
            labels = dict(pairs)
            if name != metric or not all(_fits(labels, *each) for each in wanted):
                continue
            inside = [[t, str(v)] for t, v in samples if at - float(seconds) < t <= at]
            if inside:
                result.append({"metric": {"__name__": name, **labels}, "values": inside})
        data = {"resultType": "matrix", "result": result}
        return web.json_response({"status": "success", "data": data})


def _fits(labels: dict[str, str], name: str, operator: str, text: str) -> bool:
    wanted, value = json.loads(f'"{text}"'), labels.get(name, "")
    return bool(re.fullmatch(wanted, value)) if operator == "=~" else value == wanted
