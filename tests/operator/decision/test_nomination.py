"""Nomination of clusters: the best first, one more each time it takes too long, none forgotten."""

import random
from datetime import timedelta

import pytest
from builders import NOW, build_forecast, build_request

from lowtide.planning.objective import CARBON
from lowtide.planning.places import Place, place_of
from lowtide_operator.decision.nomination import (
    NO_ZONE,
    NOT_CONNECTED,
    Nomination,
    Ranking,
    all_of,
    nominate,
    ranking,
)
from lowtide_operator.objects.multikueue import WorkerCluster

GRAMS = {"coal": 700.0, "gas": 400.0, "wind": 20.0}
WIDEN = 300.0


def cluster(name: str, *, zone: str | None = None, connected: bool = True) -> WorkerCluster:
    return WorkerCluster(name=name, zone=name if zone is None else zone, connected=connected)


def places() -> list[Place]:
    """Return what an hour would cost now in each zone."""
    request = build_request(window_hours=1.0)
    return [place_of(n, n, NOW, request, build_forecast([g])) for n, g in GRAMS.items()]


def order(*clusters: WorkerCluster) -> Ranking:
    given = clusters or tuple(cluster(name) for name in GRAMS)
    return ranking(given, places(), CARBON)


def after(seconds: float, nominated: tuple[str, ...], ranked: Ranking | None = None) -> Nomination:
    """Return the nomination so many seconds after the quota was reserved."""
    return nominate(
        ranked or order(),
        nominated,
        reserved_at=NOW,
        now=NOW + timedelta(seconds=seconds),
        widen_seconds=WIDEN,
    )


def test_the_cleanest_cluster_is_nominated_alone_and_the_others_are_named() -> None:
    """The sentence says what each is ranked by."""
    made = after(1, ())
    assert made.clusters == ("wind",)
    assert made.look_again_at == NOW + timedelta(seconds=WIDEN)
    assert made.explanation == (
        "nominated wind (zone wind, 20 g/kWh); without quota there, one more after each 300 s: "
        "gas (zone gas, 400 g/kWh), coal (zone coal, 700 g/kWh)"
    )


def test_one_more_is_added_after_each_wait_and_what_was_nominated_stays() -> None:
    """Nothing changes before the time; then the next in the order comes beside the first."""
    assert after(299, ("wind",)).clusters == ("wind",)
    second = after(300, ("wind",))
    assert second.clusters == ("wind", "gas")
    assert "nominated gas (zone gas, 400 g/kWh) beside wind, which did not admit it" in (
        second.explanation
    )
    last = after(600, second.clusters)
    assert last.clusters == ("wind", "gas", "coal")
    assert last.look_again_at is None


def test_after_an_outage_what_is_overdue_is_nominated_together() -> None:
    """No workload waits longer for a cluster because the operator was away."""
    assert after(650, ()).clusters == ("wind", "gas", "coal")


def test_a_better_one_that_appears_later_is_next_and_takes_nothing_back() -> None:
    """Kueue may just be admitting the workload in the first."""
    assert after(10, ("coal",)).clusters == ("coal",)
    assert after(310, ("coal",)).clusters == ("coal", "wind")


def test_a_cluster_out_of_reach_comes_last_and_does_not_hold_the_next_up() -> None:
    """The cleanest one is not connected: the second is nominated at once."""
    ranked = order(cluster("wind", connected=False), cluster("gas"), cluster("coal"))
    first = after(0, (), ranked)
    assert first.clusters == ("gas",)
    assert f"wind ({NOT_CONNECTED})" in first.explanation
    # It was connected when it was nominated.
    assert after(0, ("wind",), ranked).clusters == ("wind", "gas")


def test_a_cluster_without_a_zone_is_after_those_with_one_and_that_is_said() -> None:
    """It is still nominated in the end."""
    ranked = order(cluster("aaa", zone=""), cluster("coal"))
    first = after(0, (), ranked)
    assert first.clusters == ("coal",)
    assert f"aaa ({NO_ZONE})" in first.explanation
    assert after(300, first.clusters, ranked).clusters == ("coal", "aaa")


def test_without_any_known_place_all_are_nominated_at_once() -> None:
    """There is nothing to wait for."""
    ranked = ranking([cluster("b", zone=""), cluster("a", zone="")], [], CARBON)
    made = after(0, (), ranked)
    assert made.clusters == ("a", "b")
    assert made.look_again_at is None
    assert made.explanation == "all clusters are nominated at once: no zone is known"


def test_a_workload_of_others_gets_all_clusters_at_once() -> None:
    """As without a dispatcher."""
    made = after(0, (), all_of([cluster("b"), cluster("a", connected=False)], "it is not ours"))
    assert made.clusters == ("a", "b")
    assert made.explanation == "all clusters are nominated at once: it is not ours"


def test_a_cluster_that_left_the_configuration_is_nominated_no_more() -> None:
    """The next in the order takes its place."""
    assert after(0, ("gone",)).clusters == ("wind",)


@pytest.mark.parametrize("seed", range(30))
def test_every_cluster_is_nominated_in_time_and_none_is_taken_back(seed: int) -> None:
    """Looks at random times, with clusters that come and go from Kueue's reach."""
    chance = random.Random(seed)
    count = chance.randint(1, 6)
    everyone = [f"c{number}" for number in range(count)]
    nominated: tuple[str, ...] = ()
    seconds = 0.0
    while seconds < count * WIDEN:
        seconds += chance.uniform(1, 2 * WIDEN)
        grams = {name: chance.uniform(10, 900) for name in everyone}
        request = build_request(window_hours=1.0)
        known = [place_of(n, n, NOW, request, build_forecast([g])) for n, g in grams.items()]
        clusters = [cluster(name, connected=chance.random() < 0.8) for name in everyone]
        made = after(seconds, nominated, ranking(clusters, known, CARBON))
        assert made.clusters[: len(nominated)] == nominated, f"seed {seed}"
        assert len(set(made.clusters)) == len(made.clusters), f"seed {seed}"
        assert len(made.clusters) >= min(count, 1 + int(seconds // WIDEN)), f"seed {seed}"
        reached = {one.name for one in clusters if one.connected}
        assert not reached or reached & set(made.clusters), f"seed {seed}"
        nominated = made.clusters
    assert sorted(nominated) == everyone, f"seed {seed}"
