"""What a run's progress tells of its rest, or why it tells nothing."""

from lowtide.prediction.extrapolation import SumToCome
from lowtide.prediction.progress import (
    NotPredicted,
    Progress,
    Step,
    Unit,
    joules_to_come,
    peculiarities,
    seconds_to_come,
    until_metered,
)


def progress(*steps: Step, planned: float = 20) -> Progress:
    """Return the progress of a run of epochs."""
    done = sum(step.units for step in steps)
    return Progress(unit=Unit.EPOCHS, done=done, planned=planned, steps=steps)


def test_few_epochs_are_refused_with_the_number_that_is_needed() -> None:
    """Four epochs tell nothing of a trend."""
    answer = seconds_to_come(progress(*[Step(1, 60, 100)] * 4))

    assert answer == NotPredicted(
        "the running time of 4 epochs is known: it is predicted from 5 on"
    )


def test_epochs_that_jump_about_are_refused() -> None:
    """An interval wider than the prediction is no prediction, and the reason is said."""
    wild = [Step(1, seconds) for seconds in (1, 900, 30, 2000, 5, 700)]

    answer = seconds_to_come(progress(*wild, planned=200))

    assert isinstance(answer, NotPredicted)
    assert "differs too much from step to step" in answer.sentence


def test_a_course_that_runs_away_is_refused_by_the_mean_of_its_steps() -> None:
    """Five recorded epochs that grew from 0.4 to 1.9 s, of 40: a line foresees 16 times too much.

    The expectation grows along with its interval, so the interval alone looks narrow beside it.
    """
    grown = [Step(1, seconds) for seconds in (0.41, 0.62, 1.00, 1.26, 1.87)]

    answer = seconds_to_come(progress(*grown, planned=40))

    assert isinstance(answer, NotPredicted)
    assert "differs too much from step to step" in answer.sentence


def test_entries_of_several_epochs_count_as_so_many() -> None:
    """Entries of two epochs with 200 J each: eight epochs are left, at 100 J."""
    answer = joules_to_come(progress(*[Step(2, 120, 200)] * 6, planned=20))

    assert isinstance(answer, SumToCome)
    assert round(answer.expected) == 800


def test_energy_is_learnt_from_the_epochs_after_the_last_gap() -> None:
    """An epoch without samples cannot be skipped: its neighbours no longer follow one another."""
    known, unknown = Step(1, 60, 100), Step(1, 60)

    after = joules_to_come(progress(unknown, *[known] * 6))
    short = joules_to_come(progress(*[known] * 6, unknown, known))

    assert isinstance(after, SumToCome)
    assert round(after.expected) == 1300
    assert short == NotPredicted("the energy of 1 epochs is known: it is predicted from 5 on")


def test_energy_that_is_not_read_yet_counts_as_still_to_come() -> None:
    """The samples of the two newest of eight epochs are missing: 14 of 20 are left, at 100 J."""
    known, unknown = Step(1, 60, 100), Step(1, 60)

    metered, seconds = until_metered(progress(*[known] * 6, unknown, unknown))
    answer = joules_to_come(metered)

    assert (metered.done, seconds) == (6, 120)
    assert isinstance(answer, SumToCome)
    assert round(answer.expected) == 1400


def test_energy_of_no_epoch_is_refused() -> None:
    """Nothing is left out where nothing is known."""
    blind = progress(*[Step(1, 60)] * 6)

    assert until_metered(blind) == (blind, 0.0)
    assert isinstance(joules_to_come(blind), NotPredicted)


def test_what_was_found_is_said_in_words() -> None:
    """A cold start and a trend, each in a sentence of its own."""
    steps = [Step(1, seconds) for seconds in (90, 50, 51, 52, 53, 54, 55, 56)]
    answer = seconds_to_come(progress(*steps))

    assert isinstance(answer, SumToCome)
    found = peculiarities(answer)
    assert found[0] == "a warm-up at the beginning is not carried on"
    assert found[1].startswith("each step takes +1.")
