"""Predictions of a job's totals, from its own epochs, from its samples, or from its series."""

from datetime import UTC, datetime, timedelta

import pytest

from lowtide.accounts.foresight import (
    foresee,
    foresee_from_series,
    not_below,
    with_what_was_known,
)
from lowtide.accounts.predicted import Circumstances
from lowtide.accounts.progress import Curve, LiveReport, Mark, joules_by
from lowtide.accounts.review import reviewed
from lowtide.grid.forecast import Forecast, Source
from lowtide.grid.overhead import Overhead
from lowtide.grid.overhead_settings import OverheadSettings
from lowtide.grid.series import AverageSeries, IntensitySeries, Point, Signal
from lowtide.planning.durations import PastRun, learn
from lowtide.trainingjob.overheads import overhead_before_start
from lowtide.trainingjob.report import CheckpointInfo, EpochRecord, TrainingReport
from lowtide.trainingjob.spec import Grid, Hardware, Price, TrainingJobSpec
from lowtide.trainingjob.status import (
    Attempt,
    CarbonStatus,
    CostStatus,
    EnergyStatus,
    PlanSegment,
    PlanStatus,
    SciStatus,
    TrainingJobStatus,
)
from lowtide.trainingjob.training import training_of

START = datetime(2026, 5, 4, 12, tzinfo=UTC)
SPEC = TrainingJobSpec(
    template={},
    price=Price(per_hour="3.6"),
    hardware=Hardware(embodied_grams="126144", lifespan_seconds=126_144_000),
)


def at(seconds: float) -> datetime:
    """Return a time so many seconds after the start."""
    return START + timedelta(seconds=seconds)


def report(epochs: int, planned: int | None = 20, **more: object) -> TrainingReport:
    """Return the report of a training whose epochs take 100 s."""
    values: dict[str, object] = {
        "epochs": epochs,
        "epochs_planned": planned,
        "samples": 1000 * epochs,
        "started_at": START,
        "training_seconds": 100.0 * epochs,
        "history": tuple(
            EpochRecord(epoch=n, ended_at=at(100 * n), duration_seconds=100.0)
            for n in range(1, epochs + 1)
        ),
    }
    return TrainingReport(**{**values, **more})  # type: ignore[arg-type]


def watts(power: float, until: float) -> Curve:
    """Return the curve of a pod that draws this power from the start on."""
    return ((START, 0.0), (at(until), power * until))


def status(now: float, **sections: object) -> TrainingJobStatus:
    """Return the status of a job that began at the start."""
    attempts = (Attempt(number=1, name="digits-1", start=START),)
    return TrainingJobStatus(attempts=attempts, **sections)  # type: ignore[arg-type]


def flat(grams: float) -> Forecast:
    """Return a forecast of one intensity for two days."""
    return Forecast(
        zone="DE",
        signal=Signal.AVERAGE,
        start=START,
        slot_seconds=3600,
        grams_per_kwh=(grams,) * 48,
        spread_grams_per_kwh=(0.0,) * 48,
        sources=(Source.PROVIDER,) * 48,
    )


def seen(grams: float) -> IntensitySeries:
    """Return the intensity of the first hour."""
    return AverageSeries(
        zone="DE",
        source="test",
        points=(Point(START, at(3600), grams),),
    )


def about(now: float, **more: object) -> Circumstances:
    """Return the circumstances of a job with one pod and one GPU that draws a kilowatt."""
    values: dict[str, object] = {
        "now": at(now),
        "spec": SPEC,
        "status": status(now),
        "gpus": 1,
        "price": SPEC.price,
        "forecast": flat(360),
        "seen": seen(360),
        "curves": (watts(1000, now),),
    }
    return Circumstances(**{**values, **more})  # type: ignore[arg-type]


def test_the_whole_run_is_predicted_from_its_first_epochs() -> None:
    """By hand: 20 epochs of 100 s at 1 kW.

    2,000 s and 2 MJ; at 360 g/kWh that is 200 g, 2,000 s of a GPU whose making took 1 mg for each
    second add 2 g; 3.6 an hour for 2,000 s is 2.
    """
    live = LiveReport(at(650), report(6, training_seconds=650.0))
    circumstances = about(650)
    training = with_what_was_known(training_of(live.report), None, circumstances.curves)

    found = foresee(live, training, circumstances)

    assert found.method == "Epochs"
    assert found.progress == "0.3000"
    for amount, expected in (
        (found.energy_joules, 2_000_000),
        (found.grams, 202),
        (found.sci_grams_per_unit, 202),
        (found.money, 2),
    ):
        assert amount is not None
        assert float(amount.expected) == pytest.approx(expected, rel=1e-3)
        assert float(amount.low) <= expected * 1.001
        assert float(amount.high) >= expected * 0.999
    assert found.finish is not None
    assert abs((found.finish.expected - at(2000)).total_seconds()) <= 1
    assert found.currency == "USD"
    assert found.message is None
    assert found.first is not None
    assert found.first.energy_joules == found.energy_joules


def test_predicted_grams_carry_the_overhead_that_the_accounts_will_have() -> None:
    """200 g of operation at a PUE of 1.5 are 300 g; 2 g of making the GPU stay 2 g."""
    live = LiveReport(at(650), report(6, training_seconds=650.0))
    circumstances = about(650, overhead=Overhead(pue=1.5))
    training = with_what_was_known(training_of(live.report), None, circumstances.curves)

    found = foresee(live, training, circumstances)

    assert found.grams is not None
    assert float(found.grams.expected) == pytest.approx(302, rel=1e-3)
    assert float(found.grams.low) <= 302.01
    assert float(found.grams.high) >= 301.99
    assert found.sci_grams_per_unit == found.grams
    assert found.message is None


def test_an_overhead_that_is_not_known_is_said_and_never_one() -> None:
    """The grams are the grid's alone, and the message says what they leave out."""
    live = LiveReport(at(650), report(6, training_seconds=650.0))
    circumstances = about(650, overhead=Overhead(message="the PUE is not known: no answer"))
    training = with_what_was_known(training_of(live.report), None, circumstances.curves)

    found = foresee(live, training, circumstances)

    assert found.grams is not None
    assert float(found.grams.expected) == pytest.approx(202, rel=1e-3)
    assert "grams leave the overhead out: the PUE is not known: no answer" in (found.message or "")


@pytest.mark.parametrize(
    ("own", "given", "grams"),
    [("1.5", {"value": 1.2}, 540), (None, {"value": 1.2}, 432), (None, None, 360)],
)
def test_a_waiting_job_is_predicted_with_the_stated_overhead(
    own: str | None, given: dict[str, float] | None, grams: float
) -> None:
    """3.6 MJ at 360 g/kWh are 360 g: times the job's own factor, else that of its zone."""
    spec = SPEC.model_copy(update={"grid": Grid(pue=own)})
    settings = None if given is None else OverheadSettings.model_validate(given)
    runs = [PastRun(3600, 3.6e6, float(n)) for n in range(6)]
    circumstances = about(
        0,
        spec=spec,
        gpus=0,
        status=TrainingJobStatus(),
        curves=(),
        overhead=overhead_before_start(spec, settings),
    )

    found = foresee_from_series(learn(runs), ((at(7200), at(10_800)),), circumstances)

    assert found is not None
    assert found.grams is not None
    assert float(found.grams.expected) == pytest.approx(grams, rel=1e-3)


def test_epochs_whose_samples_are_late_do_not_hide_the_others() -> None:
    """By hand: 20 epochs of 100 s at 1 kW, of which the meters show six and the report eight."""
    live = LiveReport(at(810), report(8, training_seconds=810.0))
    circumstances = about(810, curves=(watts(1000, 650),))
    training = with_what_was_known(training_of(live.report), None, circumstances.curves)

    found = foresee(live, training, circumstances)

    assert [entry.joules for entry in training.history] == [100_000] * 6 + [None] * 2
    assert found.energy_joules is not None
    assert float(found.energy_joules.expected) == pytest.approx(2_000_000, rel=1e-3)


def test_a_prediction_that_was_made_before_is_never_below_what_was_used_since() -> None:
    """No page answers for an hour, and the energy goes on growing: every end is at least that."""
    live = LiveReport(at(650), report(6, training_seconds=650.0))
    circumstances = about(650)
    training = with_what_was_known(training_of(live.report), None, circumstances.curves)
    made = foresee(live, training, circumstances)

    later = not_below(made, 2_345_678.0)

    assert not_below(made, 1_000_000.0) == made
    assert later.energy_joules is not None
    energy = later.energy_joules
    assert {energy.low, energy.expected, energy.high} == {"2345678"}
    assert later.finish == made.finish


def test_planned_pauses_move_the_end() -> None:
    """A pause of an hour is planned in the middle: it ends an hour later and uses no more."""
    segments = (
        PlanSegment(start=START, end=at(1000)),
        PlanSegment(start=at(4600), end=at(5600)),
    )
    live = LiveReport(at(600), report(6))
    circumstances = about(600, status=status(600, plan=PlanStatus(segments=segments)))
    training = with_what_was_known(training_of(live.report), None, circumstances.curves)

    found = foresee(live, training, circumstances)

    assert found.finish is not None
    assert abs((found.finish.expected - at(5600)).total_seconds()) <= 1


def test_what_is_missing_is_said_and_the_rest_is_predicted() -> None:
    """Without samples and without a grid there is still an end."""
    live = LiveReport(at(600), report(6))
    circumstances = about(600, curves=(), forecast=None, price=None)
    training = with_what_was_known(training_of(live.report), None, ())

    found = foresee(live, training, circumstances)

    assert found.finish is not None
    assert (found.energy_joules, found.grams, found.money) == (None, None, None)
    assert "the energy of 0 epochs is known: it is predicted from 5 on" in (found.message or "")


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (report(3), "3 epochs are finished: a run is predicted from 5 on"),
        (report(9, planned=None), "does not say how many epochs or samples it plans"),
    ],
)
def test_a_run_that_cannot_be_predicted_says_why(told: TrainingReport, sentence: str) -> None:
    """No figure, one sentence."""
    live = LiveReport(at(900), told)

    found = foresee(live, training_of(told), about(900))

    assert sentence in (found.message or "")
    assert found.finish is None


def test_one_long_epoch_is_predicted_from_its_samples() -> None:
    """By hand: ten samples a second and 1 kW, 6,000 of 20,000 done: 2,000 s and 2 MJ."""
    told = report(0, planned=1, samples=6000, samples_planned=20_000, training_seconds=600.0)
    marks = tuple(Mark(at(s), 10 * s, float(s)) for s in range(60, 601, 60))

    found = foresee(LiveReport(at(600), told, marks), training_of(told), about(600))

    assert found.method == "Samples"
    assert found.energy_joules is not None
    assert float(found.energy_joules.expected) == pytest.approx(2_000_000, rel=1e-3)
    assert found.finish is not None
    assert abs((found.finish.expected - at(2000)).total_seconds()) <= 1


def test_a_restarted_operator_keeps_the_energy_of_earlier_epochs() -> None:
    """Its curves begin anew; what the status holds of an epoch stays."""
    told = training_of(report(6))
    before = with_what_was_known(told, None, (watts(1000, 600),))
    late: Curve = ((START, 0.0), (at(650), 500_000.0))

    after = with_what_was_known(training_of(report(6)), before, (late,))

    assert [entry.joules for entry in after.history] == [100_000] * 6


def test_the_longest_saving_is_remembered() -> None:
    """A pause must allow for the slowest checkpoint that was seen, not for the last one."""
    slow, quick = (
        training_of(
            report(
                6,
                checkpoint=CheckpointInfo(
                    name="c", batches=1, saved_at=START, size_bytes=1, duration_seconds=seconds
                ),
            )
        )
        for seconds in (21.5, 3.0)
    )

    first = with_what_was_known(slow, None, ())
    second = with_what_was_known(quick, first, ())

    assert second.checkpoint is not None
    assert (second.checkpoint.duration_seconds, second.checkpoint.longest_seconds) == ("3", "21.5")


def test_a_series_predicts_a_job_before_it_starts() -> None:
    """Six runs of an hour and 3.6 MJ at 360 g/kWh: an hour after the planned start, 360 g."""
    runs = [PastRun(3600, 3.6e6, float(n)) for n in range(6)]
    segments = ((at(7200), at(10_800)),)

    found = foresee_from_series(learn(runs), segments, about(0, status=TrainingJobStatus()))

    assert found is not None
    assert found.method == "Series"
    assert found.finish is not None
    assert found.finish.expected == at(10_800)
    assert found.energy_joules is not None
    assert float(found.energy_joules.expected) == pytest.approx(3.6e6)
    assert foresee_from_series(learn(runs[:4]), segments, about(0)) is None


def test_a_waiting_job_is_not_rewritten_for_every_forecast() -> None:
    """Grams that moved by a hundredth are the same prediction; by a fifth they are not."""
    experience = learn([PastRun(3600, 3.6e6, float(n)) for n in range(6)])
    segments = ((at(7200), at(10_800)),)
    first = foresee_from_series(experience, segments, about(0, status=TrainingJobStatus()))
    known = TrainingJobStatus(prediction=first)

    near = foresee_from_series(experience, segments, about(900, status=known, forecast=flat(363)))
    far = foresee_from_series(experience, segments, about(900, status=known, forecast=flat(430)))

    assert near == first
    assert far != first


def test_the_end_tells_how_good_the_first_prediction_was() -> None:
    """By hand: 2 MJ were predicted and 1.6 used, 25 % too much; the run took the 2,000 s."""
    live = LiveReport(at(600), report(6))
    training = with_what_was_known(training_of(live.report), None, (watts(1000, 600),))
    made = foresee(live, training, about(600))
    ended = TrainingJobStatus(
        prediction=made,
        attempts=(Attempt(number=1, name="digits-1", start=START, end=at(2000)),),
        energy=EnergyStatus(total_joules=1_600_000),
        carbon=CarbonStatus(total_grams="202", operational_grams="200"),
        sci=SciStatus(grams_per_unit="202"),
        cost=CostStatus(currency="USD", instance="2"),
    )

    reviews = {review.quantity: review for review in reviewed(ended)}

    assert float(reviews["energyJoules"].error_percent) == pytest.approx(25, abs=0.1)
    assert not reviews["energyJoules"].held
    assert float(reviews["grams"].error_percent) == pytest.approx(0, abs=0.2)
    assert float(reviews["runSeconds"].error_percent) == pytest.approx(0, abs=0.2)
    assert reviewed(TrainingJobStatus()) == ()


def test_a_curve_is_read_between_its_points_and_not_beyond() -> None:
    """Half way from 0 to 600 J at 300 s; after the last point nothing is known."""
    curve = watts(1, 600)

    assert joules_by(at(300), [curve]) == 300
    assert joules_by(at(300), [curve, curve]) == 600
    assert joules_by(at(-5), [curve]) == 0
    assert joules_by(at(601), [curve]) is None
    assert joules_by(at(0), []) is None
