"""Pods of this node, followed at the API server: UID, start, end.

List once, then watch, in one daemon thread; a broken watch is resumed from its last version, an
expired one starts with a new list. Without an API server the exporter goes on: `pods`
is None and `source_up{source="api"}` says so. The exporter writes nothing to the API.
"""

import http.client
import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

from lowtide import names
from lowtide.meters.errors import MalformedAnswerError, SourceError
from lowtide.ownership import controller_of
from lowtide_exporter.owners.api_server import ApiServer, GoneError, parse_object
from lowtide_exporter.readings import PodRecord

_log = logging.getLogger(__name__)

_WATCH_SECONDS: Final = 60
"""The server ends a watch after this time, so a connection that died silently is noticed soon."""
_EXCHANGE_SECONDS: Final = _WATCH_SECONDS + 15.0
"""For a whole watch or list, however slowly it comes."""
_LIST_MAX_BYTES: Final = 64 << 20
_EVENT_MAX_BYTES: Final = 8 << 20
_BACKOFF_FIRST_SECONDS: Final = 1.0
_BACKOFF_MAX_SECONDS: Final = 30.0
_WATCH_APART_SECONDS: Final = 1.0
"""A server or proxy that ends every watch at once is not asked more often than this."""
_WATCH_GOES_ON: Final = (SourceError, OSError, http.client.HTTPException)
_TERMINAL_PHASES: Final = frozenset({"Succeeded", "Failed"})


class PodWatcher:
    """Keeps the pods of one node; `pods` is safe to read from any thread."""

    def __init__(
        self,
        *,
        api: ApiServer,
        node_name: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._selector = {"fieldSelector": f"spec.nodeName={node_name}"}
        self._clock = clock
        self._pods: dict[str, PodRecord] = {}
        self._published: tuple[PodRecord, ...] | None = None
        self._version = ""
        self._stop = threading.Event()
        self.good_at: float | None = None
        self.is_up = False
        self.last_error = "the API server was not asked yet"

    def start(self) -> None:
        """Begin to follow the pods in a daemon thread."""
        threading.Thread(target=self._run, name="pod-watcher", daemon=True).start()

    def stop(self) -> None:
        """Stop following; the thread ends at the latest when its watch does."""
        self._stop.set()

    @property
    def pods(self) -> tuple[PodRecord, ...] | None:
        """The pods of the node, None before the first list succeeded."""
        return self._published

    def _run(self) -> None:
        pause = 0.0
        while not self._stop.wait(pause):
            try:
                if not self._version:
                    self._list()
                began = self._clock()
                self._watch()
                pause = max(0.0, _WATCH_APART_SECONDS - (self._clock() - began))
            except Exception as error:  # any error: the end of this thread would go unnoticed
                if not isinstance(error, _WATCH_GOES_ON) or isinstance(error, MalformedAnswerError):
                    self._version = ""  # an event may have been missed: a new list heals that
                pause = self._note_failure(error, pause)

    def _note_failure(self, error: Exception, pause: float) -> float:
        """Note why the pods cannot be followed, and return the pause before the next attempt."""
        if self.is_up or pause < _BACKOFF_FIRST_SECONDS:
            _log.warning("pods cannot be followed: %s", error)
        self.is_up, self.last_error = False, str(error) or repr(error)
        return min(_BACKOFF_MAX_SECONDS, max(_BACKOFF_FIRST_SECONDS, pause * 2))

    def _list(self) -> None:
        with self._get({}) as answer:
            body = parse_object(_read_all(answer))
        records = [parse_pod(item) for item in body.get("items") or []]
        self._pods = {record.uid: record for record in records}
        self._version = str(body.get("metadata", {}).get("resourceVersion", ""))
        self._mark_good()

    def _watch(self) -> None:
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_WATCH_SECONDS),
            "resourceVersion": self._version,
        }
        with self._get(query) as answer:
            for line in _lines(answer):
                if self._stop.is_set():
                    return
                self._apply(parse_object(line))
        self._mark_good()

    def _get(self, query: dict[str, str]) -> http.client.HTTPResponse:
        try:
            return self._api.get("/api/v1/pods", self._selector | query, _EXCHANGE_SECONDS)
        except GoneError:
            self._version = ""
            raise

    def _apply(self, event: dict[str, Any]) -> None:
        kind, item = event.get("type"), event.get("object") or {}
        if kind == "ERROR":
            self._version = ""
            raise SourceError(f"API server ended the watch: {str(item.get('message'))[:200]}")
        self._version = str(item.get("metadata", {}).get("resourceVersion", self._version))
        if kind in ("ADDED", "MODIFIED"):
            record = parse_pod(item)
            self._pods[record.uid] = record
        elif kind == "DELETED":
            self._pods.pop(parse_pod(item).uid, None)
        self._mark_good()

    def _mark_good(self) -> None:
        self._published = tuple(self._pods.values())
        self.good_at, self.is_up = self._clock(), True


def _lines(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    while line := answer.readline(_EVENT_MAX_BYTES):
        if len(line) == _EVENT_MAX_BYTES:
            raise MalformedAnswerError(f"API server: an event of over {_EVENT_MAX_BYTES} bytes")
        if line.strip():
            yield line


def _read_all(answer: http.client.HTTPResponse) -> bytes:
    body = answer.read(_LIST_MAX_BYTES + 1)
    if len(body) > _LIST_MAX_BYTES:
        raise SourceError(f"API server: a list of pods of over {_LIST_MAX_BYTES} bytes")
    return body


def parse_pod(item: dict[str, Any]) -> PodRecord:
    """Return the record of a Pod object.

    Raises:
        MalformedAnswerError: it has no UID, name or namespace.
    """
    metadata, status, spec = (item.get(key) or {} for key in ("metadata", "status", "spec"))
    try:
        uid, name, namespace = metadata["uid"], metadata["name"], metadata["namespace"]
    except KeyError as error:
        raise MalformedAnswerError(f"API server: pod without {error}") from None
    states = [entry.get("state") or {} for entry in status.get("containerStatuses") or []]
    states += [entry.get("lastState") or {} for entry in status.get("containerStatuses") or []]
    started = [_seconds(state[key].get("startedAt")) for state in states for key in state]
    finished = [
        _seconds(state["terminated"].get("finishedAt")) for state in states if "terminated" in state
    ]
    is_terminal = status.get("phase") in _TERMINAL_PHASES
    return PodRecord(
        namespace=namespace,
        name=name,
        uid=uid,
        is_terminal=is_terminal,
        started_at=_seconds(status.get("startTime"))
        or min((s for s in started if s is not None), default=None),
        finished_at=max((s for s in finished if s is not None), default=None)
        if is_terminal
        else None,
        containers=tuple(entry.get("name", "") for entry in spec.get("containers") or []),
        cpu_request_cores=sum(_cpu_request(entry) for entry in spec.get("containers") or []),
        trainingjob_uid=_trainingjob_of(metadata),
        controller=controller_of(metadata),
    )


def _trainingjob_of(metadata: dict[str, Any]) -> str:
    """Return the uid of the TrainingJob that a pod works for: the label of a pod of a Job."""
    labels, owners = metadata.get("labels"), metadata.get("ownerReferences")
    is_of_a_job = isinstance(owners, list) and any(
        isinstance(owner, dict) and owner.get("controller") and owner.get("kind") == "Job"
        for owner in owners
    )
    uid = labels.get(names.LABEL_TRAININGJOB_UID) if isinstance(labels, dict) else None
    return str(uid) if uid and is_of_a_job else ""


def _seconds(text: str | None) -> float | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def _cpu_request(container: dict[str, Any]) -> float:
    text = str(((container.get("resources") or {}).get("requests") or {}).get("cpu", "0"))
    try:
        return float(text[:-1]) / 1000 if text.endswith("m") else float(text)
    except ValueError:
        return 0.0
