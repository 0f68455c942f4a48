import json
import subprocess
import sys
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.names import TERMINATION_MESSAGE_MAX_BYTES
from lowtide.trainingjob.first_report import first_message
from lowtide.trainingjob.inference_record import InferenceRecord
from lowtide.trainingjob.report import (
    HISTORY_LIMIT,
    CheckpointInfo,
    EpochRecord,
    TrainingOutcome,
    TrainingReport,
    bounded_history,
    bounded_text,
    build_report,
    parse_report,
    to_message,
)
from lowtide.trainingjob.report_values import PLAIN_CHECKS
from lowtide_trainer.clock import utc_text
from lowtide_trainer.facts import FACTS, FACTS_PER_SAMPLE

START = datetime(2026, 12, 1, 2, 15, tzinfo=UTC)

names = st.text(max_size=120).map(bounded_text)
counts = st.integers(0, 2**63 - 1)
flops = st.integers(0, 10**27 - 1)
epoch_numbers = st.integers(0, 10**9 - 1)
fractions = st.floats(0, 1)
moments = st.datetimes(
    min_value=datetime(1970, 1, 1), max_value=datetime(5138, 1, 1), timezones=st.just(UTC)
)
records = st.builds(
    EpochRecord,
    epoch=epoch_numbers,
    ended_at=moments,
    duration_seconds=st.floats(0, 1e9),
    accuracy=st.none() | fractions,
)
histories = st.lists(records, max_size=60, unique_by=lambda record: record.epoch).map(
    lambda found: bounded_history(sorted(found, key=lambda record: record.epoch))
)
checkpoints = st.builds(
    CheckpointInfo, name=names, batches=counts, saved_at=moments, size_bytes=counts
)
optional_counts = dict.fromkeys(
    ("samples", "samples_planned", "resumed_samples", "tokens", "parameters"),
    st.none() | counts,
)
reports = st.builds(
    TrainingReport,
    outcome=st.none() | st.sampled_from(TrainingOutcome),
    error=st.none() | st.text(max_size=500).map(lambda text: bounded_text(text, 300)),
    model=st.none() | names,
    dataset=st.none() | names,
    framework=st.none() | names,
    device=st.none() | names,
    seed=st.none() | st.integers(-(2**63), 2**64 - 1),
    epochs=st.none() | epoch_numbers,
    epochs_planned=st.none() | epoch_numbers,
    accuracy=st.none() | fractions,
    accuracy_top5=st.none() | fractions,
    loss=st.none() | st.floats(-1e308, 1e308),
    started_at=st.none() | moments,
    training_seconds=st.none() | st.floats(0, 1e9),
    history=histories,
    checkpoint=st.none() | checkpoints,
    flops=st.none() | flops,
    **optional_counts,
)


def longest_report() -> TrainingReport:
    """A report in which every value takes as many bytes as it may."""
    late = datetime(5138, 1, 1, 1, 1, 1, 999000, tzinfo=UTC)
    name, count, fraction = '"' * 40, 2**63 - 1, 2.2250738585072014e-308
    history = tuple(
        EpochRecord(
            epoch=10**9 - 1 - HISTORY_LIMIT + index,
            ended_at=late,
            duration_seconds=999999999.999,
            accuracy=0.123456,
        )
        for index in range(HISTORY_LIMIT)
    )
    return TrainingReport(
        outcome=TrainingOutcome.FINISHED,
        error="é" * 150,
        model=name,
        dataset=name,
        framework=name,
        device=name,
        seed=-(2**63),
        epochs=10**9 - 1,
        epochs_planned=10**9 - 1,
        samples=count,
        samples_planned=count,
        resumed_samples=count,
        tokens=count,
        parameters=count,
        flops=10**27 - 1,
        accuracy=fraction,
        accuracy_top5=fraction,
        loss=-fraction,
        started_at=late,
        training_seconds=fraction,
        history=history,
        checkpoint=CheckpointInfo(name=name, batches=count, saved_at=late, size_bytes=count),
    )


@pytest.mark.slow
@given(reports)
def test_any_report_fits_a_termination_message_and_reads_back_equal(report):
    """The round trip through JSON loses nothing and never passes the kubelet's 4096 bytes."""
    message = to_message(report)

    assert len(message.encode()) <= TERMINATION_MESSAGE_MAX_BYTES
    parsed = parse_report(message)
    assert parsed.faults == ()
    assert parsed.report == report


def longest_inference() -> InferenceRecord:
    """A record in which every value takes as many bytes as it may."""
    late, count = datetime(5138, 1, 1, 1, 1, 1, 999000, tzinfo=UTC), 2**63 - 1
    return InferenceRecord(
        started_at=late,
        ended_at=late,
        warmup_requests=count,
        requests=count,
        samples=count,
        tokens=count,
        latency_mean_seconds=99999999.123456,
        latency_p50_seconds=99999999.123456,
        latency_p95_seconds=99999999.123456,
        latency_p99_seconds=99999999.123456,
    )


def test_the_longest_report_of_an_inference_fits():
    """It has no history, which is the longest part of a training's."""
    report = replace(longest_report(), history=(), inference=longest_inference())

    assert len(to_message(report).encode()) <= TERMINATION_MESSAGE_MAX_BYTES
    assert parse_report(to_message(report)).report == report


def test_a_report_is_of_a_training_or_of_an_inference():
    """Both at once would not fit; a writer is refused, a reader keeps the training."""
    with pytest.raises(ValueError, match="of a training with a history or of an inference"):
        replace(longest_report(), inference=longest_inference())

    both = build_report({"history": longest_report().history, "inference": longest_inference()})

    assert both.report.history == longest_report().history
    assert both.report.inference is None
    assert "inference is left out" in both.faults[0]


def test_the_longest_possible_report_fits():
    """Every field at its limit at once still fits, so no run can lose its report."""
    message = to_message(longest_report())

    assert 3500 < len(message.encode()) <= TERMINATION_MESSAGE_MAX_BYTES
    assert parse_report(message).report == longest_report()


def test_a_report_reads_as_documented():
    """The JSON has camelCase names, RFC 3339 times and the history in columns."""
    report = TrainingReport(
        outcome=TrainingOutcome.PAUSED,
        epochs=2,
        epochs_planned=4,
        accuracy=0.5,
        started_at=START,
        history=(
            EpochRecord(epoch=1, ended_at=START, duration_seconds=10.0004, accuracy=0.25),
            EpochRecord(epoch=2, ended_at=START + timedelta(seconds=11), duration_seconds=11),
        ),
    )

    # 2026-12-01T02:15:00Z is 1796091300 seconds after 1970: `date -d 2026-12-01T02:15:00Z +%s`.
    assert json.loads(to_message(report)) == {
        "schemaVersion": 1,
        "outcome": "Paused",
        "epochs": 2,
        "epochsPlanned": 4,
        "accuracy": 0.5,
        "startedAt": "2026-12-01T02:15:00.000Z",
        "history": {
            "epoch": [1, 2],
            "endedAt": [1796091300.0, 1796091311.0],
            "durationSeconds": [10.0, 11.0],
            "accuracy": [0.25, None],
        },
    }


@given(st.lists(records, max_size=300, unique_by=lambda record: record.epoch))
def test_a_long_history_loses_resolution_but_no_time(found):
    """Merging keeps the last epoch, the order and the sum of the durations."""
    history = bounded_history(found)

    assert len(history) <= HISTORY_LIMIT
    assert history[-1:] == () or history[-1].epoch == found[-1].epoch
    if sum(record.duration_seconds for record in found) < 1e8:
        total = sum(record.duration_seconds for record in history)
        assert total == pytest.approx(sum(record.duration_seconds for record in found), abs=1e-3)


def test_a_history_of_a_hundred_epochs_keeps_every_fourth():
    """A hundred epochs halve to fifty, then to twenty-five entries of four epochs each."""
    history = bounded_history(
        EpochRecord(epoch=number, ended_at=START, duration_seconds=2.5) for number in range(1, 101)
    )

    assert [record.epoch for record in history] == list(range(4, 101, 4))
    assert {record.duration_seconds for record in history} == {10.0}


@given(st.text() | st.none())
def test_reading_any_text_never_raises(message):
    """Anything may stand in a termination message; what is not a report is named as such."""
    parsed = parse_report(message)

    assert parsed.report is not None or len(parsed.faults) == 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(list(json.loads(to_message(longest_report())))), json_values)
)
def test_reading_any_values_never_raises(document):
    """Wrong types and ranges cost the field, not the report."""
    parsed = parse_report(json.dumps({**document, "schemaVersion": 1}))

    assert parsed.report is not None
    assert len(parsed.faults) <= len(document)
    assert all(len(fault) < 200 and fault.isprintable() for fault in parsed.faults)


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        pytest.param(None, "is empty", id="no message"),
        pytest.param(" \n", "is empty", id="blank"),
        pytest.param("Traceback (most recent", "not a report: 'Traceback", id="a log line"),
        pytest.param('{"schemaVersion":1,"epo', "is not a report", id="cut off"),
        pytest.param("[" * 5000, "is not a report", id="nested too deep"),
        pytest.param('{"epochs":' + "9" * 5000 + "}", "is not a report", id="huge number"),
        pytest.param("[1]", "no schemaVersion", id="not an object"),
        pytest.param('{"epochs":1}', "no schemaVersion", id="no version"),
        pytest.param('{"schemaVersion":2}', "schemaVersion 2, 1 can be read", id="newer"),
        pytest.param('{"schemaVersion":true}', "schemaVersion True", id="version is a boolean"),
        pytest.param("x" * 70000, "70000 characters: too long", id="too long"),
    ],
)
def test_what_is_no_report_is_said_in_one_sentence(message, fault):
    """A message that is not a report yields none, and the reason."""
    parsed = parse_report(message)

    assert parsed.report is None
    assert len(parsed.faults) == 1
    assert fault in parsed.faults[0]


@pytest.mark.parametrize(
    ("field", "fault"),
    [
        pytest.param('"accuracy":80', "accuracy is left out: 80 is not a fraction from 0 to 1, "
                     "divide percent by 100", id="percent"),
        pytest.param('"accuracy":NaN', "nan is not a finite number", id="not a number"),
        pytest.param('"loss":Infinity', "inf is not a finite number", id="infinite"),
        pytest.param('"loss":' + "9" * 400, "an integer of 1329 bits", id="overflows"),
        pytest.param('"epochs":-1', "epochs is left out: -1", id="negative"),
        pytest.param('"epochs":true', "True is not a whole number", id="boolean"),
        pytest.param('"samples":"512"', "'512' is not a whole number", id="text for a number"),
        pytest.param('"outcome":"Done"', "'Done' is not one of Running, Finished", id="outcome"),
        pytest.param('"model":"a\\u0000b"', "has unprintable", id="control character"),
        pytest.param('"model":"\\ud800"', "has unprintable", id="lone surrogate"),
        pytest.param('"model":"' + "m" * 81 + '"', "longer than 80 bytes", id="long name"),
        pytest.param('"startedAt":"2026-12-01T02:15:00"', "not a time with", id="no offset"),
        pytest.param('"startedAt":"0001-01-01T00:00:00Z"', "years 1970", id="too early"),
        pytest.param('"checkpoint":{}', "None is not text", id="empty checkpoint"),
        pytest.param('"history":[]', "not a history", id="history without columns"),
        pytest.param('"history":{"epoch":[1],"endedAt":[],"durationSeconds":[1],"accuracy":[1]}',
                     "four lists of equal length", id="ragged history"),
        pytest.param('"history":{"epoch":[2,1],"endedAt":[1,2],"durationSeconds":[1,1],'
                     '"accuracy":[0,1]}', "ascending order", id="history out of order"),
    ],
)  # fmt: skip
def test_a_bad_field_is_left_out_and_named(field, fault):
    """One bad value does not cost the others."""
    parsed = parse_report('{"schemaVersion":1,"parameters":7,' + field + "}")

    assert parsed.report == TrainingReport(parameters=7)
    assert len(parsed.faults) == 1
    assert fault in parsed.faults[0]


def test_fields_of_a_later_version_are_ignored():
    """A newer trainer may write more than this reader knows."""
    parsed = parse_report('{"schemaVersion":1,"epochs":3,"perplexity":12}')

    assert parsed == build_report({"epochs": 3})


def test_a_report_that_breaks_its_limits_cannot_be_made():
    """The limits hold at construction, so writing never fails."""
    with pytest.raises(ValueError, match="accuracy: 80 is not a fraction"):
        TrainingReport(accuracy=80)


def test_long_text_is_cut_to_one_printable_line():
    """A stack trace becomes one line that says it was cut."""
    line = bounded_text("Error:\n\tdisk\x00 full " + "é" * 100, 40)

    assert line.startswith("Error: disk  full é")
    assert line.endswith("…")
    assert len(line.encode()) <= 40


def test_reading_a_report_needs_no_pydantic():
    """The trainer's image has no pydantic, and shares this module with the operator."""
    code = "import sys, lowtide.trainingjob.report; sys.exit('pydantic' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], timeout=240, check=False).returncode == 0


def test_a_report_that_the_kubelet_cut_keeps_its_beginning():
    """Four containers share 12 KiB: 3072 bytes each, and the history of a long run needs more."""
    report = longest_report()
    message = to_message(report)

    parsed = parse_report(message.encode()[:3072].decode(errors="ignore"))

    assert len(message.encode()) > 3072
    assert parsed.report == replace(report, history=())
    assert len(parsed.faults) == 1
    assert parsed.faults[0].startswith("the report was cut after 307")


@pytest.mark.parametrize("length", range(18, 60))
def test_a_report_cut_anywhere_gives_no_value_that_it_did_not_hold(length):
    """A number that is cut in its middle would be another number."""
    message = '{"schemaVersion":1,"epochs":1234,"samples":5678,"accuracy":0.25}'

    report = parse_report(message[:length]).report

    if report is not None:
        assert report.epochs in (None, 1234)
        assert report.samples in (None, 5678)
        assert report.accuracy is None


ANY_VALUE = (
    names
    | counts
    | st.floats()
    | fractions
    | st.booleans()
    | st.none()
    | st.text(max_size=90)
    | st.sampled_from(['a "quoted" name', "back\\slash", "Grüße, 電気"])
)


@given(
    st.dictionaries(st.sampled_from(sorted(PLAIN_CHECKS)), ANY_VALUE),
    moments,
    st.floats(0, 1e9),
)
def test_the_report_of_a_start_is_what_any_report_of_these_values_is(values, started_at, seconds):
    """Byte for byte, and with the same faults; only the modules that make it are fewer."""
    parsed = build_report(
        {**values, "outcome": "Running", "started_at": started_at, "training_seconds": seconds}
    )

    message, faults = first_message(values, utc_text(started_at.timestamp()), seconds)

    assert message == to_message(parsed.report)
    assert tuple(faults) == parsed.faults


def test_every_field_of_the_report_may_be_given_as_a_fact():
    """The names stand apart from the report, which a start does not load."""
    assert {part.name for part in fields(TrainingReport)} == FACTS - {FACTS_PER_SAMPLE}
