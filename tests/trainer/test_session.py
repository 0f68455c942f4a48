"""The run of a user's own loop, in this process; `test_pauses` has it paused and killed."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch
from standins.ports import free_port
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import lowtide_trainer
from lowtide.names import EXIT_CODE_PAUSED
from lowtide.trainingjob.report import TrainingOutcome, parse_report
from lowtide_trainer.errors import CheckpointError, CheckpointMismatchError, UsageError

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("one_thread")


class Pod:
    """The environment of a training pod, and the report that it leaves."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self.checkpoints = folder / "checkpoints"
        monkeypatch.setenv("LOWTIDE_REPORT_PATH", str(folder / "report"))
        monkeypatch.setenv("LOWTIDE_METRICS_PORT", "0")
        monkeypatch.setenv("LOWTIDE_CHECKPOINT_DIR", str(self.checkpoints))

    @property
    def report(self):
        return parse_report((self.folder / "report").read_text()).report


@pytest.fixture
def pod(tmp_path, monkeypatch):
    return Pod(tmp_path, monkeypatch)


def loader(samples=20, **options):
    return DataLoader(TensorDataset(torch.arange(samples)), batch_size=8, **options)


def interrupt():
    """Send this process what the kubelet sends; it is handled between two lines of Python."""
    os.kill(os.getpid(), signal.SIGTERM)


def test_three_lines_make_a_whole_report(pod):
    """20 samples in batches of 8 are three batches an epoch; the last one has 4."""
    with lowtide_trainer.run(model="mine", epochs=2, dataset="numbers") as run:
        for epoch in run.epochs():
            for _ in run.batches(loader(), tokens=lambda batch: 5):
                pass
            run.epoch(accuracy=torch.tensor(0.25 * (epoch + 1)), loss=1.5)

    report = pod.report
    assert report.outcome is TrainingOutcome.FINISHED
    assert (report.model, report.dataset) == ("mine", "numbers")
    assert (report.epochs, report.epochs_planned) == (2, 2)
    assert (report.samples, report.tokens) == (40, 30)
    assert (report.accuracy, report.loss) == (0.5, 1.5)
    assert [entry.accuracy for entry in report.history] == [0.25, 0.5]


def test_an_epoch_without_figures_counts_too(pod):
    """`run.epoch` is only needed for figures."""
    with lowtide_trainer.run(epochs=2) as run:
        for _ in run.epochs():
            for _ in run.batches(loader()):
                pass

    assert (pod.report.epochs, pod.report.samples, pod.report.accuracy) == (2, 40, None)


def test_a_loop_that_breaks_off_counts_what_it_finished(pod):
    """Early stopping: the epoch that was broken off does not count, nor the batch under way."""
    with lowtide_trainer.run(epochs=5) as run:
        for epoch in run.epochs():
            for number, _ in enumerate(run.batches(loader())):
                if epoch == 1 and number == 1:
                    break
            if epoch == 1:
                break
            run.epoch()

    assert (pod.report.epochs, pod.report.samples) == (1, 28)
    assert pod.report.outcome is TrainingOutcome.FINISHED


@pytest.mark.parametrize(
    ("batch", "samples"),
    [
        pytest.param(torch.zeros(8, 3), 8, id="a tensor"),
        pytest.param((torch.zeros(8, 3), torch.zeros(8)), 8, id="inputs and labels"),
        pytest.param({"input_ids": torch.zeros(4, 9)}, 4, id="a mapping"),
        pytest.param([[torch.zeros(2, 3)], 1], 2, id="nested"),
        pytest.param([1, 2, 3], 3, id="plain numbers"),
        pytest.param((4, [torch.zeros(8, 3), torch.zeros(8)]), 8, id="with its number"),
        pytest.param(["a", "b"], 2, id="texts"),
        pytest.param(torch.tensor(1.0), None, id="no dimension"),
        pytest.param(object(), None, id="anything else"),
    ],
)
def test_the_size_of_a_batch_is_read_from_what_it_holds(pod, batch, samples):
    """A size that cannot be told makes the count unknown, not wrong."""
    with lowtide_trainer.run(epochs=1) as run:
        for _ in run.epochs():
            for _ in run.batches([batch]):
                pass

    assert pod.report.samples == samples


def use_epochs(run):
    for _ in run.epochs():
        pass


def use_batches(run):
    for _ in run.batches(loader()):
        pass


@pytest.mark.parametrize("has_ended", [False, True], ids=["never opened", "ended"])
@pytest.mark.parametrize(
    "use",
    [use_epochs, use_batches, lambda run: run.epoch(loss=1.0), lambda run: run.pause()],
    ids=["epochs", "batches", "epoch", "pause"],
)
def test_a_run_that_is_not_open_is_refused_in_one_sentence(pod, use, has_ended):
    """Signals would not be heard, and no report would be written."""
    run = lowtide_trainer.run(epochs=1)
    if has_ended:
        with run:
            pass

    with pytest.raises(UsageError, match=r"^the run is not open: train within"):
        use(run)


def test_an_epoch_that_is_ended_twice_counts_once(pod, caplog):
    """First the loss and then the accuracy, in two calls: three epochs, not six."""
    net = nn.Linear(1, 1)
    with lowtide_trainer.run(epochs=3, state=[net]) as run:
        for epoch in run.epochs():
            for _ in run.batches(loader()):
                pass
            run.epoch(loss=0.5)
            run.epoch(accuracy=0.25 * (epoch + 1))

    assert (pod.report.epochs, pod.report.samples) == (3, 60)
    assert (pod.report.loss, pod.report.accuracy) == (0.5, 0.75)
    assert [entry.accuracy for entry in pod.report.history] == [0.25, 0.5, 0.75]
    assert caplog.messages == ["run.epoch was called again in one epoch, which counts once"]


def test_a_loop_of_ones_own_over_epochs_counts_each(pod):
    """Without `run.epochs` every call of `run.epoch` ends an epoch."""
    with lowtide_trainer.run(epochs=2) as run:
        for _ in range(2):
            for _ in run.batches(loader()):
                pass
            run.epoch(loss=0.5)

    assert (pod.report.epochs, pod.report.samples) == (2, 40)


def test_an_empty_data_set_is_named(pod, caplog):
    """A loop over nothing ends well and has trained nothing; that is worth a sentence."""
    with lowtide_trainer.run(epochs=2) as run:
        for _ in run.epochs():
            for _ in run.batches(loader(samples=4, drop_last=True)):
                pass

    assert [message.partition(",")[0] for message in caplog.messages] == [
        "the loader has no batches in epoch 0: its data set is empty"
    ]
    assert (pod.report.samples, pod.report.epochs) == (0, 2)


def test_a_function_that_cannot_count_a_batch_does_not_end_the_training(pod, caplog):
    """The total is unknown then, and the sentence names what to mend."""
    with lowtide_trainer.run(epochs=1) as run:
        for _ in run.epochs():
            for _ in run.batches(loader(), samples=lambda batch: batch["images"]):
                pass

    assert "a batch cannot be counted (TypeError: " in caplog.text
    assert (pod.report.outcome, pod.report.epochs) == (TrainingOutcome.FINISHED, 1)
    assert pod.report.samples is None


def test_a_training_of_no_epochs_has_not_finished_before(pod, capsys):
    """Nothing is told to be removed where nothing was saved."""
    with lowtide_trainer.run(epochs=0, state=[nn.Linear(1, 1)]) as run:
        assert list(run.epochs()) == []

    assert "already finished" not in capsys.readouterr().err


def paused_training(number_of_batches, *, accumulate=1, data=None):
    """Train a state and pause after so many batches; return the batches that were seen."""
    net = nn.Linear(1, 1)
    seen = []
    with lowtide_trainer.run(model="mine", epochs=3, state=[net]) as run:
        for epoch in run.epochs():
            for (batch,) in run.batches(data or loader(shuffle=True), accumulate=accumulate):
                seen.append((epoch, batch.tolist()))
                if len(seen) == number_of_batches:
                    interrupt()
    return seen


def test_a_pause_leaves_with_its_exit_code_after_saving(pod):
    """The batch under way is finished and counted."""
    with pytest.raises(SystemExit) as raised:
        paused_training(4)

    assert raised.value.code == EXIT_CODE_PAUSED
    assert pod.report.outcome is TrainingOutcome.PAUSED
    assert (pod.report.epochs, pod.report.samples) == (1, 28)
    assert pod.report.checkpoint.batches == 4
    assert pod.report.checkpoint.duration_seconds >= 0


def test_collecting_the_state_counts_as_saving(pod):
    """A pause takes as long as both, and the grace period must hold both."""

    class Slow:
        def state_dict(self):
            time.sleep(0.2)
            return {}

        def load_state_dict(self, state):
            pass

    with lowtide_trainer.run(epochs=1, state=[Slow()], checkpoint_seconds=0.0) as run:
        for _ in run.epochs():
            for _ in run.batches(loader()):
                pass

    assert pod.report.checkpoint.duration_seconds >= 0.2


def test_a_resumed_epoch_has_the_batches_that_were_left_in_their_order(pod):
    """Three epochs of three shuffled batches, paused after the fourth."""
    torch.manual_seed(5)
    whole = paused_training(0)
    for path in pod.checkpoints.iterdir():
        path.unlink()
    torch.manual_seed(5)
    with pytest.raises(SystemExit):
        paused_training(4)
    torch.manual_seed(99)
    rest = paused_training(0)

    assert len(whole) == 9
    assert rest == whole[4:]
    assert pod.report.samples == 60
    assert pod.report.resumed_samples == 28


class Stream(IterableDataset):
    def __iter__(self):
        return iter(torch.arange(20))


def test_a_stream_goes_on_where_it_was_left(pod):
    """A stream has no places to skip to: what was trained on is read and dropped."""
    stream = DataLoader(Stream(), batch_size=8)
    pairs = [(batch,) for batch in stream]
    with pytest.raises(SystemExit):
        paused_training(2, data=pairs)

    rest = paused_training(0, data=pairs)

    assert [batch for _, batch in rest[:1]] == [[16, 17, 18, 19]]
    assert len(rest) == 7


def test_with_accumulated_gradients_a_pause_waits_for_the_step(pod):
    """Gradients are not part of a checkpoint: two batches make a step, so the third is finished."""
    with pytest.raises(SystemExit):
        paused_training(1, accumulate=2)

    assert pod.report.checkpoint.batches == 2


def test_a_stop_without_a_state_says_what_is_lost(pod):
    """The code of a process that SIGTERM ended: not a failure, but nothing was saved."""

    def train():
        with lowtide_trainer.run(epochs=2) as run:
            for _ in run.epochs():
                for _ in run.batches(loader()):
                    interrupt()

    with pytest.raises(SystemExit) as raised:
        train()

    assert raised.value.code == 143
    assert pod.report.outcome is TrainingOutcome.FAILED
    assert "give state= to be able to pause" in pod.report.error


def test_a_checkpoint_of_another_model_is_refused_in_one_sentence(pod):
    """The sentence has both models and what to do."""
    with pytest.raises(SystemExit):
        paused_training(1)

    with (
        pytest.raises(CheckpointMismatchError) as raised,
        lowtide_trainer.run(state=[nn.Linear(2, 1)]),
    ):
        pass

    assert str(raised.value) == (
        "the checkpoint belongs to another training: its state 0 is Linear with 2 parameters, here "
        "it is Linear with 3 parameters; give each training its own checkpoint directory"
    )
    assert pod.report.outcome is TrainingOutcome.FAILED


def test_a_checkpoint_of_another_program_is_refused(pod):
    """The reference trainer's own checkpoints have another content."""
    from lowtide_trainer.checkpoint import CheckpointStore

    CheckpointStore(pod.checkpoints).save({"training": {}}, batches=1)

    with (
        pytest.raises(CheckpointError, match="belong to another program"),
        lowtide_trainer.run(state=[nn.Linear(1, 1)]),
    ):
        pass


def test_an_object_without_a_state_is_refused_at_the_start(pod):
    """The error comes before hours of training that could not be paused."""
    with pytest.raises(UsageError, match="state 0 is a list, which has no state_dict"):
        lowtide_trainer.run(state=[[1, 2]]).__enter__()


def test_a_full_disk_does_not_end_a_training(pod, monkeypatch, caplog):
    """The checkpoint is a warning; the figures go on."""

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    net = nn.Linear(1, 1)
    with lowtide_trainer.run(epochs=1, state=[net], checkpoint_seconds=0.0) as run:
        for _ in run.epochs():
            for _ in run.batches(loader()):
                pass

    assert "No space left on device; training continues" in caplog.text
    assert (pod.report.samples, pod.report.outcome) == (20, TrainingOutcome.FINISHED)


def test_without_a_directory_checkpoints_go_to_the_working_directory_until_the_end(
    pod, monkeypatch, tmp_path
):
    """A training that finished must not be taken for one to be resumed."""
    monkeypatch.delenv("LOWTIDE_CHECKPOINT_DIR")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        paused_training(2)
    folder = tmp_path / "lowtide-checkpoints" / "mine"

    assert [path.name for path in folder.iterdir()] == ["checkpoint-0000000002.pt"]
    paused_training(0)
    assert not folder.parent.exists()


def test_a_finished_training_says_so_when_it_is_started_again(pod, capsys):
    """Its loop has nothing left to do; the line says why, and what to do to train anew."""
    paused_training(0)

    assert paused_training(0) == []
    assert "already finished its 3 epochs: remove" in capsys.readouterr().err


def test_a_shared_generator_of_the_loader_is_resumed_too(pod):
    """Its order comes from a generator of its own, which is not the program's."""

    def generator():
        return torch.Generator().manual_seed(3)

    whole = paused_training(0, data=loader(shuffle=True, generator=generator()))
    for path in pod.checkpoints.iterdir():
        path.unlink()
    with pytest.raises(SystemExit):
        paused_training(4, data=loader(shuffle=True, generator=generator()))

    assert paused_training(0, data=loader(shuffle=True, generator=generator())) == whole[4:]


BARE = textwrap.dedent(
    """
    import sys
    import lowtide_trainer
    with lowtide_trainer.run(model="mine", epochs=1) as run:
        for _ in run.epochs():
            for _ in run.batches([[1, 2]] * 3):
                pass
            run.epoch(accuracy=0.5)
    heavy = {"torch", "numpy", "pydantic", "prometheus_client"}
    print(sorted(heavy & {name.split(".")[0] for name in sys.modules}))
    """
)


START = """
import sys
before = set(sys.modules)
import lowtide_trainer
with lowtide_trainer.run(model="mine", epochs=3, seed=1):
    print(*sorted(set(sys.modules) - before))
"""
STANDARD_MODULES_OF_A_START = {
    "__future__",
    "_socket",
    "itertools",
    "select",
    "time",
}
"""What import and start of a run may load of the standard library, beside what any Python has.

Ten times as many modules would be loaded by `logging`, `json`, `pathlib`, `datetime`, `enum` or
`threading`, and a start would take 50 ms and 6 MB; they come with the first epoch or the first
client. benchmarks/trainer/overhead.py measures it."""


@pytest.mark.parametrize("port", ["0", None], ids=["without a port", "as in a pod"])
def test_a_start_loads_next_to_nothing_of_the_standard_library(tmp_path, port):
    """As in a pod: the report has a file, and the pages have a port."""
    port = port or str(free_port("0.0.0.0"))
    environment = {"LOWTIDE_REPORT_PATH": str(tmp_path / "report"), "LOWTIDE_METRICS_PORT": port}
    done = subprocess.run(
        [sys.executable, "-c", START],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    loaded = done.stdout.split()
    others = {name for name in loaded if not name.startswith("lowtide")}
    allowed = STANDARD_MODULES_OF_A_START - ({"_socket", "select"} if port == "0" else set())
    assert others <= allowed
    assert "lowtide.trainingjob.report" not in loaded
    assert parse_report((tmp_path / "report").read_text()).report.model == "mine"


def test_reporting_needs_the_standard_library_only(tmp_path):
    """No site-packages at all: `-S` leaves them out, and the two packages stand on the path."""
    result = subprocess.run(
        [sys.executable, "-S", "-c", BARE],
        env={
            "PYTHONPATH": f"{ROOT}:{ROOT / 'trainer'}",
            "LOWTIDE_REPORT_PATH": str(tmp_path / "report"),
            "PATH": os.environ["PATH"],
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert (result.returncode, result.stdout) == (0, "[]\n"), result.stderr
    assert json.loads((tmp_path / "report").read_text())["samples"] == 6


def test_importing_the_package_loads_no_module_beside_it():
    """A program that only might report starts as fast as without Lowtide."""
    program = (
        "import sys\nbefore = set(sys.modules)\nimport lowtide_trainer\n"
        "print(*sorted(set(sys.modules) - before))\n"
        "print(*dir(lowtide_trainer))\nprint(lowtide_trainer.run.__module__)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    loaded, names, module = result.stdout.splitlines()
    assert set(loaded.split()) <= {"__future__", "lowtide_trainer"}
    assert set(lowtide_trainer.__all__) <= set(names.split())
    assert module == "lowtide_trainer.session"
