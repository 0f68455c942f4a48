"""Falling through a chain, and telling why."""

from datetime import UTC, datetime, timedelta

import pytest

from lowtide.grid.cache import CachedProvider, SeriesCache
from lowtide.grid.chain import Chain
from lowtide.grid.errors import Exhausted, Failure, NoData, NotOffered, Unauthorized, Unavailable
from lowtide.grid.series import MixedSignalsError, Signal

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def chain(*providers):
    cache = SeriesCache()
    return Chain([CachedProvider(one, cache, refresh=HOUR) for one in providers])


def test_the_first_that_answers_is_used(fake, hourly):
    """The second choice is not even asked."""
    first, second = fake("first"), fake("second")
    first.expected = hourly(NOW, [300])
    second.expected = hourly(NOW, [400])

    answer = chain(first, second).forecast("DE", NOW)

    assert (answer.provider, answer.failures, answer.is_old) == ("first", (), False)
    assert second.forecasts_asked == 0


def test_a_failure_on_the_way_is_remembered(fake, hourly):
    """A plan made with the second choice can say why."""
    first, second = fake("first"), fake("second")
    first.expected = Unauthorized("First answered 401 for zone DE")
    second.expected = hourly(NOW, [400])

    answer = chain(first, second).forecast("DE", NOW)

    assert answer.provider == "second"
    assert answer.failures == (Failure("first", "Unauthorized", "First answered 401 for zone DE"),)


def test_a_provider_without_forecasts_is_not_a_failure(fake, hourly):
    """Not having a kind of data is not an outage."""
    first, second = fake("first"), fake("second")
    second.expected = hourly(NOW, [400])

    assert chain(first, second).forecast("DE", NOW).failures == ()


def test_when_all_fail_the_preferred_ones_reason_counts(fake):
    """The condition names the provider that the settings want; the message names all."""
    first, second = fake("first"), fake("second")
    first.expected, second.expected = NoData("nothing here"), Unavailable("down")

    with pytest.raises(Exhausted, match="nothing here; down") as caught:
        chain(first, second).forecast("DE", NOW)

    assert caught.value.reason == "NoData"
    assert [f.reason for f in caught.value.failures] == ["NoData", "Unavailable"]


def test_an_old_forecast_is_better_than_none_and_labelled(fake, hourly):
    """It is used while it reaches into the future, together with the present failures."""
    first = fake("first")
    first.expected = hourly(NOW, [300, 310, 320, 330])
    providers = chain(first)
    providers.forecast("DE", NOW)
    first.expected = Unavailable("down")

    answer = providers.forecast("DE", NOW + 2 * HOUR)

    assert answer.is_old
    assert [p.grams_per_kwh for p in answer.series.points] == [320, 330]
    assert [f.reason for f in answer.failures] == ["Unavailable"]


def test_a_fresh_second_choice_goes_before_an_old_first_one(fake, hourly):
    """Old values are the last resort."""
    first, second = fake("first"), fake("second")
    first.expected = hourly(NOW, [300, 310, 320, 330])
    second.expected = hourly(NOW, [400, 410, 420, 430])
    providers = chain(first, second)
    providers.forecast("DE", NOW)
    first.expected = Unavailable("down")

    answer = providers.forecast("DE", NOW + 2 * HOUR)

    assert (answer.provider, answer.is_old) == ("second", False)


@pytest.mark.parametrize("count", [0, 1])
def test_a_chain_that_has_no_such_data_says_so(fake, count):
    """That is neither an outage nor a condition."""
    with pytest.raises(NotOffered, match="zone DE"):
        chain(*[fake()] * count).forecast("DE", NOW)


def test_actual_values_have_their_own_way_through_the_chain(fake, hourly):
    """A provider without actual values leaves them to the next one."""
    first, second = fake("first"), fake("second")
    first.expected = hourly(NOW, [300])
    second.seen = hourly(NOW - HOUR, [290])

    assert chain(first, second).actuals("DE", NOW - HOUR, NOW).provider == "second"


def test_average_and_marginal_in_one_chain_are_refused(fake):
    """They would meet in one figure."""
    with pytest.raises(MixedSignalsError, match="first is Average, second is Marginal"):
        chain(fake("first"), fake("second", Signal.MARGINAL))


def test_labels_tell_providers_apart(fake):
    """Two files need two labels."""
    with pytest.raises(ValueError, match="different labels"):
        chain(fake("file"), fake("file"))


def test_reordering_takes_exactly_the_same_providers(fake):
    """A rule may change the order and nothing else."""
    providers = chain(fake("a"), fake("b"))

    assert [p.label for p in providers.reordered(["b", "a"]).providers] == ["b", "a"]
    with pytest.raises(ValueError, match="not those of the chain"):
        providers.reordered(["b"])
