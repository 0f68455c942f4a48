"""Credentials of a provider: from a mounted file or the environment, never from the settings.

The token is read at every use, so that a rotated Secret works without a restart. It is never kept,
shown or logged; the source's own name (a path, a variable) may be.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lowtide.grid.errors import Unauthorized

TOKEN_MAX_CHARACTERS: Final = 8192


@dataclass(frozen=True, slots=True)
class Credential:
    """A token's whereabouts: exactly one of `file` and `variable`."""

    file: Path | None = None
    variable: str | None = None

    def read(self, environment: Mapping[str, str] | None = None) -> str:
        """Return the token without surrounding white space.

        Raises:
            Unauthorized: the file or variable is missing or empty, or cannot be a token.
        """
        if self.file is not None:
            where = f"file {self.file}"
            try:
                token = self.file.read_text(encoding="utf-8")[:TOKEN_MAX_CHARACTERS].strip()
            except (OSError, UnicodeDecodeError) as error:
                raise Unauthorized(
                    f"the token {where} cannot be read ({type(error).__name__})"
                ) from None
        else:
            where = f"environment variable {self.variable}"
            values = os.environ if environment is None else environment
            token = values.get(self.variable or "", "").strip()
        if not token:
            raise Unauthorized(f"the token's {where} is empty or not set")
        if not (token.isascii() and token.isprintable()):
            raise Unauthorized(f"the token in {where} has characters that no HTTP header may hold")
        return token
