"""The made-up node of --demo."""

import pytest

from lowtide.meters.calls import CallLog
from lowtide_exporter.books.ledger import NodeLedger
from lowtide_exporter.demo import DemoNode
from lowtide_exporter.loop import ExporterLoop, LoopParts, NodeSources


@pytest.mark.slow
def test_half_an_hour_of_the_demo_is_believable_and_conserves_energy():
    """Pods come, work, end and are retired; GPUs stay between floor and limit; all says mock."""
    clock, node, ledger = [10_000.0], DemoNode(1_700_000_000.0), NodeLedger()
    loop = ExporterLoop(
        LoopParts(
            ledger=ledger,
            sources=NodeSources(
                meters=node,
                owners=node,
                pods=node,
            ),
            calls=CallLog(),
            period_seconds=1.0,
            mapping_period_seconds=0.0,
            monotonic=lambda: clock[0],
            unix=lambda: 1_700_000_000.0 + clock[0],
        )
    )
    watts = []
    for _ in range(600):
        clock[0] += 3.0
        loop.tick()
        watts += [gpu.reading.power_watts for gpu in ledger.gpus.values()]

    assert ledger.residual_millijoules() == 0
    assert ledger.pods.retired_millijoules["gpu"] > 0
    assert len(ledger.pods.living) >= 1
    assert 70 <= min(watts) < 80
    assert 450 < max(watts) < 700
    assert all(gpu.identity.is_mock for gpu in ledger.gpus.values())
