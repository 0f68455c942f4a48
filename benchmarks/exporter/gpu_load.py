"""Load a GPU in a rhythm with PyTorch, for `lowtide-exporter measure-hardware --load`.

Arguments: PERIOD_MS DUTY SHIFT_MS. Bursts begin at multiples of the period of the monotonic
clock, plus the shift. Prints `ready`, works until SIGTERM, then prints what it did as JSON.
"""

import json
import signal
import sys
import time

import torch


def main() -> None:
    """Multiply matrices in bursts."""
    period, duty, shift = float(sys.argv[1]) / 1e3, float(sys.argv[2]), float(sys.argv[3]) / 1e3
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    left = torch.randn(2048, 2048, device="cuda", dtype=torch.bfloat16)
    right = torch.randn(2048, 2048, device="cuda", dtype=torch.bfloat16)
    for _ in range(20):
        torch.mm(left, right)
    torch.cuda.synchronize()
    print("ready", flush=True)
    iterations, began = 0, time.monotonic()
    while not stopped:
        now = time.monotonic() - shift
        burst_end = (now // period + duty) * period
        while duty and now < burst_end and not stopped:
            for _ in range(8):  # about 0.2 ms of work: edges stay sharp
                torch.mm(left, right)
            torch.cuda.synchronize()
            iterations += 8
            now = time.monotonic() - shift
        if duty < 1:
            next_start = (now // period + 1) * period if duty else now + 0.1
            time.sleep(max(0.0, next_start - (time.monotonic() - shift)))
    seconds = time.monotonic() - began
    print(json.dumps({"iterations": iterations, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
