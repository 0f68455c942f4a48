"""Episodes in which most jobs are elastic: their plans say how wide they run.

Beside all other promises, pods of two sizes never meet, and no size changes while pods are there.
"""

import random

from standins.episodes.episode import Episode
from standins.episodes.wide import EFFICIENCY, INDEXED, WidePods
from standins.episodes.world import Body, World

ELASTIC = 0.7
"""Share of the jobs that may change their size; these run for more than an hour of the grid."""


class ElasticEpisode(Episode):
    """An episode whose jobs have up to four pods."""

    def new_world(self, dice: random.Random) -> World:
        """Return a world whose Jobs have several pods."""
        return WidePods(dice)

    def more_of_spec(self, schedule: Body) -> Body:
        """Return an Indexed template, and let most jobs change its size."""
        base = self.tastes.randrange(1, 4)
        if self.tastes.random() < ELASTIC:
            schedule["interruption"] = {**schedule["interruption"], "allowed": True}
            schedule["elastic"] = {
                "minReplicas": self.tastes.randrange(1, base + 1),
                "maxReplicas": self.tastes.randrange(base, 5),
                "efficiency": str(EFFICIENCY),
            }
            seconds = self.tastes.randrange(3600, 3 * 3600)
            schedule["expectedDurationSeconds"] = seconds
            later = 1.3 * seconds + self.tastes.randrange(600, 3 * 3600)
            schedule.pop("maxDelaySeconds", None)
            schedule["deadline"] = self.world.text(self.world.now + later)
        container: Body = {"name": "c", "image": "x"}
        if gpus := self.tastes.choice((0, 1)):
            container["resources"] = {"limits": {"nvidia.com/gpu": gpus}}
        pods = {"spec": {"containers": [container]}}
        job = {**INDEXED, "parallelism": base, "completions": base, "template": pods}
        return {"template": {"spec": job}}

    def check_more(self, name: str, body: Body) -> None:
        """Check that no two sizes met."""
        world = self.world
        if isinstance(world, WidePods) and world.faults:
            raise self.fail(f"{world.faults}")
