"""Follows the pods of this node at the API server: UID, start, end.

List once, then watch, in one daemon thread; a broken watch is resumed from its last version, an
expired one starts with a new list. Plain HTTP of the standard library: the Kubernetes client
would cost more memory than the whole exporter. Without an API server the exporter goes on: `pods`
is None and `source_up{source="api"}` says so. The exporter writes nothing to the API.
"""

import http.client
import json
import logging
import ssl
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from lowtide_exporter.errors import MalformedAnswerError, SourceError
from lowtide_exporter.readings import PodRecord

_log = logging.getLogger(__name__)

_WATCH_SECONDS: Final = 60
"""The server ends a watch after this time; a connection that died silently is noticed soon."""
_SILENCE_SECONDS: Final = _WATCH_SECONDS + 15.0
_BACKOFF_MAX_SECONDS: Final = 30.0
_TERMINAL_PHASES: Final = frozenset({"Succeeded", "Failed"})


class PodWatcher:
    """Keeps the pods of one node; `pods` is safe to read from any thread."""

    def __init__(
        self,
        *,
        server: str,
        node_name: str,
        token_file: str,
        ca_file: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = urllib.parse.urlsplit(server)
        self._node_name = node_name
        self._token_file = Path(token_file)
        self._ca_file = Path(ca_file)
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
                self._watch()
                pause = 0.0
            except (SourceError, OSError, http.client.HTTPException) as error:
                if self.is_up or pause == 0.0:
                    _log.warning("pods cannot be followed: %s", error)
                self.is_up, self.last_error = False, str(error)
                pause = min(_BACKOFF_MAX_SECONDS, max(1.0, pause * 2))

    def _list(self) -> None:
        with self._get({}) as answer:
            body = _parse(answer.read())
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
                self._apply(_parse(line))
        self._mark_good()

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

    def _get(self, query: dict[str, str]) -> http.client.HTTPResponse:
        """Ask for the pods of this node.

        Raises:
            SourceError: the server refused, or the token or CA file cannot be read.
            OSError: it cannot be reached.
        """
        selected = {"fieldSelector": f"spec.nodeName={self._node_name}", **query}
        path = f"{self._url.path.rstrip('/')}/api/v1/pods?{urllib.parse.urlencode(selected)}"
        connection = self._connect()
        try:
            headers = {"Accept": "application/json", **self._authorisation()}
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            if answer.status != http.HTTPStatus.OK:
                if answer.status == http.HTTPStatus.GONE:
                    self._version = ""
                raise SourceError(f"API server answered {answer.status} {answer.reason}")
        except BaseException:
            connection.close()
            raise
        return answer  # closing the answer closes the connection: `Connection: close` below

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        if self._url.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=_SILENCE_SECONDS)
        try:
            context = ssl.create_default_context(cafile=self._ca_file)
        except OSError as error:
            raise SourceError(f"CA file {self._ca_file} cannot be used: {error}") from None
        return http.client.HTTPSConnection(host, port, timeout=_SILENCE_SECONDS, context=context)

    def _authorisation(self) -> dict[str, str]:
        """Read the token anew each time: the kubelet rotates it."""
        try:
            token = self._token_file.read_text().strip()
        except OSError as error:
            if self._url.scheme == "http":
                return {"Connection": "close"}
            raise SourceError(f"token file {self._token_file} cannot be read: {error}") from None
        return {"Authorization": f"Bearer {token}", "Connection": "close"}


def _lines(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    while line := answer.readline():
        if line.strip():
            yield line


def _parse(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise MalformedAnswerError(f"API server: no JSON: {error}") from None
    if not isinstance(value, dict):
        raise MalformedAnswerError(f"API server: {type(value).__name__} where an object belongs")
    return value


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
    )


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
