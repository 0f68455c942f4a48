"""Whatever number a driver gives for whatever it is asked, the books stay whole.

Each seed is a driver that answers garbage for a seventh of its fields: blanks, signs, sizes that no
GPU has. What it says truly meanwhile is 300 W.
"""

import json
import math
import random

import pytest

from lowtide.meters.readings import GpuIdentity, GpuReading
from lowtide_exporter.books.ledger import NodeLedger
from lowtide_exporter.books.state_file import dump_ledger, load_ledger
from lowtide_exporter.page.snapshot import LoopStatus, take_snapshot
from lowtide_exporter.readings import Allocation, PodRecord, TickReadings

GARBAGE = (
    *(math.nan, math.inf, -math.inf, -1.0, -0.0, 0.0, 1e308, 1e-320, 2.0**47, None),
    *(5000.0, 0, -1, 2**32 - 1, 2**63, 2**64 - 1, 2**70),
)
FIELDS = ("counter_millijoules", "average_watts", "instant_watts", "limit_watts", "limit_max_watts")
IDENTITY = GpuIdentity(
    uuid="GPU-0",
    index=0,
    model="H100 (mock)",
    architecture="hopper",
    driver="mock",
    is_mock=True,
    multiprocessors=132,
)
UNIX = 1_800_000_000.0
WATTS, LIMIT_WATTS = 300.0, 700.0


@pytest.mark.parametrize("seed", range(30))
def test_garbage_in_any_field_costs_no_sum_and_no_page(seed):
    """Residual 0, only finite numbers, nothing falls, no more than the truth, and it is saved."""
    dice, ledger = random.Random(seed), NodeLedger(expects_uids=True)
    seconds, highest = 0.0, {}
    for _ in range(80):
        seconds += dice.choice((1.0, 1.1, 0.0, 8.0, 1.0, 1.0))
        told = {
            "counter_millijoules": 10**9 + int(1000 * WATTS * seconds),
            "average_watts": WATTS,
            "instant_watts": WATTS,
            "limit_watts": LIMIT_WATTS,
            "error": "lost" if dice.random() < 0.05 else None,
        }
        told |= {field: dice.choice(GARBAGE) for field in FIELDS if dice.random() < 0.15}
        ledger.apply(
            TickReadings(
                monotonic_seconds=1000 + seconds,
                unix_seconds=UNIX + seconds,
                gpus=(GpuReading(identity=IDENTITY, **told),),
                allocations=(Allocation("ml", "p", "c", ("GPU-0",)),),
                pods=(PodRecord(namespace="ml", name="p", uid="u", started_at=UNIX),),
            )
        )
        assert ledger.residual_millijoules() == 0, seed
        samples = take_snapshot(ledger, LoopStatus()).samples
        for name, rows in samples.items():
            for labels, value in rows:
                assert math.isfinite(value), (seed, name, labels)
                if name == "lowtide_gpu_energy_joules_total":
                    assert value >= highest.get(labels, 0.0), (seed, name, labels)
                    highest[labels] = value

    assert max(highest.values()) <= WATTS * seconds
    saved = json.dumps(dump_ledger(ledger), allow_nan=False)
    load_ledger(json.loads(saved), NodeLedger(expects_uids=True))
