"""Energy of an inference between its marks, per unit and rated, by figures worked out by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lowtide.accounts.figures import Measurement
from lowtide.accounts.rating import Rated, rating_fields
from lowtide.accounts.references import References
from lowtide.accounts.samples import PodSamples
from lowtide.accounts.settings import RatingSettings
from lowtide.accounts.settlement import Ledger, settle
from lowtide.energy.samples import Series, StoredSample
from lowtide.metrics.properties import PROPERTIES, TASK_PROPERTIES, Task
from lowtide.records.imagenet import measurements
from lowtide.records.trainingjobs import from_trainingjob
from lowtide.trainingjob.inference import InferenceStatus, inference_status
from lowtide.trainingjob.inference_record import InferenceRecord
from lowtide.trainingjob.models import InvalidTrainingJobError, parse_spec
from lowtide.trainingjob.status import (
    Attempt,
    AttemptPod,
    EnergyStatus,
    TrainingJobStatus,
    TrainingStatus,
)
from lowtide_operator.settings import OperatorSettings

STARTED = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
ENDED = STARTED + timedelta(hours=1)
SETTINGS = OperatorSettings.model_validate({"prometheus": {"scrapeIntervalSeconds": 600}})
INFERENCE = {"work": "Inference", "functionalUnit": {"kind": "Sample"}}


def samples(kilowatts: tuple[float, ...] = (1.0,) * 6) -> PodSamples:
    """Return the samples of an hour, one every ten minutes, at so many kW in each."""
    begin = STARTED.timestamp()
    times = [begin + 600 * k for k in range(1, 7)]
    pod = {"namespace": "ml", "pod": "net-1-a", "pod_uid": "a"}
    parts = {"component": "gpu", "part": "active", "method": "exclusive", "quality": "counter"}
    joules = [sum(kilowatts[:k]) * 600_000 for k in range(1, 7)]
    rising = tuple(StoredSample(t, value) for t, value in zip(times, joules, strict=True))
    return PodSamples(
        energy=(Series({**pod, **parts, "container": "c"}, rising),),
        segment_start=(Series(pod, tuple(StoredSample(t, begin) for t in times)),),
        end_marker=(Series(pod, (StoredSample(times[-1], times[-1]),)),),
    )


def answered(first: float, last: float, **counts: int) -> InferenceStatus:
    """Return what was reported of marks so many minutes after the start."""
    section = inference_status(
        InferenceRecord(
            started_at=STARTED + timedelta(minutes=first),
            ended_at=STARTED + timedelta(minutes=last),
            warmup_requests=20,
            **{"requests": 1_200, **counts},
        )
    )
    assert section is not None
    return section


def settled(inference: InferenceStatus, pods: PodSamples | None = None, **spec: Any) -> Measurement:
    """Return the figures of a job of one pod that ran for an hour."""
    pod = AttemptPod(name="net-1-a", uid="a", node="gpu-3", start=STARTED, end=ENDED)
    attempt = Attempt(
        number=1, name="net-1", start=STARTED, end=ENDED, outcome="Complete", pods=(pod,)
    )
    training = TrainingStatus(model="net", accuracy="0.75", inference=inference)
    ledger = Ledger(
        spec=parse_spec({"template": {}, **INFERENCE, **spec}),
        status=TrainingJobStatus(attempts=(attempt,), training=training),
        samples=samples() if pods is None else pods,
        intensity=None,
        baseline_start=STARTED,
    )
    return settle(ledger, SETTINGS)


def inference_of(found: Measurement) -> InferenceStatus:
    """Return the section of the inference."""
    assert found.training is not None
    assert found.training.inference is not None
    return found.training.inference


def test_joules_of_a_unit_are_those_between_the_marks() -> None:
    """40 minutes at 1 kW are 2.4 MJ: 2,000 J a request, 100 J a sample, 2 J a token.

    The first ten minutes at 6 kW are the warm-up's and the loading of the model.
    """
    found = inference_of(
        settled(answered(10, 50, samples=24_000, tokens=1_200_000), samples((6.0, 1, 1, 1, 1, 3.0)))
    )

    assert found.joules == 2_400_000
    assert (found.joules_per_request, found.joules_per_sample) == ("2000", "100")
    assert found.joules_per_token == "2"
    assert (found.requests_per_second, found.samples_per_second) == ("0.5", "10")
    assert found.tokens_per_second == "500"
    assert found.message is None


def test_a_mark_within_a_sample_is_said() -> None:
    """From minute 15 to 45: 5 minutes of each of two samples of 10, a third of 1.8 MJ."""
    found = inference_of(settled(answered(15, 45, samples=1_800)))

    assert (found.joules, found.joules_per_sample) == (1_800_000, "1000")
    assert found.message is not None
    assert found.message.startswith("33% of this energy lies in samples that a mark cuts")


def test_without_samples_between_the_marks_no_joule_is_given() -> None:
    """Unknown is absent, and the message says so."""
    lost = samples()
    cut = PodSamples(
        energy=tuple(Series(s.labels, s.samples[:1]) for s in lost.energy),
        segment_start=tuple(Series(s.labels, s.samples[:1]) for s in lost.segment_start),
    )
    found = inference_of(settled(answered(20, 50, samples=9), cut))

    assert (found.joules, found.joules_per_sample) == (None, None)
    assert found.message == "the energy between the marks is not known: samples of it are missing"


def test_nothing_answered_has_no_energy_and_no_rate() -> None:
    """All requests were warm-up."""
    found = inference_of(settled(answered(10, 10, requests=0, samples=0)))

    assert (found.joules, found.samples_per_second) == (None, None)
    assert found.message is not None
    assert "no request was answered after the warm-up" in found.message


@pytest.mark.parametrize(
    ("kind", "count"), [("Sample", "240"), ("Token", "960"), ("Request", "60")]
)
def test_the_functional_unit_counts_what_was_answered(kind: str, count: str) -> None:
    """R of the SCI; C stays that of the whole job, its warm-up included."""
    found = settled(
        answered(10, 50, requests=60, samples=240, tokens=960), functionalUnit={"kind": kind}
    )

    assert found.sci is not None
    assert (found.sci.functional_unit, found.sci.functional_unit_count) == (kind, count)


@pytest.mark.parametrize(
    "spec",
    [
        {"work": "Inference"},
        {"work": "Inference", "functionalUnit": {"kind": "Epoch"}},
        {"functionalUnit": {"kind": "Request"}},
    ],
)
def test_a_unit_that_does_not_fit_the_work_is_refused(spec: dict[str, Any]) -> None:
    """Nothing is guessed: an Inference says what it counts."""
    with pytest.raises(InvalidTrainingJobError, match="an Inference counts Sample, Token, Request"):
        parse_spec({"template": {}, **spec})


def test_an_inference_is_rated_by_the_inference_rows_of_the_shipped_set() -> None:
    """The published EfficientNetB0 on 8 A100: .673 J a sample, index 1.28, letter B.

    Source: Fischer et al. 2022, docs/explanation/metrics.md#index.
    """
    row = next(
        row
        for row in measurements()["rows"]
        if row["task"] == "inference"
        and row["model"] == "EfficientNetB0"
        and row["environment"] == "A100 x8 - TensorFlow 2.8.0"
    )
    inference = answered(0, 50, requests=100, samples=1_000).model_copy(
        update={"joules_per_sample": f"{row['values']['inference_energy']:.9f}"}
    )
    training = TrainingStatus(
        dataset="ImageNet",
        framework="TensorFlow 2.8.0",
        accuracy=f"{row['values']['accuracy_top1']:.9f}",
        inference=inference,
    )
    job = Rated(
        energy=EnergyStatus(gpu_model="A100", gpu_count=8),
        energy_joules=1e9,
        duration_seconds=3600.0,
        complete=True,
    )

    fields = rating_fields(job, training, References().shelf(RatingSettings()), RatingSettings())

    ratings = {one.property: one for one in fields["ratings"]}
    assert set(ratings) == set(TASK_PROPERTIES[Task.INFERENCE])
    energy = ratings["inference_energy"]
    assert energy.unit == PROPERTIES["inference_energy"].unit == "J/sample"
    assert (f"{float(energy.index or 0):.2f}", energy.letter) == ("1.28", "B")
    # 1,000 samples in 50 minutes: 3 s each, where the reference takes 2 ms.
    assert ratings["inference_time"].value == "3000"
    assert ratings["inference_time"].letter == "E"


def test_the_figures_of_an_inference_are_compared_as_properties() -> None:
    """`lowtide compare`, `calc rate` and the explorer read J and ms a sample from the status."""
    training = settled(answered(10, 50, samples=24_000)).training
    assert training is not None
    job = from_trainingjob({"metadata": {"name": "net"}, "status": {"training": training.to_api()}})

    assert job.properties == {"inference_energy": 100.0, "inference_time": 100.0}
