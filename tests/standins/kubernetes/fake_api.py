"""A small API server over HTTP for tests in the same process: TrainingJobs, Jobs, pods, Events.

It keeps objects, versions and watches like the real one: resource versions, conflicts, generation,
status as a subresource, label selectors, dry runs, owner references. It validates nothing unless a
test says so. It also plays a Prometheus that answers range selectors.
"""

import asyncio
import contextlib
import copy
import itertools
import json
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

Body = dict[str, Any]
Kind = tuple[str, str]

TRAININGJOBS: Kind = ("lowtide.dev/v1alpha1", "trainingjobs")
JOBS: Kind = ("batch/v1", "jobs")
JOB_SETS: Kind = ("jobset.x-k8s.io/v1alpha2", "jobsets")
TRAIN_JOBS: Kind = ("trainer.kubeflow.org/v1alpha1", "trainjobs")
QUEUED: Kind = ("kueue.x-k8s.io/v1beta1", "workloads")
"""Kueue's objects, in the older of the two versions that it has."""
CHECKS: Kind = ("kueue.x-k8s.io/v1beta1", "admissionchecks")
"""Checks of Kueue's queues, which belong to no namespace; kept under the default one here."""
LIST_KEYS = {"admissionChecks": "name", "conditions": "type"}
"""Lists of a status that a server-side apply merges, and the field that tells their entries."""
PODS: Kind = ("v1", "pods")
EVENTS: Kind = ("events.k8s.io/v1", "events")
LEASES: Kind = ("coordination.k8s.io/v1", "leases")
KINDS = {
    TRAININGJOBS: "TrainingJob",
    JOBS: "Job",
    JOB_SETS: "JobSet",
    TRAIN_JOBS: "TrainJob",
    QUEUED: "Workload",
    CHECKS: "AdmissionCheck",
    PODS: "Pod",
    EVENTS: "Event",
    LEASES: "Lease",
    # kopf waits for these in the discovery, even where it does not watch them.
    ("v1", "namespaces"): "Namespace",
    ("v1", "events"): "Event",
    ("apiextensions.k8s.io/v1", "customresourcedefinitions"): "CustomResourceDefinition",
}


def now_text() -> str:
    """Return the time as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def status_body(code: int, reason: str, message: str) -> web.Response:
    """Return an error as the API server words it."""
    body = {"kind": "Status", "status": "Failure", "reason": reason, "message": message}
    return web.json_response({**body, "code": code}, status=code)


class FakeApi:
    """The server's state, with methods that act as other controllers would."""

    def __init__(self) -> None:
        self.objects: dict[tuple[Kind, str, str], Body] = {}
        self.requests: list[tuple[str, str]] = []
        self.calls: set[tuple[str, str, str]] = set()
        """Rights that a role would have to grant: verb, API group, resource."""
        self.job_refusal: Callable[[Body], tuple[int, str] | None] = lambda manifest: None
        self.fail_next: list[Callable[[str, str], int | None]] = []
        self.series: dict[str, list[tuple[dict[str, str], list[tuple[float, float]]]]] = {}
        self.prometheus_status = 200
        self.prometheus_started: datetime | None = None
        self.queries: list[str] = []
        self.grid_answer = (200, "{}")
        self.pue_answer = (200, "{}")
        """Status and body of every range query."""
        self.namespace_annotations: dict[str, str] = {}
        self.refused: dict[str, int] = {}
        """Plurals and namespaces whose requests are answered with this code."""
        self.prometheus_hangs = False
        self.readers: dict[str, bool] = {}
        """Known tokens, and whether their owner may get /metrics."""
        self.is_deaf = False
        """Whether watches hear of no changes, as if their connections were broken."""
        self._oldest = 0
        self._cut = asyncio.Event()
        self._versions = itertools.count(1000)
        self._uids = itertools.count(1)
        self._watchers: defaultdict[Kind, set[asyncio.Queue[tuple[str, Body]]]] = defaultdict(set)
        self._log: defaultdict[Kind, list[tuple[int, str, Body]]] = defaultdict(list)
        self._changed = asyncio.Event()

    # Actions of tests and other controllers.

    def create(self, kind: Kind, manifest: Body) -> Body:
        """Store a new object and tell the watchers."""
        body = copy.deepcopy(manifest)
        metadata = body["metadata"]
        metadata.setdefault("namespace", "default")
        metadata.setdefault("uid", f"uid-{next(self._uids)}")
        metadata.setdefault("creationTimestamp", now_text())
        metadata["generation"] = 1
        body.setdefault("apiVersion", kind[0])
        body.setdefault("kind", KINDS[kind])
        self._store("ADDED", kind, body)
        return copy.deepcopy(body)

    def get(self, kind: Kind, name: str, namespace: str = "default") -> Body | None:
        """Return an object, or `None`."""
        found = self.objects.get((kind, namespace, name))
        return copy.deepcopy(found)

    def all(self, kind: Kind) -> list[Body]:
        """Return all objects of a kind, by name."""
        found = [body for (k, _, _), body in self.objects.items() if k == kind]
        return copy.deepcopy(sorted(found, key=lambda body: body["metadata"]["name"]))

    def change(self, kind: Kind, name: str, patch: Body, namespace: str = "default") -> Body:
        """Merge a patch into an object, as a user or controller would."""
        body = self.objects[kind, namespace, name]
        merged = _merged(body, patch)
        if merged.get("spec") != body.get("spec"):
            merged["metadata"]["generation"] = body["metadata"].get("generation", 1) + 1
        self._store("MODIFIED", kind, merged)
        return copy.deepcopy(merged)

    def replace(self, kind: Kind, body: Body) -> None:
        """Store a whole object, as its controller would."""
        self._store("MODIFIED", kind, copy.deepcopy(body))

    def delete(self, kind: Kind, name: str, namespace: str = "default") -> None:
        """Remove an object and what it owns."""
        body = self.objects.pop((kind, namespace, name))
        body["metadata"]["resourceVersion"] = str(next(self._versions))
        self._tell("DELETED", kind, body)
        uid = body["metadata"]["uid"]
        for (k, ns, n), other in list(self.objects.items()):
            owners = other["metadata"].get("ownerReferences") or ()
            if any(owner["uid"] == uid for owner in owners):
                self.delete(k, n, ns)

    def restart(self) -> None:
        """End all watches and forget old versions, as a restart of the API server does."""
        self._oldest = next(self._versions)
        self._log.clear()
        self._cut.set()
        self._cut = asyncio.Event()

    def run_pod(self, job: str, *, name: str = "", phase: str = "Running", **status: Any) -> Body:
        """Create or move the pod of a Job, as the Job controller and the kubelet would."""
        owner = self.objects[JOBS, "default", job]
        name = name or f"{job}-abcde"
        if (PODS, "default", name) not in self.objects:
            self.create(
                PODS,
                {
                    "metadata": {
                        "name": name,
                        "labels": owner["spec"]["template"]["metadata"]["labels"],
                        "ownerReferences": [
                            {"kind": "Job", "uid": owner["metadata"]["uid"], "name": job}
                        ],
                    },
                    "spec": {"nodeName": "node-1"},
                    "status": {"startTime": now_text()},
                },
            )
        pod = self.change(PODS, name, {"status": {"phase": phase, **status}})
        active = int(phase in ("Running", "Pending"))
        self.change(
            JOBS,
            job,
            {
                "status": {
                    "active": active,
                    "ready": int(phase == "Running"),
                    "startTime": pod["status"]["startTime"],
                }
            },
        )
        return pod

    def end_job(self, job: str, outcome: str = "Complete", *, report: str = "") -> None:
        """End a Job with its pod, as the kubelet and the Job controller would."""
        good = outcome == "Complete"
        terminated = {
            "exitCode": 0 if good else 1,
            "finishedAt": now_text(),
            "reason": "Completed" if good else "Error",
            "message": report,
        }
        self.run_pod(
            job,
            phase="Succeeded" if good else "Failed",
            containerStatuses=[{"name": "train", "state": {"terminated": terminated}}],
        )
        reason = "CompletionsReached" if good else "BackoffLimitExceeded"
        condition = {
            "type": outcome,
            "status": "True",
            "reason": reason,
            "message": "Job has reached the specified backoff limit" if not good else "",
            "lastTransitionTime": now_text(),
        }
        self.change(JOBS, job, {"status": {"active": 0, "ready": 0, "conditions": [condition]}})

    async def until(self, holds: Callable[[], Any], seconds: float = 120.0) -> Any:
        """Wait for a condition on the stored objects; return its value."""
        async with asyncio.timeout(seconds):
            while not (value := holds()):
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), 0.5)
        return value

    def writes(self, part: str = "") -> list[tuple[str, str]]:
        """Return the write requests so far whose path holds `part`."""
        return [(m, p) for m, p in self.requests if m != "GET" and part in p]

    # The server.

    def app(self) -> web.Application:
        """Return the aiohttp application."""
        site = web.Application(middlewares=[self._record])
        site.add_routes(
            [
                web.get("/version", self._version),
                web.get("/api", self._core_versions),
                web.get("/apis", self._groups),
                web.get("/api/v1", self._resources),
                web.get("/apis/{group}", self._group),
                web.get("/apis/{group}/{version}", self._resources),
                web.get("/api/v1/namespaces/{name}", self._namespace),
                web.post("/prometheus/api/v1/query", self._query),
                web.get("/prometheus/api/v1/status/runtimeinfo", self._runtime),
                web.get("/prometheus/api/v1/query_range", self._range),
                web.get("/v4/{route:.*}", self._grid),
            ]
        )
        for kind in ("authentication", "authorization"):
            path = f"/apis/{kind}.k8s.io/v1/{{reviews:[a-z]+reviews}}"
            site.add_routes([web.post(path, self._review)])
        for prefix in ("/api/{version}", "/apis/{group}/{version}"):
            for base in (f"{prefix}/{{plural}}", f"{prefix}/namespaces/{{namespace}}/{{plural}}"):
                site.add_routes([web.get(base, self._list), web.post(base, self._create)])
            one = f"{prefix}/namespaces/{{namespace}}/{{plural}}/{{name}}"
            site.add_routes(
                [
                    web.get(one, self._get),
                    web.patch(one, self._patch),
                    web.put(one, self._put),
                    web.patch(f"{one}/status", self._patch),
                    web.put(f"{one}/status", self._put_status),
                    web.delete(one, self._delete),
                ]
            )
        one = "/apis/{group}/{version}/{plural}/{name}"
        site.add_routes([web.get(one, self._get), web.patch(f"{one}/status", self._patch)])
        return site

    @web.middleware
    async def _record(
        self, request: web.Request, handler: Callable[[web.Request], Any]
    ) -> web.StreamResponse:
        path = request.path
        if "plural" in request.match_info:
            self.calls.add(_right_of(request))
        if "watch" not in request.query:
            self.requests.append((request.method, path))
        for part in (request.match_info.get("plural"), request.match_info.get("namespace")):
            if part in self.refused:
                return status_body(self.refused[part], "Refused", f"{part} is refused")
        for fault in list(self.fail_next):
            code = fault(request.method, path)
            if code is not None:
                self.fail_next.remove(fault)
                return status_body(code, "InternalError", f"failure {code} on request")
        response: web.StreamResponse = await handler(request)
        return response

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"major": "1", "minor": "37"})

    async def _core_versions(self, _: web.Request) -> web.Response:
        return web.json_response({"kind": "APIVersions", "versions": ["v1"]})

    async def _groups(self, _: web.Request) -> web.Response:
        groups = []
        for api in sorted({api for api, _ in KINDS if "/" in api}):
            group, version = api.split("/")
            entry = {"groupVersion": api, "version": version}
            groups.append({"name": group, "versions": [entry], "preferredVersion": entry})
        return web.json_response({"kind": "APIGroupList", "groups": groups})

    async def _group(self, request: web.Request) -> web.Response:
        group = request.match_info["group"]
        served = [api for api, _ in KINDS if api.startswith(f"{group}/")]
        if not served:
            return status_body(404, "NotFound", "the server could not find the group")
        versions = [{"groupVersion": api, "version": api.partition("/")[2]} for api in served]
        return web.json_response({"kind": "APIGroup", "name": group, "versions": versions})

    async def _resources(self, request: web.Request) -> web.Response:
        api = _api_of(request)
        resources: list[Body] = []
        for (kind_api, plural), kind in KINDS.items():
            if kind_api == api:
                verbs = ["get", "list", "watch", "create", "patch", "delete"]
                names = {"name": plural, "singularName": kind.lower(), "kind": kind}
                entry = {**names, "namespaced": True, "verbs": verbs}
                status = {**entry, "name": f"{plural}/status", "verbs": ["patch", "update"]}
                resources += [entry, status]
        return web.json_response({"groupVersion": api, "resources": resources})

    async def _list(self, request: web.Request) -> web.StreamResponse:
        kind = _kind_of(request)
        if request.query.get("watch") == "true":
            return await self._watch(request, kind)
        if kind not in KINDS:
            return status_body(404, "NotFound", "the server could not find the resource")
        items = [body for body in self.all(kind) if self._selects(request, body)]
        metadata = {"resourceVersion": str(next(self._versions))}
        first = int(request.query.get("continue") or 0)
        past = first + int(request.query.get("limit") or len(items))
        if past < len(items):
            metadata["continue"] = str(past)
        page = {"kind": "List", "metadata": metadata, "items": items[first:past]}
        return web.json_response(page)

    async def _watch(self, request: web.Request, kind: Kind) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        since = int(request.query.get("resourceVersion") or 0)
        if since < self._oldest:
            await response.write(_line("ERROR", {"kind": "Status", "code": 410}))
            return response
        feed = asyncio.create_task(self._feed(request, response, kind, since))
        cut = asyncio.create_task(self._cut.wait())
        try:
            await asyncio.wait([feed, cut], return_when=asyncio.FIRST_COMPLETED)
        finally:
            feed.cancel()
            cut.cancel()
        return response

    async def _feed(
        self, request: web.Request, response: web.StreamResponse, kind: Kind, since: int
    ) -> None:
        async for change, body in self._changes(kind, since):
            if self._selects(request, body):
                try:
                    await response.write(_line(change, body))
                except ConnectionError:
                    break

    async def _changes(self, kind: Kind, since: int) -> AsyncIterator[tuple[str, Body]]:
        queue: asyncio.Queue[tuple[str, Body]] = asyncio.Queue()
        for version, change, body in self._log[kind]:
            if version > since:
                queue.put_nowait((change, body))
        self._watchers[kind].add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._watchers[kind].discard(queue)

    async def _get(self, request: web.Request) -> web.Response:
        found = self.get(_kind_of(request), *_name_of(request))
        if found is None:
            return status_body(404, "NotFound", f"{request.path} not found")
        return web.json_response(found)

    async def _namespace(self, request: web.Request) -> web.Response:
        self.calls.add(("get", "", "namespaces"))
        metadata = {"name": request.match_info["name"], "annotations": self.namespace_annotations}
        return web.json_response({"kind": "Namespace", "metadata": metadata})

    async def _create(self, request: web.Request) -> web.Response:
        kind, manifest = _kind_of(request), await request.json()
        manifest["metadata"]["namespace"] = request.match_info["namespace"]
        if kind == JOBS and (refusal := self.job_refusal(manifest)) is not None:
            return status_body(refusal[0], "Invalid", refusal[1])
        name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
        if self.get(kind, name, namespace) is not None:
            return status_body(409, "AlreadyExists", f"{kind[1]} {name!r} already exists")
        if request.query.get("dryRun") == "All":
            return web.json_response(manifest, status=201)
        return web.json_response(self.create(kind, manifest), status=201)

    async def _patch(self, request: web.Request) -> web.Response:
        kind, (name, namespace) = _kind_of(request), _name_of(request)
        stored = self.get(kind, name, namespace)
        if stored is None:
            return status_body(404, "NotFound", f"{request.path} not found")
        patch = json.loads(await request.text())
        uid = (patch.get("metadata") or {}).get("uid", stored["metadata"]["uid"])
        if uid != stored["metadata"]["uid"]:
            return status_body(422, "Invalid", "metadata.uid: field is immutable")
        wanted = (patch.get("metadata") or {}).pop("resourceVersion", None)
        if wanted not in (None, stored["metadata"]["resourceVersion"]):
            return status_body(409, "Conflict", "the object has been modified")
        if request.path.endswith("/status"):
            patch = {"status": patch.get("status") or {}}
        if request.content_type == "application/apply-patch+yaml":
            patch = {"status": _with_others(stored.get("status") or {}, patch["status"])}
        if _merged(stored, patch) == stored:
            return web.json_response(stored)
        return web.json_response(self.change(kind, name, patch, namespace))

    async def _review(self, request: web.Request) -> web.Response:
        """Answer who a token belongs to, or what a user may do."""
        spec = (await request.json())["spec"]
        status: Body
        if request.match_info["reviews"] == "tokenreviews":
            user = {"username": spec["token"], "uid": "", "groups": ["system:authenticated"]}
            known = spec["token"] in self.readers
            status = {"authenticated": True, "user": user} if known else {}
        else:
            assert spec["nonResourceAttributes"] == {"path": "/metrics", "verb": "get"}
            assert spec["groups"] == ["system:authenticated"]
            status = {"allowed": self.readers[spec["user"]]}
        return web.json_response({"status": status}, status=201)

    async def _put(self, request: web.Request) -> web.Response:
        kind, (name, namespace) = _kind_of(request), _name_of(request)
        body, stored = await request.json(), self.get(_kind_of(request), name, namespace)
        if stored is None:
            return status_body(404, "NotFound", f"{request.path} not found")
        if body["metadata"].get("resourceVersion") != stored["metadata"]["resourceVersion"]:
            return status_body(409, "Conflict", "the object has been modified")
        self._store("MODIFIED", kind, body)
        return web.json_response(self.get(kind, name, namespace))

    async def _put_status(self, request: web.Request) -> web.Response:
        """Replace a status; the API server takes nothing else from such a body."""
        kind, (name, namespace) = _kind_of(request), _name_of(request)
        body, stored = await request.json(), self.get(kind, name, namespace)
        if stored is None:
            return status_body(404, "NotFound", f"{request.path} not found")
        if body["metadata"]["resourceVersion"] != stored["metadata"]["resourceVersion"]:
            return status_body(409, "Conflict", "the object has been modified")
        changed = {**stored, "status": body["status"]}
        if changed != stored:
            self._store("MODIFIED", kind, changed)
        return web.json_response(self.get(kind, name, namespace))

    async def _delete(self, request: web.Request) -> web.Response:
        name, namespace = _name_of(request)
        self.delete(_kind_of(request), name, namespace)
        return web.json_response({"kind": "Status", "status": "Success"})

    async def _grid(self, _: web.Request) -> web.Response:
        code, text = self.grid_answer
        return web.Response(status=code, text=text, content_type="application/json")

    async def _runtime(self, _: web.Request) -> web.Response:
        started = self.prometheus_started
        if started is None:
            return web.Response(status=404, text="not that kind")
        return web.json_response({"status": "success", "data": {"startTime": started.isoformat()}})

    async def _range(self, request: web.Request) -> web.Response:
        self.queries.append(request.query["query"])
        code, text = self.pue_answer
        return web.Response(status=code, text=text, content_type="application/json")

    async def _query(self, request: web.Request) -> web.Response:
        form = await request.post()
        query, at = str(form["query"]), float(str(form["time"]))
        self.queries.append(query)
        if self.prometheus_hangs:
            await asyncio.Event().wait()
        if self.prometheus_status != 200:
            return web.Response(status=self.prometheus_status, text="<html>down</html>")
        if query.startswith("sum by"):
            return self._live(at)
        match = re.fullmatch(r"(\w+)\{(.*)\}\[(\d+)s\]", query)
        assert match is not None, query
        metric, matchers, seconds = match.groups()
        wanted = re.findall(r'(\w+)(=~?)"((?:[^"\\]|\\.)*)"', matchers)
        result = []
        for labels, samples in self.series.get(metric, ()):
            if not all(_fits(labels.get(n, ""), op, value) for n, op, value in wanted):
                continue
            inside = [[t, str(v)] for t, v in samples if at - float(seconds) < t <= at]
            if inside:
                result.append({"metric": {"__name__": metric, **labels}, "values": inside})
        data = {"resultType": "matrix", "result": result}
        return web.json_response({"status": "success", "data": data})

    def _live(self, at: float) -> web.Response:
        """Answer the query for the energy of running pods: the last value of every series."""
        result = [
            {
                "metric": {name: labels[name] for name in ("namespace", "pod_uid")},
                "value": [at, str(samples[-1][1])],
            }
            for labels, samples in self.series.get("lowtide_pod_energy_joules_total", ())
        ]
        data = {"resultType": "vector", "result": result}
        return web.json_response({"status": "success", "data": data})

    def _store(self, change: str, kind: Kind, body: Body) -> None:
        metadata = body["metadata"]
        metadata["resourceVersion"] = str(next(self._versions))
        self.objects[kind, metadata["namespace"], metadata["name"]] = body
        self._tell(change, kind, body)

    def _tell(self, change: str, kind: Kind, body: Body) -> None:
        if self.is_deaf:
            self._changed.set()
            return
        snapshot = copy.deepcopy(body)
        self._log[kind].append((int(body["metadata"]["resourceVersion"]), change, snapshot))
        for queue in self._watchers[kind]:
            queue.put_nowait((change, snapshot))
        self._changed.set()

    @staticmethod
    def _selects(request: web.Request, body: Body) -> bool:
        namespace = request.match_info.get("namespace")
        if namespace and body["metadata"]["namespace"] != namespace:
            return False
        labels = body["metadata"].get("labels") or {}
        for term in filter(None, request.query.get("labelSelector", "").split(",")):
            name, _, value = term.partition("=")
            if name not in labels or (value and labels[name] != value):
                return False
        return True


def _line(change: str, body: Body) -> bytes:
    return (json.dumps({"type": change, "object": body}) + "\n").encode()


def _api_of(request: web.Request) -> str:
    group = request.match_info.get("group")
    version = request.match_info.get("version", "v1")
    return f"{group}/{version}" if group else version


def _kind_of(request: web.Request) -> Kind:
    return (_api_of(request), request.match_info["plural"])


def _right_of(request: web.Request) -> tuple[str, str, str]:
    """Return the verb, API group and resource by which roles allow a request."""
    group = request.match_info.get("group", "")
    resource = request.match_info["plural"]
    if request.path.endswith("/status"):
        resource += "/status"
    named = "name" in request.match_info
    verb = {
        "GET": "get" if named else "watch" if request.query.get("watch") == "true" else "list",
        "POST": "create",
        "PUT": "update",
        "PATCH": "patch",
        "DELETE": "delete",
    }[request.method]
    return verb, group, resource


def _name_of(request: web.Request) -> tuple[str, str]:
    return request.match_info["name"], request.match_info.get("namespace", "default")


def _fits(value: str, operator: str, wanted: str) -> bool:
    wanted = json.loads(f'"{wanted}"')
    return re.fullmatch(wanted, value) is not None if operator == "=~" else value == wanted


def _with_others(old: Body, applied: Body) -> Body:
    """Return what a server-side apply to a status leaves: its lists have the others' entries."""
    result = dict(applied)
    for field, key in LIST_KEYS.items():
        if field in applied:
            entries = {one[key]: one for one in old.get(field) or ()}
            for one in applied[field]:
                entries[one[key]] = {**entries.get(one[key], {}), **one}
            result[field] = list(entries.values())
    return result


def _merged(old: Any, patch: Any) -> Any:
    """Apply an RFC 7396 merge patch."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = copy.deepcopy(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result
