"""Stand-in for the head of a Ray cluster: the few calls of its job API that KubeRay makes.

It runs no Ray. A job is submitted with an entrypoint of two words, `succeed 20` or `fail 5`: what
it becomes, and after how many seconds. Needs nothing but Python, so that it can be the command of
a pod; SIGTERM ends it after a moment, as it would a head that puts things in order.
"""

import json
import os
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PORT = 8265
ENDS = {"succeed": "SUCCEEDED", "fail": "FAILED"}
STOP_SECONDS = 2
JOBS: dict[str, dict[str, Any]] = {}


def job_now(job: dict[str, Any], now: float) -> dict[str, Any]:
    """Return what the API says of a job at a time in Unix seconds."""
    word, seconds = job["entrypoint"].split()
    end = job["start_time"] + 1000 * int(seconds)
    if 1000 * now < end:
        return {**job, "status": "RUNNING", "message": "runs"}
    return {**job, "status": ENDS[word], "message": f"told to {word}", "end_time": end}


class Dashboard(BaseHTTPRequestHandler):
    """The job API: submit, look, stop."""

    def do_GET(self) -> None:
        """Answer what a job has become."""
        known = JOBS.get(self.path.rpartition("/")[2])
        if known is not None:
            self._answer(job_now(known, time.time()))
        else:
            self._answer({}, status=404)

    def do_POST(self) -> None:
        """Take a job, or stop one."""
        length = int(self.headers.get("Content-Length") or 0)
        said = json.loads(self.rfile.read(length) or b"{}")
        if self.path.endswith("/stop"):
            self._answer({"stopped": True})
            return
        name = said["submission_id"]
        JOBS[name] = {
            "job_id": None,
            "submission_id": name,
            "entrypoint": said["entrypoint"],
            "start_time": int(1000 * time.time()),
        }
        self._answer({"job_id": name, "submission_id": name})

    def do_DELETE(self) -> None:
        """Forget a job."""
        self._answer({})

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""

    def _answer(self, body: dict[str, Any], *, status: int = 200) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def stop(*_: object) -> None:
    """End soon."""
    threading.Timer(STOP_SECONDS, os._exit, (0,)).start()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    ThreadingHTTPServer(("", PORT), Dashboard).serve_forever()
