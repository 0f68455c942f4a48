"""One training that is interrupted at random moments until it ends, and the promises it must keep.

After a pause every process leaves with 75 and all batches that were done are saved. After a kill,
and after the loss of one rank of two, nothing before the last checkpoint is done again, and the
rank that is left leaves with 75. At the end the weights are those of an undisturbed training, bit
for bit, every sample counted once, and only the first rank has a report and checkpoints.
"""

import json
import os
import random
import re
import signal
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import attempts
from trainings import BATCH, EPOCHS, RANKS, SAMPLES, SAMPLES_OF

from lowtide_trainer.callbacks.huggingface import newest_checkpoint

MOST_INTERRUPTIONS = 5
MOST_ATTEMPTS = 8
PAUSE, KILL, LOSS = "pauses", "kills", "losses"


@dataclass
class Tally:
    """What happened in trials: interruptions by kind, and broken promises by their sentence."""

    interruptions: Counter = field(default_factory=Counter)
    faults: Counter = field(default_factory=Counter)

    def add(self, other):
        """Add another trial's tally."""
        self.interruptions += other.interruptions
        self.faults += other.faults


class Trial:
    """Interruptions of one training of a kind, chosen by a seed."""

    def __init__(self, kind, seed, expected, folder):
        self.tally = Tally()
        self._kind = kind
        self._ranks = RANKS if kind in ("ddp", "pods", "hugging-face-ddp") else 1
        self._samples = SAMPLES_OF.get(kind, SAMPLES)
        self._is_alone = kind.endswith("-alone")
        self._expected = expected
        self._folder = folder
        self._generator = random.Random(seed)
        self._total = EPOCHS * -(-self._samples // (BATCH * self._ranks))
        self._position = 0

    def run(self):
        """Run attempts until one is not interrupted, and return what happened."""
        for number in range(MOST_ATTEMPTS):
            wish = None if number >= MOST_INTERRUPTIONS else self._choose()
            # A rank that is not listening yet dies and leaves the other waiting for it.
            least = int(self._ranks > 1)
            after = self._generator.randint(least, max(1, self._total - self._position))
            seconds = self._generator.choice([0.0, 1e9])
            statuses, done = attempt(
                self._kind, self._folder, wish, after, seconds, self._generator
            )
            if wish is not None:
                self.tally.interruptions[wish] += 1
            # Lightning alone also leaves with 0 when it was told to stop.
            if set(statuses) == {0} and (place(self._folder) / "weights").exists():
                self._judge_end()
                return self.tally
            if self._position + done:
                self._judge_interruption(wish, statuses, done)
            self._position = saved_batches(self._folder)
        self._fault("the training never finished")
        return self.tally

    def _choose(self):
        kinds = [PAUSE, PAUSE, KILL] + [LOSS] * (self._ranks > 1)
        return self._generator.choice(kinds)

    def _judge_interruption(self, wish, statuses, done):
        found = set(statuses)
        saved, position = saved_batches(self._folder), self._position + done
        # Told to stop before it did anything or after its training had ended, it need not listen.
        may_be_deaf = done == 0 or saved == self._total
        is_deaf = may_be_deaf and found <= {0, -signal.SIGTERM}
        if wish == PAUSE and not is_deaf:
            if found != {75}:
                self._fault("a pause did not end with 75", statuses)
            if saved != position:
                self._fault("a pause lost batches", f"{position} done, {saved} saved")
            if not self._is_alone and self._report()["outcome"] != "Paused":
                self._fault("a pause is not reported as one")
        elif wish == KILL and found - {0, -signal.SIGKILL}:
            self._fault("an attempt failed by itself", statuses)
        elif wish == LOSS:
            self._judge_loss(statuses, saved)
        elif wish is None:
            self._fault("an attempt that was left alone failed", statuses)

    def _judge_loss(self, statuses, saved):
        """A rank that lost another leaves as paused; with a framework's loop, if it can resume."""
        found = set(statuses) - {0, -signal.SIGKILL}
        resumes = saved > 0 or self._kind != "hugging-face-ddp"
        if found - {75 if resumes else 1}:
            self._fault("a rank ended wrongly because another was lost", f"{statuses} at {saved}")

    def _judge_end(self):
        if (self._folder / "volume" / "weights").exists():
            self._fault("a pod wrote outside its volume")
        if (place(self._folder) / "weights").read_text() != self._expected:
            self._fault("the weights differ")
        if self._is_alone:
            return
        report = self._report()
        if (report["samples"], report["epochs"]) != (EPOCHS * self._samples, EPOCHS):
            self._fault("samples or epochs are counted wrongly", report)
        if self._kind == "pods":
            has_report = bool((self._folder / "report-1.json").read_bytes())
            if has_report or (self._folder / "volume-1" / "checkpoints").exists():
                self._fault("the second pod has a report or checkpoints too")

    def _report(self):
        name = "report-0.json" if self._kind == "pods" else "report.json"
        return json.loads((self._folder / name).read_text())

    def _fault(self, sentence, detail=""):
        self.tally.faults[sentence] += 1
        if not self._is_alone:
            print(f"{sentence}: {detail}", flush=True)


def attempt(kind, folder, wish, after, checkpoint_seconds, generator):
    """Run one attempt, interrupted after so many batches; return exit statuses and batches done."""
    reading, writing = os.pipe()
    children = attempts.start(kind, folder, writing, checkpoint_seconds=checkpoint_seconds)
    os.close(writing)
    done = 0
    while done < after and os.read(reading, 1):
        done += 1
    # The ranks may hear it in any order, and of a pause some may hear nothing.
    hearing = generator.sample(children, len(children))
    if wish == PAUSE:
        hearing = hearing[: generator.randint(1, len(children))]
    elif wish == LOSS:
        hearing = hearing[:1]
    for child in hearing if wish is not None else ():
        with suppress(ProcessLookupError):  # It ended by itself meanwhile.
            os.kill(child.pid, signal.SIGTERM if wish == PAUSE else signal.SIGKILL)
    while more := os.read(reading, 4096):
        done += len(more)
    os.close(reading)
    return [attempts.ended(child) for child in children], done


def place(folder):
    """Return where the first rank writes: the volume of its pod, where it has one."""
    volume = folder / "volume-0"
    return volume if volume.exists() else folder


def saved_batches(folder):
    """Return the batches in the newest complete checkpoint on the disk, 0 without one."""
    checkpoints = place(folder) / "checkpoints"
    if not checkpoints.is_dir():
        return 0
    # The Trainer of Hugging Face writes directories, of which a kill leaves incomplete ones.
    found = newest_checkpoint(checkpoints)
    names = [path.name for path in checkpoints.iterdir() if path.is_file()]
    names += [Path(found).name] if found else []
    numbers = [re.fullmatch(r"(?:.*[-=])?(\d+)(?:\.pt|\.ckpt)?", name) for name in names]
    return max((int(number[1]) for number in numbers if number), default=0)
