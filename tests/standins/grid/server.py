"""A stand-in for a grid-data service: replays a trace from "now", also faster than time.

One process, standard library only, so that it runs from a checkout, in a pod or in a test. It
speaks the routes of Electricity Maps v4 and of the Carbon Aware SDK's WebAPI that Lowtide uses,
with the shapes and the habits of the real services (one point too many at a forecast's end, -1
for a missing value). It never tells the future: actual values end with the last finished slot,
and forecasts are the trace's own forecast column. Everything it sends says that it is a stand-in.

    python tests/standins/grid/server.py --trace DE.csv --zone DE \
        --start 2021-07-20T06:00Z --slot-seconds 10 --token secret --port 8100

At 10 seconds per slot an hourly trace runs 360 times as fast. `POST /control {"mode": "down"}`
makes it fail on purpose (see MODES), `GET /control` tells the mode and how often each route was
asked.
"""

import argparse
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from replay import Replay, parse_time, read_slots
from service import MODES, NOTICE, STATUS_MODES, RefusalError, Service

SERVER = "lowtide-grid-standin/1"


class Handler(BaseHTTPRequestHandler):
    """HTTP around a Service; a subclass sets the three attributes."""

    service: Service
    slow_seconds: float
    stopping: threading.Event
    protocol_version = "HTTP/1.1"
    timeout = 30

    def version_string(self) -> str:
        return f"{SERVER} ({NOTICE})"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/control":
            return self.send_json(200, self.control_state())
        exempt = parts.path in ("/", "/health")
        if not exempt and self.misbehaved(parts.path):
            return None
        try:
            content = self.service.route(parts.path, query, self.headers.get("auth-token"))
        except RefusalError as refusal:
            return self.send_json(refusal.status, refusal.body)
        except ValueError:
            return self.send_json(400, {"message": "a parameter is not a number"})
        body = json.dumps(content).encode()
        if self.service.mode == "garbage" and not exempt:
            body = body[: len(body) // 2]
        return self.send_body(200, body, "application/json")

    def misbehaved(self, path: str) -> bool:
        """Answer as a failing mode does; return whether the answer is complete."""
        mode = self.service.mode
        if mode in (*STATUS_MODES, "down", "html"):
            with self.service.lock:
                self.service.asked[path] += 1
        if mode == "down":
            self.close_connection = True
        elif mode in STATUS_MODES:
            self.send_json(int(mode), {"status": "error", "message": f"mode {mode}"})
        elif mode == "html":
            self.send_body(200, b"<!doctype html><title>Sign in</title>", "text/html")
        elif mode == "slow":
            self.stopping.wait(self.slow_seconds)
            return False
        else:
            return False
        return True

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        try:
            wanted = json.loads(self.rfile.read(min(length, 4096)) or b"null")
            mode = wanted["mode"]
        except (ValueError, KeyError, TypeError):
            mode = None
        if self.path != "/control" or mode not in MODES:
            return self.send_json(400, {"message": f"POST /control with mode one of {MODES}"})
        self.service.mode = mode
        return self.send_json(200, self.control_state())

    def control_state(self) -> dict[str, object]:
        with self.service.lock:
            return {"mode": self.service.mode, "asked": dict(self.service.asked)}

    def send_json(self, status: int, content: object) -> None:
        body = b"" if content is None else json.dumps(content).encode()
        self.send_body(status, body, "application/json")

    def send_body(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """Threads that do not keep the process alive, and quiet about clients that left."""

    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def build_service(options: argparse.Namespace) -> Service:
    """Return the service that the options describe; leave with a sentence where they are wrong."""
    slots = read_slots(options.trace)
    wanted = parse_time(options.start) if options.start else slots[0].start
    first = next((i for i, slot in enumerate(slots) if slot.start >= wanted), None)
    if first is None:
        raise SystemExit(f"{options.trace} ends before --start {options.start}")
    step = (slots[1].start - slots[0].start).total_seconds()
    slot_seconds = options.slot_seconds or step
    epoch = options.epoch if options.epoch is not None else time.time()
    # Slots lie on multiples of their length, as those of real services do.
    epoch -= epoch % slot_seconds
    if first < 14 * 86400 / step:
        print(f"note: only {first} slots of history before --start", file=sys.stderr)
    return Service(Replay(slots, first, epoch, slot_seconds), options.zone, options.token)


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(
        description="Replay a carbon-intensity trace as a grid-data service (a stand-in).",
        epilog="example: server.py --trace DE.csv --zone DE --start 2021-07-20T06:00Z "
        "--slot-seconds 10 --token secret --port 8100",
    )
    parser.add_argument("--trace", type=Path, required=True, help="CSV file")
    parser.add_argument("--zone", required=True)
    parser.add_argument("--start", help="trace time that is now (default: the trace's first row)")
    parser.add_argument("--slot-seconds", type=float, help="default: the trace's own step")
    parser.add_argument("--epoch", type=float, help="Unix time at which --start is (default: now)")
    parser.add_argument("--token", help="auth-token to require (default: LOWTIDE_STANDIN_TOKEN)")
    parser.add_argument("--bind", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8100, help="0: any free one")
    parser.add_argument("--pid-file", type=Path)
    parser.add_argument("--slow-seconds", type=float, default=60.0, help="pause in mode slow")
    options = parser.parse_args(arguments)
    options.token = options.token or os.environ.get("LOWTIDE_STANDIN_TOKEN") or None
    if options.slot_seconds is not None and not options.slot_seconds > 0:
        parser.error("--slot-seconds must be above 0")
    return options


def main() -> None:
    """Serve until SIGTERM or SIGINT; the first line on stdout tells the URL as JSON."""
    options = parse_options()
    stopping = threading.Event()
    handler = type(
        "BoundHandler",
        (Handler,),
        {
            "service": build_service(options),
            "slow_seconds": options.slow_seconds,
            "stopping": stopping,
        },
    )
    server = Server((options.bind, options.port), handler)

    def stop(*_: object) -> None:
        stopping.set()
        threading.Thread(target=server.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    if options.pid_file:
        options.pid_file.write_text(f"{os.getpid()}\n", encoding="utf-8")
    host, port = server.server_address[:2]
    print(json.dumps({"url": f"http://{host}:{port}", "pid": os.getpid()}), flush=True)
    try:
        server.serve_forever(poll_interval=0.1)
    finally:
        server.server_close()
        if options.pid_file:
            options.pid_file.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
