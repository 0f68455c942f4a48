"""Bodies of answers from other machines, read up to a limit."""

from typing import Final

import aiohttp

READ_BYTES: Final = 64 * 1024


async def bounded_body(answer: aiohttp.ClientResponse, maximum_bytes: int) -> bytes | None:
    """Return the body of an answer, or `None` if it is larger than `maximum_bytes`."""
    body = bytearray()
    async for piece in answer.content.iter_chunked(READ_BYTES):
        body += piece
        if len(body) > maximum_bytes:
            return None
    return bytes(body)
