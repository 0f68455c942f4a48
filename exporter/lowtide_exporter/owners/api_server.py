"""Client of the API server, read-only, with the pod's service account.

Plain HTTP of the standard library: the Kubernetes client would cost more memory than the whole
exporter. Every exchange has one deadline; the token is read anew each time, because the kubelet
rotates it, and appears in no message.
"""

import http.client
import json
import urllib.parse
from pathlib import Path
from typing import Any

from lowtide.meters.errors import MalformedAnswerError, SourceError
from lowtide.meters.exchange import open_url


class LookupRefusedError(SourceError):
    """The server answered with an error; `status` is its HTTP status."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"API server answered {status} {reason}")
        self.status = status


class GoneError(LookupRefusedError):
    """The version asked for is too old: list again."""


class ApiServer:
    """One API server; `server` is its URL."""

    def __init__(self, server: str, token_file: str, ca_file: str) -> None:
        self._url = urllib.parse.urlsplit(server)
        self._token_file = Path(token_file)
        self._ca_file = Path(ca_file)

    def get(
        self, path: str, query: dict[str, str], seconds: float, *, accept: str = "application/json"
    ) -> http.client.HTTPResponse:
        """Return the open answer of a GET; the caller reads and closes it within `seconds`.

        Raises:
            GoneError: the resource version is too old.
            LookupRefusedError: the server answered with an error.
            SourceError: the token or CA file cannot be read.
            OSError: it cannot be reached.
        """
        target = f"{self._url.path.rstrip('/')}{urllib.parse.quote(path)}"
        target += f"?{urllib.parse.urlencode(query)}" if query else ""
        answer = open_url(
            self._url._replace(path="", query="").geturl() + target,
            seconds=seconds,
            headers={"Accept": accept, **self._authorisation()},
            ca_file=str(self._ca_file),
        )
        if answer.status != http.HTTPStatus.OK:
            answer.close()
            is_gone = answer.status == http.HTTPStatus.GONE
            raise (GoneError if is_gone else LookupRefusedError)(answer.status, answer.reason)
        return answer

    def _authorisation(self) -> dict[str, str]:
        """Read the token anew each time: the kubelet rotates it."""
        try:
            token = self._token_file.read_text().strip()
        except OSError as error:
            if self._url.scheme == "http":
                return {"Connection": "close"}
            raise SourceError(f"token file {self._token_file} cannot be read: {error}") from None
        return {"Authorization": f"Bearer {token}", "Connection": "close"}


def parse_object(text: bytes) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        MalformedAnswerError: the text is something else.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise MalformedAnswerError(f"API server: no JSON: {error}") from None
    if not isinstance(value, dict):
        raise MalformedAnswerError(f"API server: {type(value).__name__} where an object belongs")
    return value
