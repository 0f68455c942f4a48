"""The reference training in two processes: their gradients are one, and so are stop and report."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

# Two processes that import torch.
pytestmark = [pytest.mark.slow, pytest.mark.beside_cluster]

PROGRAM = textwrap.dedent(
    """
    import json
    import os
    import sys
    from pathlib import Path

    import torch

    from lowtide_trainer.assembly import assemble
    from lowtide_trainer.reporter import Reporter
    from lowtide_trainer.settings import parse_settings
    from lowtide_trainer.workloads import language
    from lowtide_trainer.workloads.processes import Processes, open_processes

    folder = Path(sys.argv[1])
    rank = int(os.environ["RANK"])


    def begin(processes, *extra, stop_after=None):
        '''Return a training whose second process alone is told to stop, before some batch.'''
        asked = []

        def is_stopped():
            asked.append(1)
            return stop_after is not None and rank == 1 and len(asked) > stop_after

        settings = parse_settings(
            ["train", "--epochs", "2", "--threads", "1", "--recipe", "sgd", "--batch-size", "16",
             "--validation-samples", "33", "--samples", "45", *extra], {})
        reporter = Reporter(write=lambda report: None)
        loop = assemble(settings, reporter, is_stopped=is_stopped, say=lambda line: None,
                        processes=processes)
        return loop, reporter


    def weights(loop):
        return torch.cat([part.detach().flatten() for part in loop.training._network.parameters()])


    with open_processes(os.environ) as both:
        language.DROPOUT = 0.0  # drawn by each process for itself
        text = ("--model", "transformer", "--data", "synthetic", "--image-size", "8")
        together, reporter = begin(both, *text)
        start = weights(together)
        together.run()
        found = {"samples": reporter.report().samples, "tokens": reporter.report().tokens}
        alone, reporter = begin(Processes(), *text)
        alone.run()
        found["difference"] = (weights(together) - weights(alone)).norm().item()
        found["way"] = (weights(alone) - start).norm().item()

        images = ("--model", "tiny", "--augment", "crop-mirror", "--accumulate", "2")
        undisturbed, reporter = begin(both, *images)
        undisturbed.run()
        saved = (*images, "--checkpoint-dir", str(folder / "checkpoints"))
        paused, _ = begin(both, *saved, stop_after=2)
        found["finished"] = [paused.run()]
        found["batches"] = paused.training.batches_done
        resumed, last = begin(both, *saved)
        found["resumed at"] = resumed.training.batches_done
        found["finished"].append(resumed.run())
        ends = (undisturbed, resumed)
        found["digests"] = [loop.training.weights_digest() for loop in ends]
        found["same loss"] = last.report().loss == reporter.report().loss
        found["accuracies"] = [last.report().accuracy, reporter.report().accuracy]
        (folder / f"found-{rank}.json").write_text(json.dumps(found))
    """
)


def test_two_processes_train_as_one_and_pause_together(tmp_path):
    """Gradients add up to those of one process; one that is told to stop stops both, exactly."""
    program = tmp_path / "train.py"
    program.write_text(PROGRAM)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2",
               "--standalone", str(program), str(tmp_path)]  # fmt: skip
    result = subprocess.run(
        command,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    first, second = (json.loads((tmp_path / f"found-{rank}.json").read_text()) for rank in (0, 1))

    # 45 sequences of 8 tokens in two epochs: batches of 16, 16 and 13.
    assert (first["samples"], first["tokens"]) == (2 * 45, 2 * 45 * 8)
    # Sums in another order; gradients of half the samples go another way from the first digit on.
    assert first["way"] > 0
    assert first["difference"] < 1e-3 * first["way"]
    # The second process was asked before the first two batches and said stop before the third.
    assert first["batches"] == second["batches"] == 2
    assert first["resumed at"] == second["resumed at"] == 2
    assert first["finished"] == second["finished"] == [False, True]
    assert first["digests"][0] == first["digests"][1]
    assert first["same loss"]
    assert first["accuracies"][0] == first["accuracies"][1] == second["accuracies"][0]
