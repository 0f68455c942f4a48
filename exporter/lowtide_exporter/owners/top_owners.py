"""Top owners of pods: the Deployment behind a ReplicaSet, the RayJob behind a RayCluster.

A pod names only what controls it; what controls that one is asked of the API server, one level at
a time, in a thread of its own, because no tick may wait for an API server. The calls are bounded:
each object is asked once, a few a second at most, never more than `LEVELS_MAX` levels up, and
only kinds that the settings name. An object is the owner only while its uid is that of the
reference. Where the server refuses or the object is gone, the last owner that is known stands.
"""

import http.client
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

from lowtide.meters.errors import SourceError
from lowtide.ownership import OwnerReference, controller_of
from lowtide_exporter.owners.api_server import ApiServer, LookupRefusedError, parse_object

_log = logging.getLogger(__name__)

LEVELS_MAX: Final = 6
KNOWN_MAX: Final = 4096
"""Objects whose owner is remembered; those that no pod of the node asks about are dropped first."""
_PENDING_MAX: Final = 1024
_APART_SECONDS: Final = 0.1
_EXCHANGE_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 30.0
_REFUSED_SECONDS: Final = 600.0
"""A refusal is asked again this late: a right may be given meanwhile."""
_OBJECT_MAX_BYTES: Final = 1 << 20
_METADATA_ONLY: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

Resources = Mapping[tuple[str, str], str]
"""Resource, as it stands in a path, by API group and kind."""


class TopOwners:
    """Finds top owners; `of` never waits and may be called from any thread."""

    def __init__(
        self, api: ApiServer, resources: Resources, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._api = api
        self._resources = resources
        self._clock = clock
        self._lock = threading.Lock()
        self._parents: OrderedDict[str, tuple[OwnerReference | None, float | None]] = OrderedDict()
        self._pending: OrderedDict[str, tuple[str, OwnerReference]] = OrderedDict()
        self._retry_at: OrderedDict[str, float] = OrderedDict()
        self._wake = threading.Event()
        self._is_stopped = False
        self._was_refused: set[str] = set()

    def start(self) -> None:
        """Begin to ask in a daemon thread."""
        threading.Thread(target=self._run, name="top-owners", daemon=True).start()

    def stop(self) -> None:
        """Stop asking; the thread ends at the latest when its call does."""
        self._is_stopped = True
        self._wake.set()

    def of(self, namespace: str, controller: OwnerReference) -> OwnerReference | None:
        """Return the top owner behind a controller, `None` while it is not known yet."""
        owner = controller
        with self._lock:
            for _ in range(LEVELS_MAX):
                if (owner.group, owner.kind) not in self._resources:
                    return owner
                found = self._parents.get(owner.uid)
                if found is None:
                    self._ask_soon(namespace, owner)
                    return None
                self._parents.move_to_end(owner.uid)
                parent, ask_again_at = found
                if ask_again_at is not None and self._clock() >= ask_again_at:
                    self._ask_soon(namespace, owner)
                if parent is None:
                    return owner
                owner = parent
        return owner

    def _ask_soon(self, namespace: str, owner: OwnerReference) -> None:
        if len(self._pending) < _PENDING_MAX and self._clock() >= self._retry_at.get(owner.uid, 0):
            self._pending[owner.uid] = (namespace, owner)
            self._wake.set()

    def _run(self) -> None:
        while not self._is_stopped:
            self._wake.wait()
            self._wake.clear()
            while self._pending and not self._is_stopped:
                self.ask_next()
                time.sleep(_APART_SECONDS)

    def ask_next(self) -> None:
        """Ask about the object that has waited longest, if any does."""
        with self._lock:
            if not self._pending:
                return
            _, (namespace, owner) = self._pending.popitem(last=False)
        again_at: float | None = None
        parent: OwnerReference | None = None
        try:
            parent = self._parent_of(namespace, owner)
        except LookupRefusedError as error:
            again_at = self._clock() + _REFUSED_SECONDS
            self._note_refusal(owner, error)
        except (SourceError, OSError, http.client.HTTPException) as error:
            _log.debug(
                "owner of %s %s/%s is not known: %s", owner.kind, namespace, owner.name, error
            )
            with self._lock:
                self._retry_at[owner.uid] = self._clock() + _RETRY_SECONDS
                _bound(self._retry_at)
            return
        with self._lock:
            self._retry_at.pop(owner.uid, None)
            self._parents[owner.uid] = (parent, again_at)
            _bound(self._parents)

    def _parent_of(self, namespace: str, owner: OwnerReference) -> OwnerReference | None:
        """Return what controls an object now; `None` where nothing does or it is another one.

        Raises:
            LookupRefusedError: the server has no such object, or does not allow the question.
            SourceError, OSError, HTTPException: there is no usable answer now.
        """
        root = f"/apis/{owner.group}/{owner.version}" if owner.group else f"/api/{owner.version}"
        resource = self._resources[owner.group, owner.kind]
        path = f"{root}/namespaces/{namespace}/{resource}/{owner.name}"
        with self._api.get(path, {}, _EXCHANGE_SECONDS, accept=_METADATA_ONLY) as answer:
            metadata = parse_object(answer.read(_OBJECT_MAX_BYTES)).get("metadata")
        if not isinstance(metadata, dict) or metadata.get("uid") != owner.uid:
            return None
        parent = controller_of(metadata)
        return None if parent is not None and parent.uid == owner.uid else parent

    def _note_refusal(self, owner: OwnerReference, error: LookupRefusedError) -> None:
        if error.status != http.HTTPStatus.NOT_FOUND and owner.kind not in self._was_refused:
            self._was_refused.add(owner.kind)
            _log.warning(
                "the owner of a %s is not asked for: %s; pods are shown under the %s itself",
                owner.kind,
                error,
                owner.kind,
            )


def _bound(kept: OrderedDict[str, Any]) -> None:
    while len(kept) > KNOWN_MAX:
        kept.popitem(last=False)
