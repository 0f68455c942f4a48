"""Letters, ranges and epochs in the status of an ended job, against figures worked out by hand."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lowtide.accounts.figures import Measurement
from lowtide.accounts.references import References
from lowtide.accounts.samples import PodSamples
from lowtide.accounts.settings import RatingSettings
from lowtide.accounts.settlement import Ledger, settle
from lowtide.cli.main import main
from lowtide.energy.samples import Series, StoredSample
from lowtide.grid.series import AverageSeries, Point
from lowtide.trainingjob.models import parse_spec
from lowtide.trainingjob.status import (
    Attempt,
    AttemptPod,
    EfficiencyStatus,
    EpochEntry,
    SciStatus,
    TrainingJobStatus,
    TrainingStatus,
)
from lowtide.trainingjob.training import training_status
from lowtide_operator.settings import OperatorSettings

START = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
END = START + timedelta(hours=1)
EMBODIED = {"A100": {"gramsPerGpu": "126144000", "source": "test"}}
"""As many grams as the life has seconds: a gram a second, 3600 g in an hour."""

TEAM_SET: dict[str, Any] = {
    "name": "team digits",
    "task": "training",
    "dataset": "Digits",
    "environment": "A100-SXM4 x1 - torch 2.9",
    "reference": "baseline",
    "values": {"training_energy": 2.0, "accuracy_top1": 0.8},
    "boundaries": {
        "training_energy": [1.5, 1.2, 0.9, 0.5],
        "accuracy_top1": [1.1, 1.0, 0.9, 0.8],
    },
    "weights": {"training_energy": "0.7", "accuracy_top1": "0.8"},
    "rows": 12,
    "source": "invented",
}

Run = Callable[..., Measurement]


def samples(*, quality: str = "counter") -> PodSamples:
    """Return an hour of one pod at a constant 1000 W on one GPU, one sample every ten minutes."""
    begin = START.timestamp()
    times = [begin + 600 * k for k in range(1, 7)]
    labels = {"namespace": "ml", "pod": "net-1-a", "pod_uid": "a"}
    parts = {"component": "gpu", "part": "active", "method": "exclusive", "quality": quality}
    energy = tuple(StoredSample(t, 6e5 * k) for k, t in enumerate(times, 1))
    held = tuple(StoredSample(t, t - begin) for t in times)
    return PodSamples(
        energy=(Series({**labels, "container": "c", **parts}, energy),),
        segment_start=(Series(labels, tuple(StoredSample(t, begin) for t in times)),),
        end_marker=(Series(labels, (StoredSample(times[-1], times[-1]),)),),
        held=(Series({**labels, "model": "A100-SXM4"}, held),),
        share=(Series({**labels, "uuid": "GPU-1"}, tuple(StoredSample(t, 1.0) for t in times)),),
    )


def report(**more: Any) -> TrainingStatus:
    """Return a report of two epochs of half an hour, .5 and .72 accurate."""
    half = START + timedelta(minutes=30)
    fields: dict[str, Any] = {
        "model": "net",
        "dataset": "digits",
        "framework": "torch 2.9",
        "accuracy": "0.72",
        "epochs": 2,
        "epochs_planned": 2,
        "started_at": START,
        "history": (
            EpochEntry(epoch=1, end=half, seconds="1800", accuracy="0.5"),
            EpochEntry(epoch=2, end=END, seconds="1800", accuracy="0.72"),
        ),
    }
    return TrainingStatus(**{**fields, **more})


def a_status(training: TrainingStatus | None, outcome: str = "Complete") -> TrainingJobStatus:
    pod = AttemptPod(name="net-1-a", uid="a", node="gpu-3", start=START, end=END)
    attempt = Attempt(number=1, name="net-1", start=START, end=END, outcome=outcome, pods=(pod,))
    return TrainingJobStatus(attempts=(attempt,), training=training)


def settings(**sections: Any) -> OperatorSettings:
    usual = {"prometheus": {"scrapeIntervalSeconds": 600}, "embodied": EMBODIED}
    return OperatorSettings.model_validate({**usual, **sections})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of reference sets, as a mounted ConfigMap has it, with the team's set."""
    path = tmp_path / "references"
    path.mkdir()
    (path / "team.json").write_text(json.dumps(TEAM_SET))
    return path


@pytest.fixture
def ended(folder: Path) -> Run:
    """Return a function that makes the accounts of a job at 100 g/kWh."""

    def run(
        training: TrainingStatus | None = None,
        *,
        seen: PodSamples | None = None,
        chosen: OperatorSettings | None = None,
        outcome: str = "Complete",
        **spec: Any,
    ) -> Measurement:
        point = Point(START, END, 100.0)
        rating = RatingSettings(directory=folder)
        ledger = Ledger(
            spec=parse_spec({"template": {}, **spec}),
            status=a_status(training, outcome),
            samples=seen or samples(),
            intensity=AverageSeries("DE", "grid", (point,)),
            baseline_start=START,
            references=References().shelf(rating),
        )
        return settle(ledger, chosen or settings())

    return run


def efficiency_of(found: Measurement) -> EfficiencyStatus:
    assert found.efficiency is not None
    return found.efficiency


def sci_of(found: Measurement) -> SciStatus:
    assert found.sci is not None
    return found.sci


def reason_of(found: Measurement, name: str) -> str | None:
    return next(m.reason for m in efficiency_of(found).metrics if m.name == name)


def test_a_job_gets_the_letter_of_the_team_s_set(ended: Run) -> None:
    """2 / 1 kWh is 2 > 1.5: A; .72 / .8 ties with .9: D; .7 A and .8 D have the median D."""
    section = efficiency_of(ended(report()))

    letters = {one.property: (one.index, one.letter) for one in section.ratings}
    assert letters == {"training_energy": ("2", "A"), "accuracy_top1": ("0.9", "D")}
    assert (section.label, section.reference, section.reference_rows) == ("D", "team digits", 12)
    assert section.compound == "optimistic median"
    assert section.message is None


def test_what_a_letter_follows_from_stands_beside_it(ended: Run) -> None:
    """Value, reference, boundaries and weight."""
    energy = efficiency_of(ended(report())).ratings[0]

    assert (energy.value, energy.reference, energy.unit) == ("1", "2", "kWh")
    assert energy.boundaries == ("1.5", "1.2", "0.9", "0.5")
    assert energy.weight == "0.7"


@pytest.mark.parametrize(
    ("training", "sentence"),
    [
        pytest.param(None, "the training wrote no report", id="no report"),
        pytest.param(report(dataset=None), "the data set is not reported", id="no data set"),
        pytest.param(
            report(dataset="CIFAR-10"),
            "no reference set is for training on CIFAR-10 in A100-SXM4 x1 - torch 2.9 "
            "(there are: Digits in A100-SXM4 x1 - torch 2.9; ImageNet in A100 x8",
            id="another data set",
        ),
        pytest.param(
            report(framework="torch 2.10"), "in A100-SXM4 x1 - torch 2.10", id="another framework"
        ),
        pytest.param(
            report(accuracy=None), "no letter (top-1 accuracy): a value", id="no accuracy"
        ),
    ],
)
def test_a_job_that_cannot_be_rated_says_why(
    ended: Run, training: TrainingStatus | None, sentence: str
) -> None:
    """Never a silent letter, never a silent absence."""
    section = efficiency_of(ended(training))

    assert section.label is None
    assert section.message is not None
    assert sentence in section.message


def test_a_set_without_a_framework_is_for_all_of_them(ended: Run, folder: Path) -> None:
    """The team chose to compare across versions."""
    any_framework = {**TEAM_SET, "environment": "A100-SXM4 x1"}
    (folder / "team.json").write_text(json.dumps(any_framework))

    assert efficiency_of(ended(report(framework="torch 3.0"))).label == "D"


def test_an_unusable_set_is_named_and_the_job_is_measured(ended: Run, folder: Path) -> None:
    """A file of another kind, a set with a NaN; the good set beside them still counts elsewhere."""
    (folder / "a.yaml").write_text("[]")
    values = {"training_energy": [float("nan"), 1, 1, 1]}
    (folder / "b.json").write_text(json.dumps({**TEAM_SET, "boundaries": values}))

    found = ended(report(dataset="CIFAR-10"))

    assert found.status == "True"
    message = efficiency_of(found).message or ""
    assert "a.yaml is not used" in message
    assert "b.json is not JSON: NaN is not a JSON number" in message
    assert efficiency_of(ended(report())).label == "D"


def test_a_failed_job_has_no_letter(ended: Run) -> None:
    """Half a training cannot be rated."""
    section = efficiency_of(ended(report(), outcome="Failed"))

    assert (section.label, section.message) == (None, "only completed jobs are rated")


def test_a_missing_value_may_count_as_the_worst(ended: Run) -> None:
    """A .7 and E .8: the median is E."""
    chosen = settings(rating={"missing": "worst"})

    assert efficiency_of(ended(report(accuracy=None), chosen=chosen)).label == "E"


def test_a_folder_is_read_again_when_a_file_changes(folder: Path) -> None:
    """A mounted ConfigMap changes under the operator's feet."""
    references, chosen = References(), RatingSettings(directory=folder, shipped=False)
    before = references.shelf(chosen)
    (folder / "team.json").write_text(json.dumps({**TEAM_SET, "name": "second edition"}))

    after = references.shelf(chosen)

    assert [one.name for one in before.sets] == ["team digits"]
    assert [one.name for one in after.sets] == ["second edition"]
    missing = references.shelf(RatingSettings(directory=folder / "gone", shipped=False))
    assert missing.faults == (f"there is no folder {folder / 'gone'} of reference sets",)


def test_every_epoch_has_the_energy_of_its_time(ended: Run) -> None:
    """1000 W for half an hour are 1.8 MJ."""
    found = ended(report())

    assert found.training is not None
    assert [entry.joules for entry in found.training.history] == [1_800_000, 1_800_000]


def test_an_epoch_without_samples_has_no_energy_and_no_time_to_closest(ended: Run) -> None:
    """The last half hour was not measured."""
    part = samples()
    cut = PodSamples(
        energy=tuple(Series(s.labels, s.samples[:3]) for s in part.energy),
        segment_start=part.segment_start,
    )

    found = ended(report(), seen=cut)

    assert found.training is not None
    assert [entry.joules for entry in found.training.history] == [1_800_000, None]
    assert reason_of(found, "TTCAPC") == "the energy up to epoch 2 is not known"


@pytest.mark.parametrize(
    ("target", "seconds"),
    [
        pytest.param({}, "3600", id="the best of the run"),
        pytest.param({"targetAccuracy": "0.5"}, "1800", id="half"),
        pytest.param({"targetAccuracy": "0.9"}, None, id="never reached"),
    ],
)
def test_times_to_closest_wait_for_the_target(
    ended: Run, target: dict[str, str], seconds: str | None
) -> None:
    """At a constant 1000 W the closest APC rises with the row of the accuracy alone."""
    price = {"perKilowattHour": "0.30", "currency": "EUR"}
    found = efficiency_of(ended(report(), metrics=target, price=price))

    by_name = {metric.name: metric for metric in found.metrics}
    assert by_name["TTCAPC"].value == by_name["TTCAPEC"].value == seconds
    assert by_name["TTCAPC"].target is not None or seconds is None
    if seconds is None:
        assert by_name["TTCAPC"].reason == "the run never reached the target"


def test_without_a_history_the_times_say_so(ended: Run) -> None:
    """A trainer of one's own may report no epochs."""
    found = ended(report(history=()))

    assert reason_of(found, "TTCAPC") == "the trainer reported no history of epochs"


@pytest.mark.parametrize(
    ("training", "sentence"),
    [
        pytest.param(None, "the training wrote no report", id="no report"),
        pytest.param(
            TrainingStatus(message="accuracy is left out: 80 is not a fraction from 0 to 1"),
            "no accuracy: accuracy is left out: 80 is not a fraction",
            id="percent",
        ),
        pytest.param(TrainingStatus(epochs=2), "the training reported no accuracy", id="silent"),
    ],
)
def test_without_an_accuracy_every_metric_says_why(
    ended: Run, training: TrainingStatus | None, sentence: str
) -> None:
    """SAM, APC and TTCAPC are there without a value."""
    section = efficiency_of(ended(training))

    assert [metric.name for metric in section.metrics] == ["SAM5[Wh]", "APC", "TTCAPC"]
    assert all(metric.value is None for metric in section.metrics)
    assert all(sentence in (metric.reason or "") for metric in section.metrics)


def test_the_score_carries_the_errors_of_meter_and_hardware(ended: Run) -> None:
    """100 g ± 5 g and 3600 g, halved or doubled: 3700 - √(5² + 1800²), 3700 + √(5² + 3600²)."""
    range_ = sci_of(ended(report())).uncertainty

    assert range_ is not None
    assert float(range_.low) == pytest.approx(1899.99306, abs=1e-3)
    assert float(range_.high) == pytest.approx(7300.00347, abs=1e-3)
    assert "intensity's error not stated" in range_.basis


def test_a_stated_error_of_the_intensity_joins(ended: Run) -> None:
    """Without hardware: 100 ± √(5² + 12²) = 100 ± 13 g."""
    chosen = settings(uncertainty={"intensityRatio": 0.12})

    hardware = {"embodiedGrams": "0.000001"}
    range_ = sci_of(ended(report(), chosen=chosen, hardware=hardware)).uncertainty

    assert range_ is not None
    assert (float(range_.low), float(range_.high)) == pytest.approx((87, 113), abs=1e-3)
    assert range_.intensity_ratio == "0.12"


def test_modelled_energy_has_no_range_and_says_so(ended: Run) -> None:
    """A model states no error, and none is invented."""
    section = sci_of(ended(report(), seen=samples(quality="model")))

    assert section.uncertainty is None
    assert section.message == (
        "no range: part of the energy is modelled, and the model states no error"
    )


def test_a_score_per_operation_keeps_its_digits(ended: Run) -> None:
    """3700 g over 10^18 operations is 3.7e-15 g, not zero."""
    unit = {"kind": "FLOP"}

    found = sci_of(ended(report(flops="1000000000000000000"), functionalUnit=unit))

    assert found.grams_per_unit == "0.0000000000000037"
    assert found.functional_unit_count == "1000000000000000000"


def test_zero_units_leave_the_score_undefined_with_a_sentence(ended: Run) -> None:
    """No epoch was finished."""
    found = sci_of(ended(report(epochs=0), functionalUnit={"kind": "Epoch"}))

    assert found.grams_per_unit is None
    assert found.message == "no functional unit was completed, so there is no rate per unit"


def test_explain_computes_the_status_again_and_agrees(ended: Run, tmp_path: Path) -> None:
    """The operator's own figures: every step of the command follows from its inputs."""
    price = {"perHour": "1.2", "perKilowattHour": "0.30", "currency": "EUR"}
    found = ended(report(), price=price, metrics={"targetAccuracy": "0.5"})
    status = a_status(found.training).to_api()
    for name in ("energy", "carbon", "sci", "counterfactual", "efficiency", "cost"):
        status[name] = getattr(found, name).to_api()
    job = {
        "kind": "TrainingJob",
        "metadata": {"name": "net"},
        "spec": {"metrics": {"targetAccuracy": "0.5"}, "price": price},
        "status": status,
    }
    path = tmp_path / "job.json"
    path.write_text(json.dumps(job))

    result = CliRunner().invoke(main, ["explain", str(path), "--output", "json"])

    assert result.exit_code == 0, result.output
    steps = {step["name"]: step for step in json.loads(result.stdout)["steps"]}
    compared = {name for name, step in steps.items() if step["agrees"] is not None}
    assert compared >= {
        "energy", "mean power", "mean intensity", "SCI = C / R", "M = TiR x TE / EL",
        "SCI, low", "SCI, high", "SAM5[Wh]", "APC", "APEC", "TTCAPC", "TTCAPEC",
        "cost, hardware", "cost, energy", "index, training energy", "letter, top-1 accuracy",
        "label",
    }  # fmt: skip
    assert all(step["agrees"] is not False for step in steps.values())


def test_explain_finds_a_letter_that_does_not_follow(ended: Run, tmp_path: Path) -> None:
    """An A was written over a D."""
    status = a_status(report()).to_api()
    status["efficiency"] = {**efficiency_of(ended(report())).to_api(), "label": "A"}
    job = {"kind": "TrainingJob", "metadata": {"name": "net"}, "spec": {}, "status": status}
    status["energy"] = {"totalJoules": 3600000}
    path = tmp_path / "job.json"
    path.write_text(json.dumps(job))

    result = CliRunner().invoke(main, ["explain", str(path)])

    assert result.exit_code == 1
    assert "DIFFERS from the stated A" in result.stdout
    assert "label      A against team digits (12 rows)" in result.stdout


@pytest.mark.parametrize(
    ("reported", "sentence"),
    [
        pytest.param({"accuracy": 80}, "divide percent by 100", id="percent for a fraction"),
        pytest.param({"accuracy": -0.1}, "-0.1 is not a fraction from 0 to 1", id="negative"),
        pytest.param({"accuracy": "high"}, "'high' is not a number", id="text"),
        pytest.param({"accuracy": float("nan")}, "is not a finite number", id="not a number"),
    ],
)
def test_a_bad_report_is_a_sentence_in_the_status(
    ended: Run, reported: dict[str, Any], sentence: str
) -> None:
    """From the termination message to the metric: what was wrong, and no number."""
    message = json.dumps({"schemaVersion": 1, "epochs": 2, **reported})
    training = training_status(message)
    section = efficiency_of(ended(training))

    assert sentence in (training.message or "")
    assert training.accuracy is None
    assert all(sentence in (metric.reason or "") for metric in section.metrics)


def test_one_unit_of_energy_leaves_sam_undefined_in_the_status(ended: Run) -> None:
    """1 kWh in kWh: the logarithm is zero."""
    found = efficiency_of(ended(report(), metrics={"sam": {"unit": "kWh"}}))

    sam = found.metrics[0]
    assert (sam.name, sam.value) == ("SAM5[kWh]", None)
    assert "choose a smaller unit" in (sam.reason or "")


def test_a_bad_report_in_the_history_costs_only_the_times(ended: Run) -> None:
    """Epochs that do not ascend are left out, and it is said."""
    history = {"epoch": [2, 1], "endedAt": [0, 1], "durationSeconds": [1, 1], "accuracy": [1, 1]}
    message = json.dumps({"schemaVersion": 1, "accuracy": 0.9, "history": history})
    training = training_status(message)

    found = ended(training)

    assert "history is left out" in (training.message or "")
    assert reason_of(found, "APC") is None
    assert reason_of(found, "TTCAPC") == "the trainer reported no history of epochs"
