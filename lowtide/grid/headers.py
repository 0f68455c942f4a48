"""Headers that an administrator adds to every request to a server, such as a tenant's name.

They are written into settings, so nothing secret may be among them: a name under which credentials
travel is refused, and no error shows a value.
"""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field

NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
"""A field name by RFC 9110, section 5.1."""
VALUE: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,254}[\x21-\x7e])?")
SECRET: Final = re.compile("authorization|cookie|token|secret|password|api-?key", re.IGNORECASE)
HEADERS_MAX: Final = 16
OWN: Final = frozenset({"host", "content-length", "transfer-encoding", "connection"})
"""Headers that belong to the connection."""


def _plain_headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if NAME.fullmatch(name) is None:
            raise ValueError("a header's name must be letters, digits and hyphens")
        if SECRET.search(name):
            raise ValueError(
                f"header {name} carries a secret: name the file of a token instead (tokenFile)"
            )
        if name.lower() in OWN:
            raise ValueError(f"header {name} belongs to the connection and cannot be set")
        if VALUE.fullmatch(value) is None:
            raise ValueError(f"the value of header {name} must be one line of printable ASCII")
    return headers


PlainHeaders = Annotated[
    dict[str, str], Field(max_length=HEADERS_MAX), AfterValidator(_plain_headers)
]
"""Names and values of headers without secrets."""
