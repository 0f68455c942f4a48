"""Stand-in for `nvidia-smi` that prints what the stand-in driver says, as the real one would.

Only `--query-gpu=… --format=csv,noheader,nounits -l N` is known, with the fields below. Run with
LOWTIDE_MOCK_STATE, and with the library in LOWTIDE_MOCK_LIBRARY.
"""

import ctypes
import os
import sys
import time
from datetime import UTC, datetime
from typing import Any

import pynvml


def _power(handle: Any) -> str:
    try:
        return f"{pynvml.nvmlDeviceGetPowerUsage(handle) / 1000:.2f}"
    except pynvml.NVMLError:
        return "[N/A]"


FIELDS = {
    "timestamp": lambda _: datetime.now(UTC).strftime("%Y/%m/%d %H:%M:%S.%f")[:-3],
    "uuid": lambda handle: str(pynvml.nvmlDeviceGetUUID(handle)),
    "power.draw": _power,
}


def main(arguments: list[str]) -> int:
    """Print one line for each GPU and interval, for ever."""
    query, form, loop, seconds = arguments
    assert query.startswith("--query-gpu=")
    assert (form, loop, os.environ["TZ"]) == ("--format=csv,noheader,nounits", "-l", "UTC")
    wanted = query.removeprefix("--query-gpu=").split(",")
    pynvml.nvmlLib = ctypes.CDLL(os.environ["LOWTIDE_MOCK_LIBRARY"])
    pynvml.nvmlInit()
    while True:
        for index in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            print(", ".join(FIELDS[field](handle) for field in wanted), flush=True)
        time.sleep(float(seconds))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
