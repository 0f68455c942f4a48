"""The accounts of an ended job, against figures worked out by hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lowtide.accounts.embodied import embodied_of
from lowtide.accounts.figures import Measurement
from lowtide.accounts.samples import PodSamples
from lowtide.accounts.settlement import Ledger, settle
from lowtide.energy.samples import Series, StoredSample
from lowtide.grid.overhead import Overhead, OverheadKind
from lowtide.grid.series import AverageSeries, Factor, Point
from lowtide.prices.series import PricePoint, PriceSeries
from lowtide.trainingjob.conditions import Reason
from lowtide.trainingjob.models import parse_spec
from lowtide.trainingjob.status import (
    Attempt,
    AttemptPod,
    PlanSegment,
    PlanStatus,
    TrainingJobStatus,
    TrainingStatus,
)
from lowtide_operator.settings import OperatorSettings

SUBMITTED = datetime(2026, 11, 30, 10, 0, tzinfo=UTC)
STARTED = SUBMITTED + timedelta(hours=2)
ENDED = STARTED + timedelta(hours=1)
SETTINGS = OperatorSettings.model_validate(
    {
        "prometheus": {"scrapeIntervalSeconds": 600},
        "embodied": {"A100": {"gramsPerGpu": "126144000", "source": "test"}},
    }
)


def labels(uid: str, **more: str) -> dict[str, str]:
    """Return the labels of a pod's series."""
    return {"namespace": "ml", "pod": f"net-1-{uid}", "pod_uid": uid, **more}


def steady(
    uid: str, joules: float, *, start: datetime = STARTED, marked: bool = True
) -> PodSamples:
    """Return the samples of an hour at constant power, one every ten minutes."""
    begin = start.timestamp()
    times = [begin + 600 * k for k in range(1, 7)]
    parts = {"component": "gpu", "part": "active", "method": "exclusive", "quality": "counter"}
    rising = tuple(StoredSample(t, joules * k / 6) for k, t in enumerate(times, 1))
    held = tuple(StoredSample(t, t - begin) for t in times)
    first = tuple(StoredSample(t, begin) for t in times)
    end = (StoredSample(times[-1], times[-1]),)
    return PodSamples(
        energy=(Series(labels(uid, container="c", **parts), rising),),
        segment_start=(Series(labels(uid), first),),
        end_marker=(Series(labels(uid), end),) if marked else (),
        held=(Series(labels(uid, model="A100-SXM4"), held),),
    )


def intensity(values: list[float | None], *, estimated: tuple[int, ...] = ()) -> AverageSeries:
    """Return hourly intensity from submission on."""
    points = tuple(
        Point(
            SUBMITTED + timedelta(hours=k),
            SUBMITTED + timedelta(hours=k + 1),
            value,
            estimated=k in estimated,
        )
        for k, value in enumerate(values)
    )
    return AverageSeries("DE", "grid", points)


def status(**more: Any) -> TrainingJobStatus:
    """Return the status of a job that ran for an hour in one pod."""
    pod = AttemptPod(name="net-1-a", uid="a", node="gpu-3", start=STARTED, end=ENDED)
    attempt = Attempt(
        number=1, name="net-1", start=STARTED, end=ENDED, outcome="Complete", pods=(pod,)
    )
    return TrainingJobStatus(**{"attempts": (attempt,), **more})


def settled(
    samples: PodSamples,
    grid: AverageSeries | None,
    found: TrainingJobStatus | None = None,
    overhead: Overhead | None = None,
    prices: PriceSeries | None = None,
    **spec: Any,
) -> Measurement:
    """Return the figures of a job."""
    ledger = Ledger(
        spec=parse_spec({"template": {}, **spec}),
        status=found or status(),
        samples=samples,
        intensity=grid,
        overhead=overhead,
        baseline_start=SUBMITTED,
        prices=prices,
    )
    return settle(ledger, SETTINGS)


def test_waiting_two_hours_for_a_cleaner_one_avoids_the_difference() -> None:
    """1 kWh at 100 instead of 400 g/kWh: 100 g used, 300 g or 75 % avoided."""
    found = settled(steady("a", 3.6e6), intensity([400.0, 400.0, 100.0]))
    assert found.reason is Reason.MEASURED
    assert found.energy is not None
    assert found.energy.total_joules == 3_600_000
    assert found.energy.mean_power_watts == "1000.0"
    assert found.energy.energy_coverage == "1.0000"
    assert found.carbon is not None
    assert found.carbon.operational_grams == "100.0000"
    assert found.counterfactual is not None
    assert found.counterfactual.run_now_grams == "400.0000"
    assert found.counterfactual.avoided_grams == "300.0000"
    assert found.counterfactual.avoided_percent == "75.0"


def test_embodied_emissions_are_the_held_share_of_the_gpus_life() -> None:
    """126,144,000 g over as many seconds: one gram a second, 3600 g in an hour."""
    found = settled(steady("a", 3.6e6), intensity([100.0] * 3))
    assert found.carbon is not None
    assert found.carbon.embodied_grams == "3600.0000"
    assert found.carbon.total_grams == "3700.0000"
    assert found.sci is not None
    assert found.sci.grams_per_unit == "3700"


def test_waiting_for_a_dirtier_hour_stays_negative() -> None:
    """Savings are never dressed up."""
    found = settled(steady("a", 3.6e6), intensity([100.0, 100.0, 400.0]))
    assert found.counterfactual is not None
    assert found.counterfactual.avoided_grams == "-300.0000"


def test_both_attempts_of_a_failed_start_count_and_are_listed() -> None:
    """Two pods in one attempt, of which one was not seen: energy of both, joules for each."""
    first = steady("a", 3.6e6)
    second = steady("b", 1.8e6)
    both = PodSamples(
        energy=first.energy + second.energy,
        segment_start=first.segment_start + second.segment_start,
        end_marker=first.end_marker + second.end_marker,
        held=first.held + second.held,
    )
    found = settled(both, intensity([100.0] * 3))
    assert found.energy is not None
    assert found.energy.total_joules == 5_400_000
    assert found.pods == {"a": 3_600_000, "b": 1_800_000}
    assert found.attempts == {1: (5_400_000, pytest.approx(150.0))}


@pytest.mark.parametrize("factor", Factor)
def test_the_status_says_which_emissions_its_intensity_includes(factor: Factor) -> None:
    """Direct, life-cycle, or that the source does not say."""
    grid = replace(intensity([400.0, 400.0, 100.0]), factor=factor)
    found = settled(steady("a", 3.6e6), grid)
    assert found.carbon is not None
    assert found.carbon.factor is factor


def test_an_hour_of_unknown_intensity_is_not_priced() -> None:
    """Energy is reported, carbon and SCI are not."""
    found = settled(steady("a", 3.6e6), intensity([100.0, 100.0, None]))
    assert found.reason is Reason.NOT_PRICED
    assert found.energy is not None
    assert found.carbon is not None
    assert found.carbon.operational_grams is None
    assert found.sci is not None
    assert found.sci.grams_per_unit is None
    assert found.sci.warnings[0] == "intensity_missing"


def test_estimated_hours_make_the_figures_provisional() -> None:
    """They are replaced when actual values are there."""
    found = settled(steady("a", 3.6e6), intensity([100.0] * 3, estimated=(2,)))
    assert found.reason is Reason.PROVISIONAL
    assert found.carbon is not None
    assert found.carbon.provisional is True


def test_a_pod_without_series_makes_the_figures_partial_and_is_not_zero() -> None:
    """Half of the running time is known, and the total is not scaled up."""
    lost = AttemptPod(name="net-1-b", uid="b", node="gpu-4", start=STARTED, end=ENDED)
    two = status()
    pods = (*two.attempts[0].pods, lost)
    two = status(attempts=(two.attempts[0].model_copy(update={"pods": pods}),))
    found = settled(steady("a", 3.6e6), intensity([100.0] * 3), two)
    assert found.reason is Reason.PARTIAL
    assert found.energy is not None
    assert found.energy.total_joules == 3_600_000
    assert found.energy.energy_coverage == "0.5000"
    assert "50 %" in found.message


def test_no_series_at_all_is_no_exporter() -> None:
    """The message names the pod and its node, and blames no Prometheus that may not be there."""
    found = settled(PodSamples(), intensity([100.0] * 3))
    assert (found.status, found.reason) == ("False", Reason.NO_EXPORTER)
    assert found.message.startswith("no energy series for pod net-1-a on node gpu-3")
    assert "it was not scraped in time" in found.message


def test_observe_records_what_waiting_would_have_emitted() -> None:
    """The plan's hour had 50 g/kWh."""
    plan = PlanStatus(
        reason=Reason.POLICY_OBSERVE,
        segments=(
            PlanSegment(start=SUBMITTED + timedelta(hours=1), end=SUBMITTED + timedelta(hours=2)),
        ),
    )
    found = settled(steady("a", 3.6e6), intensity([400.0, 50.0, 400.0]), status(plan=plan))
    assert found.counterfactual is not None
    assert found.counterfactual.observed_plan_grams == "50.0000"


def test_scores_per_epoch_need_a_report() -> None:
    """3700 g over 10 epochs is 370; without a report there is a reason."""
    unit = {"kind": "Epoch"}
    reported = status(training=TrainingStatus(epochs=10))
    found = settled(steady("a", 3.6e6), intensity([100.0] * 3), reported, functionalUnit=unit)
    assert found.sci is not None
    assert found.sci.grams_per_unit == "370"
    silent = settled(steady("a", 3.6e6), intensity([100.0] * 3), functionalUnit=unit)
    assert silent.sci is not None
    assert silent.sci.warnings == ("functional_unit_not_reported",)


def test_money_is_time_times_price_and_energy_times_tariff() -> None:
    """An hour at 1.204, and 1 kWh at 0.30; never added."""
    price = {"perHour": "1.204", "perKilowattHour": "0.30", "currency": "EUR"}
    found = settled(steady("a", 3.6e6), intensity([100.0] * 3), price=price)
    assert found.cost is not None
    assert (found.cost.instance, found.cost.energy) == ("1.204", "0.3")


def test_the_longest_matching_gpu_model_counts() -> None:
    """A more exact row is preferred; without any the default stands in."""
    table = OperatorSettings.model_validate(
        {
            "embodied": {
                "A100": {"gramsPerGpu": "1"},
                "A100-SXM4-80GB": {"gramsPerGpu": "2"},
                "default": {"gramsPerGpu": "3"},
            }
        }
    ).embodied
    models = ["A100-SXM4-40GB", "A100-SXM4-80GB", "T4"]
    rows = [embodied_of(model, table) for model in models]
    assert [row.grams_per_gpu for row in rows if row is not None] == ["1", "2", "3"]


def test_the_overhead_of_the_data_centre_is_in_every_gram_and_in_no_joule() -> None:
    """1 kWh at 100 g/kWh and a PUE of 1.25 are 125 g; at submission it would have been 500 g."""
    overhead = Overhead(pue=1.25, kind=OverheadKind.MEASURED, source="Prometheus, zone DE")
    found = settled(steady("a", 3.6e6), intensity([400.0, 400.0, 100.0]), overhead=overhead)
    assert found.energy is not None
    assert found.energy.total_joules == 3_600_000
    assert found.carbon is not None
    assert found.carbon.operational_grams == "125.0000"
    assert found.carbon.mean_grams_per_kwh == "100.0"
    assert (found.carbon.pue, found.carbon.pue_kind) == ("1.25", "Measured")
    assert found.carbon.pue_source == "Prometheus, zone DE"
    assert found.counterfactual is not None
    assert found.counterfactual.run_now_grams == "500.0000"
    assert found.counterfactual.avoided_grams == "375.0000"
    assert found.counterfactual.avoided_percent == "75.0"
    assert found.attempts[1][1] == pytest.approx(125.0)
    assert found.sci is not None
    assert "pue_not_included" not in found.sci.warnings
    assert float(found.sci.grams_per_unit or 0) == pytest.approx(125 + 3600)


def test_an_overhead_that_is_not_known_is_left_out_said_and_asked_for_again() -> None:
    """The grams are those of the grid alone, and provisional."""
    overhead = Overhead(message="the PUE is not known: Prometheus answered 503")
    found = settled(steady("a", 3.6e6), intensity([400.0, 400.0, 100.0]), overhead=overhead)
    assert found.reason is Reason.PROVISIONAL
    assert "carbon leaves out the data centre's overhead" in found.message
    assert found.carbon is not None
    assert (found.carbon.operational_grams, found.carbon.pue) == ("100.0000", None)
    assert found.carbon.pue_message == "the PUE is not known: Prometheus answered 503"
    assert found.carbon.provisional is True
    assert found.sci is not None
    assert "pue_not_included" in found.sci.warnings


def test_prices_of_the_zone_are_a_bill_and_touch_no_other_figure() -> None:
    """1 kWh for 0.05 instead of 0.30; emissions and the SCI are those of a zone without prices."""
    grid = intensity([400.0, 400.0, 100.0])
    points = tuple(
        PricePoint(SUBMITTED + timedelta(hours=k), SUBMITTED + timedelta(hours=k + 1), price)
        for k, price in enumerate((0.3, 0.2, 0.05))
    )

    without = settled(steady("a", 3.6e6), grid)
    found = settled(steady("a", 3.6e6), grid, prices=PriceSeries("DE", "tariff", points, "EUR"))

    assert found.electricity is not None
    assert (found.electricity.paid, found.electricity.saved) == ("0.05", "0.25")
    assert without.electricity is None
    assert replace(found, electricity=None) == without


def test_a_bill_is_that_of_the_metered_energy_whatever_the_overhead() -> None:
    """100 g of the grid at 100 a tonne are 0.01, beside 0.05 for the kilowatt-hour."""
    points = tuple(
        PricePoint(SUBMITTED + timedelta(hours=k), SUBMITTED + timedelta(hours=k + 1), price)
        for k, price in enumerate((0.3, 0.2, 0.05))
    )
    found = settled(
        steady("a", 3.6e6),
        intensity([400.0, 400.0, 100.0]),
        status(plan=PlanStatus(objective="Both", price_per_tonne="100")),
        prices=PriceSeries("DE", "tariff", points, "EUR"),
        overhead=Overhead(pue=1.25, kind=OverheadKind.MEASURED, source="test"),
    )

    assert found.carbon is not None
    assert found.carbon.operational_grams == "125.0000"
    assert found.electricity is not None
    assert (found.electricity.weighed, found.electricity.run_now_weighed) == ("0.06", "0.34")


def ahead(samples: PodSamples, seconds: float) -> PodSamples:
    """Return the samples of a node whose clock is ahead: the times it tells are later."""

    def later(series: Series) -> Series:
        told = (StoredSample(s.time_seconds, s.value + seconds) for s in series.samples)
        return Series(series.labels, tuple(told))

    times = [s.time_seconds for s in samples.segment_start[0].samples]
    looks = (times[0] - 600.0, *times)
    return replace(
        samples,
        segment_start=tuple(map(later, samples.segment_start)),
        end_marker=tuple(map(later, samples.end_marker)),
        clocks=(Series({}, tuple(StoredSample(at, at + seconds) for at in looks)),),
    )


@pytest.mark.parametrize("seconds", [-240.0, 240.0, -7200.0, 7200.0])
def test_a_wrong_clock_of_a_node_changes_neither_joules_nor_coverage_nor_grams(
    seconds: float,
) -> None:
    """Kubelet and exporter tell an hour four minutes or two hours off; the samples are right."""
    off = timedelta(seconds=seconds)
    pod = AttemptPod(name="net-1-a", uid="a", node="gpu-3", start=STARTED + off, end=ENDED + off)
    attempt = Attempt(
        number=1, name="net-1", start=STARTED + off, end=ENDED, outcome="Complete", pods=(pod,)
    )
    grid = intensity([400.0, 400.0, 100.0, 400.0, 400.0])

    found = settled(ahead(steady("a", 3.6e6), seconds), grid, status(attempts=(attempt,)))

    right = settled(steady("a", 3.6e6), grid)
    assert found.energy is not None
    assert right.energy is not None
    assert found.energy.total_joules == right.energy.total_joules == 3_600_000
    assert found.energy.energy_coverage == right.energy.energy_coverage == "1.0000"
    assert found.carbon is not None
    assert right.carbon is not None
    assert found.carbon.operational_grams == right.carbon.operational_grams
