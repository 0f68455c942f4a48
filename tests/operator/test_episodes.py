"""Seeded episodes of users, faults and deaths: the promises hold in each, and its seed is named."""

import pytest
from standins.episodes.budgets import BudgetEpisode
from standins.episodes.elastic import ElasticEpisode
from standins.episodes.episode import play

pytestmark = pytest.mark.usefixtures("no_log")

FEW = range(3)
MANY = 500
TOGETHER = 10


@pytest.mark.parametrize("seed", FEW)
def test_an_episode_keeps_the_promises(seed: int) -> None:
    """Another seed tells another story; all of them in virtual time."""
    play(seed)


@pytest.mark.slow
@pytest.mark.beside_cluster
@pytest.mark.parametrize("seed", [*range(600, 607), 5873, 6063, 7847])
def test_gaps_between_the_samples_lose_no_energy(seed: int) -> None:
    """Prometheus misses up to four scrapes in a row; the counters go on meanwhile.

    In 5873 a job runs whole within such a gap, in 6063 one ends within the second after its price
    changed; in 7847 a Job is created whose TrainingJob was deleted meanwhile.
    """
    play(seed, has_gaps=True)


@pytest.mark.slow
@pytest.mark.beside_cluster
@pytest.mark.parametrize("seed", range(8))
def test_budgets_act_with_evidence_and_in_time(seed: int) -> None:
    """Limits of energy, grams, money and the end; Warn, Pause or Stop; edited at any time.

    `benchmarks/operator/episodes.py --budgets` plays hundreds.
    """
    play(seed, has_gaps=bool(seed % 2), kind=BudgetEpisode)


@pytest.mark.slow
@pytest.mark.beside_cluster
@pytest.mark.parametrize("seed", range(8))
def test_elastic_jobs_keep_the_promises_of_all_others(seed: int) -> None:
    """Their sizes change by pauses, and pods of two sizes never meet.

    `benchmarks/operator/episodes.py --elastic` plays hundreds.
    """
    play(seed, has_gaps=bool(seed % 2), kind=ElasticEpisode)


@pytest.mark.slow
@pytest.mark.beside_cluster
@pytest.mark.parametrize("first", range(len(FEW), len(FEW) + MANY, TOGETHER))
def test_five_hundred_episodes_keep_the_promises(first: int) -> None:
    """20,000 are played by benchmarks/operator/episodes.py."""
    for seed in range(first, first + TOGETHER):
        play(seed)
