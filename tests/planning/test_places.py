"""Order of places: what a kilowatt-hour costs in each, and what is never ranked together."""

import random
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from builders import NOW, build_forecast, build_request

from lowtide.grid.series import Factor, Signal
from lowtide.planning import Objective, ObjectiveKind
from lowtide.planning.moving import Moving
from lowtide.planning.objective import CARBON
from lowtide.planning.places import Place, in_order, incomparable, known_places, place_of
from lowtide.prices.forecast import PriceBasis, PriceForecast

COST = Objective(ObjectiveKind.COST)


def place(
    name: str, grams: list[float], *, window: float = 1.0, moving: Moving | None = None
) -> Place:
    """Return a place where a job of one hour runs in a window of so many hours."""
    forecast = build_forecast(grams, zone=name)
    request = build_request(window_hours=window)
    return place_of(name, name, NOW, request, forecast, moving=moving)


def names(places: list[Place]) -> list[str]:
    return [one.name for one in places]


def test_a_job_that_begins_now_goes_by_now_and_one_that_may_wait_by_its_best_window() -> None:
    """South is dirty now and clean in two hours; north is steady between the two."""
    south, north = [400.0, 400.0, 100.0, 100.0], [200.0] * 4
    at_once = [place("south", south), place("north", north)]
    later = [place("south", south, window=4.0), place("north", north, window=4.0)]
    assert names(in_order(at_once, CARBON)) == ["north", "south"]
    assert names(in_order(later, CARBON)) == ["south", "north"]


def test_data_that_must_be_moved_turn_the_order() -> None:
    """100 GB at 20 g are 2,000 g, over 10 kWh 200 g/kWh: 150 + 200 is more than 300 at home."""
    data = Moving(gigabytes=100, home="DE", energy_kwh=10, grams_per_gb=20, price_per_gb=None)
    home, away = place("DE", [300.0], moving=data), place("FR", [150.0], moving=data)
    assert home.cost_per_kwh(CARBON) == pytest.approx(300)
    assert away.cost_per_kwh(CARBON) == pytest.approx(350)
    assert names(in_order([away, home], CARBON)) == ["DE", "FR"]


def test_a_place_without_a_forecast_or_a_price_stands_last_with_its_reason() -> None:
    """By cost too: a zone whose price is not known is not a free one."""
    request = build_request(window_hours=1.0)
    none = place_of("none", "none", NOW, request, None, trouble="its provider is away")
    assert names(in_order([none, place("DE", [900.0])], CARBON)) == ["DE", "none"]
    assert none.reason == "its provider is away"

    by_cost = replace(request, objective=COST)
    prices = PriceForecast(
        zone="FR",
        currency="EUR",
        start=NOW,
        slot_seconds=3600,
        price_per_kwh=(0.9,),
        spread_per_kwh=(0.0,),
        bases=(PriceBasis.PUBLISHED,),
    )
    forecast = build_forecast([50.0])
    unpriced = place_of("DE", "DE", NOW, by_cost, forecast)
    priced = place_of("FR", "FR", NOW, by_cost, forecast, prices)
    assert unpriced.reason == "no price"
    assert names(in_order([unpriced, priced], COST)) == ["FR", "DE"]
    assert known_places([unpriced, priced], COST) == [priced]


def test_kinds_of_intensity_and_of_factors_are_never_ranked_together() -> None:
    """The sentence names each place with what it has."""
    average = place("DE", [300.0])
    marginal = replace(place("FR", [100.0]), signal=str(Signal.MARGINAL))
    assert incomparable([average, marginal], CARBON) == (
        "the zones' intensities do not compare: DE Average, FR Marginal"
    )
    direct = replace(average, factor=Factor.DIRECT)
    whole = replace(place("FR", [100.0]), factor=Factor.LIFE_CYCLE)
    assert "DE direct, FR life-cycle" in (incomparable([direct, whole], CARBON) or "")
    assert incomparable([direct, average], CARBON) is None


@pytest.mark.parametrize("seed", range(20))
def test_the_order_is_that_of_the_costs_and_loses_no_place(seed: int) -> None:
    """Against sorting by hand, with unknown ones and equal ones among them."""
    chance = random.Random(seed)
    given = []
    for number in range(chance.randint(1, 9)):
        grams = chance.choice([None, 100.0, 200.0, 300.0])
        forecast = None if grams is None else build_forecast([grams] * 2)
        given.append(
            place_of(str(number), str(number), NOW, build_request(window_hours=1), forecast)
        )
    ordered = in_order(given, CARBON)
    assert sorted(names(ordered)) == sorted(names(given)), f"seed {seed}"
    costs = [one.cost_per_kwh(CARBON) for one in ordered]
    known = [cost for cost in costs if cost is not None]
    assert costs == [*sorted(known), *[None] * (len(costs) - len(known))], f"seed {seed}"
    for one, two in pairwise(ordered):
        if one.cost_per_kwh(CARBON) == two.cost_per_kwh(CARBON):
            assert given.index(one) < given.index(two), f"seed {seed}"


def test_a_window_that_no_forecast_reaches_is_not_known() -> None:
    """An hour's work where the forecast ended an hour ago."""
    forecast = build_forecast([100.0], start=NOW - timedelta(hours=2))
    late = place_of("DE", "DE", NOW, build_request(window_hours=1), forecast)
    assert late.cost_per_kwh(CARBON) is None
    assert late.reason == "no forecast"
