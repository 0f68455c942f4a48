"""A scripted HTTP server for tests of providers."""

import contextlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass
class Reply:
    """One answer of the scripted server; `raw` is sent as it is instead of `content`.

    `delay` holds the answer back until it is set, `drip_seconds` pauses after every byte of it,
    `drop` closes the connection instead.
    """

    content: object = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    delay: threading.Event | None = None
    drop: bool = False
    drip_seconds: float | None = None


@dataclass
class Asked:
    """One request as the server saw it."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


class ScriptedServer:
    """A real HTTP server on loopback that gives the replies of a list, the last one for ever."""

    reply = Reply

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.asked: list[Asked] = []
        self.closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                outer.answer(self)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def gives(self, *replies: Reply) -> None:
        """Set the replies of the coming requests; the last one is repeated."""
        self.replies = list(replies)
        self.asked.clear()

    def gives_json(self, content: object, **more: object) -> None:
        """Answer every coming request with `content` as JSON."""
        self.gives(Reply(content, **more))

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.asked.append(Asked(parts.path, query, headers))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if reply.delay is not None:
            reply.delay.wait(60)
        handler.close_connection = True
        if reply.drop:
            return
        body = reply.raw if reply.raw is not None else json.dumps(reply.content).encode()
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        with contextlib.suppress(ConnectionError):
            if reply.drip_seconds is None:
                handler.wfile.write(body)
                return
            for byte in body:
                handler.wfile.write(bytes([byte]))
                if self.closing.wait(reply.drip_seconds):
                    return

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
