"""Secrets of the server, read again when their files change: a password, a certificate.

Kubernetes renews both in place. A file that has become unusable is logged once, and what was read
before stays in force: a half-written file must neither open the page nor close it.
"""

import base64
import logging
import ssl
from collections.abc import Callable
from pathlib import Path

from lowtide_exporter.errors import ExporterSettingsError

_log = logging.getLogger(__name__)

_Signature = tuple[tuple[int, int, int], ...]


class RenewedFile:
    """Files whose content is taken by `read`, at once and whenever they have changed."""

    def __init__(self, read: Callable[[], None], *paths: str) -> None:
        """Read the files.

        Raises:
            ExporterSettingsError: they cannot be used.
        """
        self._read, self._paths = read, tuple(Path(path) for path in paths)
        self._seen = self._signature()
        read()

    def renew(self) -> None:
        """Read the files again if they have changed; safe in any thread."""
        signature = self._signature()
        if signature == self._seen:
            return
        self._seen = signature
        try:
            self._read()
        except (ExporterSettingsError, OSError) as error:
            _log.warning("%s changed and cannot be used, so the old one stays: %s", self, error)
        else:
            _log.info("%s changed and was read again", self)

    def __str__(self) -> str:
        return ", ".join(str(path) for path in self._paths)

    def _signature(self) -> _Signature:
        found = []
        for path in self._paths:
            try:
                status = path.stat()
            except OSError:
                continue
            found.append((status.st_mtime_ns, status.st_size, status.st_ino))
        return tuple(found)


class Credentials:
    """Authorization header that is required; without a file, none is."""

    def __init__(self, path: str) -> None:
        """Read the file.

        Raises:
            ExporterSettingsError: it cannot be read or holds no `user:password`.
        """
        self._path = path
        self._header: bytes | None = None
        self._file = RenewedFile(self._read, path) if path else None

    @property
    def header(self) -> bytes | None:
        """The header in force, None where none is required."""
        if self._file is not None:
            self._file.renew()
        return self._header

    def _read(self) -> None:
        path = self._path
        try:
            line = Path(path).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ExporterSettingsError(
                f"--basic-auth-file {path} cannot be read: {error}"
            ) from None
        if ":" not in line:
            raise ExporterSettingsError(
                f"--basic-auth-file {path} must hold one line `user:password`"
            )
        self._header = b"Basic " + base64.b64encode(line.encode())


def load_certificate(context: ssl.SSLContext, certificate: str, key: str) -> RenewedFile:
    """Load a certificate into `context` and return what renews it.

    Raises:
        OSError: certificate or key cannot be used.
    """
    return RenewedFile(lambda: context.load_cert_chain(certificate, key), certificate, key)
