"""Errors of requests to the API server, and how its answers become one of them.

A 404 means that the object is gone, which the client turns into `None`; the two meanings of a 409
(the name exists, or the object has changed) have an exception each.
"""

import json
from typing import Final

from kubernetes.aio.client.exceptions import ApiException

MESSAGE_MAX_LENGTH: Final = 900


class ClusterError(Exception):
    """A request to the API server failed.

    ClusterError
    ├── RefusedError        400, 403, 422: the request itself is not acceptable
    ├── AlreadyExistsError  409 on create
    ├── ConflictError       409 on a write: the object has changed since it was read
    ├── NotLeadingError     the Lease is held by another operator: nothing was sent
    ├── ServedByOtherError  another installation serves the namespace: nothing was sent
    └── UnreachableError    no answer, 429 or 5xx: the same request may work later
    """

    def __init__(self, message: str, *, status: int = 0, retry_after_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class RefusedError(ClusterError):
    """The request is not acceptable; the message is the API server's."""


class AlreadyExistsError(ClusterError):
    """An object of this name exists."""


class ConflictError(ClusterError):
    """The object has changed since it was read."""


class NotLeadingError(ClusterError):
    """This operator does not hold the Lease, so it writes nothing."""


class ServedByOtherError(ClusterError):
    """Another installation holds the claim on the namespace, so this one writes nothing there."""


class UnreachableError(ClusterError):
    """The API server gave no usable answer; the same request may work later."""


class NotFoundError(ClusterError):
    """The object is gone."""


def translated(error: ApiException) -> ClusterError:
    """Return the error that an answer of the API server stands for."""
    message = _server_message(error)
    kind: type[ClusterError] = UnreachableError
    match error.status:
        case 404:
            kind = NotFoundError
        case 409:
            kind = ConflictError
        case 400 | 403 | 422:
            kind = RefusedError
    return kind(message, status=error.status or 0, retry_after_seconds=_retry_after(error))


def _server_message(error: ApiException) -> str:
    """Return the message of the API server's Status object, in one line."""
    try:
        text = json.loads(error.body or "")["message"]
    except (KeyError, TypeError, ValueError):
        text = f"the API server answered {error.status} {error.reason}"
    return " ".join(str(text).split())[:MESSAGE_MAX_LENGTH]


def _retry_after(error: ApiException) -> float:
    try:
        return max(0.0, float((error.headers or {}).get("Retry-After", 0)))
    except (TypeError, ValueError):
        return 0.0
