from pathlib import Path

import pytest

from lowtide.trainingjob.report import TrainingOutcome, TrainingReport, parse_report
from lowtide_trainer.errors import UsageError
from lowtide_trainer.report import metrics_port, report_training, report_writer
from lowtide_trainer.settings import MODELS, parse_settings
from lowtide_trainer.threads import usable_cores


def test_a_model_is_all_that_must_be_given():
    """Everything else has a default."""
    settings = parse_settings(["train", "--model", "densenet121"], {})

    assert (settings.model, settings.data, settings.epochs) == ("densenet121", "digits", 4)
    assert settings.checkpoint_dir is None
    assert settings.metrics_port == 9401


def test_every_flag_may_come_from_the_environment():
    """A TrainingJob sets variables and leaves the arguments alone."""
    settings = parse_settings(
        ["train"],
        {
            "LOWTIDE_MODEL": "tiny",
            "LOWTIDE_EPOCHS": "7",
            "LOWTIDE_BATCH_SIZE": "32",
            "LOWTIDE_CHECKPOINT_DIR": "/checkpoints",
            "LOWTIDE_REPORT_PATH": "/report",
            "LOWTIDE_METRICS_PORT": "0",
            "LOWTIDE_SAMPLES": "",
        },
    )

    assert (settings.model, settings.epochs, settings.batch_size) == ("tiny", 7, 32)
    assert settings.checkpoint_dir == Path("/checkpoints")
    assert settings.report_path == Path("/report")
    assert settings.metrics_port == 0
    assert settings.samples is None


def test_a_flag_wins_over_the_environment():
    """The command line is taken at its word."""
    arguments = ["train", "--epochs", "2", "--report-path", "/mine", "--metrics-port", "9000"]
    environment = {
        "LOWTIDE_MODEL": "tiny",
        "LOWTIDE_EPOCHS": "7",
        "LOWTIDE_REPORT_PATH": "/other",
        "LOWTIDE_METRICS_PORT": "1",
    }

    settings = parse_settings(arguments, environment)

    assert settings.epochs == 2
    assert settings.report_path == Path("/mine")
    assert settings.metrics_port == 9000


@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        pytest.param([], {}, "required: COMMAND", id="no command"),
        pytest.param(["train"], {}, "required: --model", id="no model"),
        pytest.param(
            ["train", "--model", "resnet"],
            {},
            "'resnet' is unknown: choose one of inceptionv3, densenet121, densenet169, vgg19",
            id="unknown model",
        ),
        pytest.param(
            ["train"], {"LOWTIDE_MODEL": "resnet"}, "LOWTIDE_MODEL: 'resnet'", id="in variable"
        ),
        pytest.param(
            ["train", "--model", "tiny", "--epochs", "0"], {}, "'0' is not", id="no epochs"
        ),
        pytest.param(
            ["train", "--model", "tiny", "--epochs", "two"], {}, "give 1 or more", id="no number"
        ),
        pytest.param(
            ["train", "--model", "tiny", "--learning-rate", "inf"], {}, "above 0", id="infinite"
        ),
        pytest.param(["train", "--model", "tiny", "--speed", "9"], {}, "--speed", id="unknown"),
        pytest.param(
            ["train", "--model", "tiny"],
            {"LOWTIDE_METRICS_PORT": "99999"},
            "'99999' is not a port",
            id="port out of range",
        ),
    ],
)
def test_wrong_use_is_said_in_one_sentence(arguments, environment, sentence):
    """The sentence says what was wrong and what would be right."""
    with pytest.raises(UsageError) as raised:
        parse_settings(arguments, environment)

    assert sentence in str(raised.value)


def test_help_shows_an_example(capsys):
    """A newcomer copies the first example."""
    with pytest.raises(SystemExit) as raised:
        parse_settings(["train", "--help"], {})

    assert raised.value.code == 0
    assert "lowtide-trainer train --model densenet121" in capsys.readouterr().out


def test_a_service_called_lowtide_metrics_does_not_break_the_port():
    """The kubelet sets a variable of the same name for such a service."""
    assert metrics_port({"LOWTIDE_METRICS_PORT": "tcp://10.96.0.7:9401"}) == 9401


def test_a_training_started_by_hand_reports_into_a_file_and_says_where(
    monkeypatch, tmp_path, capsys
):
    """Without a kubelet there is no termination message; nothing is written to /dev."""
    monkeypatch.setattr("lowtide_trainer.report.DEFAULT_REPORT_PATH", "/nonexistent/message")
    monkeypatch.delenv("LOWTIDE_REPORT_PATH", raising=False)
    monkeypatch.setenv("LOWTIDE_METRICS_PORT", "0")
    monkeypatch.chdir(tmp_path)

    with report_training(model="mine"):
        pass

    path = tmp_path / "lowtide-report.json"
    assert parse_report(path.read_text()).report.outcome is TrainingOutcome.FINISHED
    assert capsys.readouterr().err == f"lowtide: the report of this training is {path}\n"


def test_a_wrong_port_disables_metrics_and_not_the_training(monkeypatch, tmp_path, caplog):
    """Reporting never stops a training."""
    monkeypatch.setenv("LOWTIDE_REPORT_PATH", str(tmp_path / "report"))
    monkeypatch.setenv("LOWTIDE_METRICS_PORT", "lots")

    with report_training(model="mine") as reporter:
        reporter.batch_ended(samples=1)

    assert parse_report((tmp_path / "report").read_text()).report.samples == 1
    assert "LOWTIDE_METRICS_PORT='lots' is not a port" in caplog.text


def test_a_report_replaces_the_one_before(tmp_path):
    """A shorter report leaves nothing of a longer one behind, in the same file."""
    path = tmp_path / "termination-log"
    path.touch()
    inode = path.stat().st_ino
    write = report_writer(path)

    write(TrainingReport(error="a long story"))
    write(TrainingReport(epochs=1))

    assert parse_report(path.read_text()).report == TrainingReport(epochs=1)
    assert path.stat().st_ino == inode


def test_a_loop_of_ones_own_reports_by_the_environment(tmp_path, monkeypatch):
    """The pod's variables say where the report goes."""
    path = tmp_path / "message"
    monkeypatch.setenv("LOWTIDE_REPORT_PATH", str(path))
    monkeypatch.setenv("LOWTIDE_METRICS_PORT", "0")

    with report_training(model="mine") as reporter:
        reporter.epoch_ended(accuracy=0.5)

    report = parse_report(path.read_text()).report
    assert (report.model, report.outcome, report.accuracy) == (
        "mine",
        TrainingOutcome.FINISHED,
        0.5,
    )


def test_threads_follow_the_cpu_limit_of_cgroup_v2(tmp_path):
    """Half a core more than one is two threads, and never more than the machine has."""
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert usable_cores(tmp_path) == 1

    (tmp_path / "cpu.max").write_text("max 100000\n")
    unlimited = usable_cores(tmp_path)
    (tmp_path / "cpu.max").write_text("100000000 100000\n")
    assert usable_cores(tmp_path) == unlimited


@pytest.mark.parametrize("controller", ["cpu", "cpu,cpuacct"])
def test_threads_follow_the_cpu_limit_of_cgroup_v1(tmp_path, controller):
    """A quota of minus one means no limit; without any file all cores are used."""
    unlimited = usable_cores(tmp_path)
    (tmp_path / controller).mkdir()
    (tmp_path / controller / "cpu.cfs_period_us").write_text("100000")
    (tmp_path / controller / "cpu.cfs_quota_us").write_text("100000")
    assert usable_cores(tmp_path) == 1

    (tmp_path / controller / "cpu.cfs_quota_us").write_text("-1")
    assert usable_cores(tmp_path) == unlimited


def test_the_known_models_are_the_ones_that_can_be_built():
    """Names are checked before torch is imported, from a list of their own."""
    from lowtide_trainer.workloads.models import WORKLOADS

    assert tuple(WORKLOADS) == MODELS
