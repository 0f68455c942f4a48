"""One episode: users, faults and deaths for some hours, then calm; the promises are kept.

at most one Job ever starts for a TrainingJob
it starts no later than 60 s after its latest start, if an operator is up and can
in the calm, the status of every job says what is, and nothing more is written
the energy in the status is what the store holds, and the bill that energy at the published prices
a job by money is planned so, or says that its prices are away
calls are bounded, and nothing is kept of what is gone
"""

import asyncio
import random
from datetime import datetime, timedelta
from typing import Any

from standins.episodes import virtual_time
from standins.episodes.api import Api
from standins.episodes.program import Program
from standins.episodes.world import EPOCH, Body, EnergyStore, World, endings

from lowtide.units import parse_timestamp

FAULTY_HOURS = 4.0
CALM_HOURS = 14.0
QUIET_SECONDS = 3600.0
SETTLE_SECONDS = 2400.0
"""After the last end: energy that was read too early is read again after half an hour."""
GRACE_SECONDS = 60.0
STEP_SECONDS = 20.0
SCRAPED_BETWEEN_SECONDS = 120.0
"""From the end of a gap to the next one at least: a scrape comes every minute."""
NAMES = ("ant", "bee", "cat", "dog", "elk")
CALLS_PER_JOB_HOUR = 300


class BrokenPromiseError(AssertionError):
    """A promise was not kept; the message names the seed and the moment."""


class Episode:
    """What happens in one episode follows from its seed."""

    def __init__(self, seed: int, *, has_gaps: bool = False) -> None:
        self.seed = seed
        self._dice = random.Random(seed)
        self.world = self.new_world(self._dice)
        self._api = Api(self.world)
        self.store = EnergyStore(self.world)
        capacity = self._dice.choice((None, 1, 3))
        self.program = Program(self.world, self._api, self.store, capacity)
        self._story: list[str] = []
        self.tastes = random.Random(seed)
        """Dice of what does not change the story: the objectives of jobs."""
        if has_gaps:
            self.store.gaps = gaps_of(seed)
        self._without: set[str] = set()
        """TrainingJobs whose Job was deleted by a user."""

    async def run(self) -> None:
        """Play the episode.

        Raises:
            BrokenPromiseError: a promise was not kept.
        """
        self._api.noise = self._dice.choice((0.0, 0.02))
        self.program.drops = self._dice.choice((0.0, 0.01))
        self.program.start()
        watcher = asyncio.create_task(self._watch())
        end = FAULTY_HOURS * 3600
        try:
            while self.world.now < end:
                await asyncio.sleep(self._dice.expovariate(1 / 240))
                await self.something()
                if watcher.done():
                    break
            await self._calm(watcher)
        finally:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
            await self.program.kill()

    def fail(self, what: str) -> BrokenPromiseError:
        at = f"{self.world.now / 3600:.3f} h"
        return BrokenPromiseError(
            f"seed {self.seed}, at {at}: {what}\n  " + "\n  ".join(self._story[-25:])
        )

    def tell(self, what: str) -> None:
        self._story.append(f"{self.world.now:9.1f} {what}")

    def new_world(self, dice: random.Random) -> World:
        """Return the world that it happens in; other kinds of episodes have another."""
        return World(dice)

    # What happens.

    async def something(self) -> None:
        name = self._dice.choice(NAMES)
        users = (self._create, self._create, self._edit, self._suspend, self._run_now)
        users += (self._delete, self._delete_child, self._recreate)
        if self._dice.random() < 0.7:
            self._dice.choice(users)(name)
        else:
            await self._dice.choice(
                (
                    self._kill,
                    self._gap,
                    self._outage,
                    self._events_away,
                    self._store_away,
                    self._grid_away,
                    self._prices_away,
                    self._step_clock,
                    self._lose_node,
                    self._fill_cluster,
                )
            )()

    def _create(self, name: str) -> None:
        if name in self.world.jobs:
            return
        schedule: Body = {
            "policy": self._dice.choice(("CarbonOptimal", "CarbonOptimal", "Immediate", "Observe")),
            "expectedDurationSeconds": self._dice.randrange(120, 4000),
            "interruption": {"allowed": self._dice.random() < 0.5, "restartCostSeconds": 60},
        }
        objective = self.tastes.choice(
            (None, {"kind": "Cost"}, {"kind": "Both", "pricePerTonne": "100"})
        )
        if objective is not None:
            schedule["objective"] = objective
        if self._dice.random() < 0.3:
            later = self._dice.randrange(600, 5 * 3600)
            schedule["deadline"] = self.world.text(self.world.now + later)
        else:
            schedule["maxDelaySeconds"] = self._dice.randrange(0, 3 * 3600)
        if self._dice.random() < 0.15:
            later = self._dice.randrange(0, 3600)
            schedule["startNoEarlierThan"] = self.world.text(self.world.now + later)
        gpus = self._dice.choice((0, 1, 1, 2))
        container: Body = {"name": "c", "image": "x"}
        if gpus:
            container["resources"] = {"limits": {"nvidia.com/gpu": gpus}}
        spec = {
            "schedule": schedule,
            "suspend": self._dice.random() < 0.1,
            "template": {"spec": {"template": {"spec": {"containers": [container]}}}},
            **self.more_of_spec(schedule),
        }
        self.tell(f"create {name} {schedule}")
        self.world.create_job(name, spec)

    def more_of_spec(self, schedule: Body) -> Body:
        """Return what else the spec of a new job says; other kinds of episodes say more."""
        return {}

    def _edit(self, name: str) -> None:
        def change(body: Body) -> None:
            schedule = dict(body["spec"]["schedule"])
            if self._dice.random() < 0.5:
                schedule["policy"] = self._dice.choice(("CarbonOptimal", "Immediate", "Observe"))
            else:
                schedule.pop("deadline", None)
                schedule["maxDelaySeconds"] = self._dice.randrange(0, 3 * 3600)
            body["spec"] = {**body["spec"], "schedule": schedule}
            self.tell(f"edit {name} {schedule}")

        self.edited(name, change)

    def edited(self, name: str, change: Any) -> None:
        if name in self.world.jobs:
            self.world.edit_job(name, change)

    def _suspend(self, name: str) -> None:
        def change(body: Body) -> None:
            body["spec"] = {**body["spec"], "suspend": not body["spec"].get("suspend")}
            self.tell(f"suspend {name} {body['spec']['suspend']}")

        self.edited(name, change)

    def _run_now(self, name: str) -> None:
        def change(body: Body) -> None:
            body["metadata"]["annotations"] = {"lowtide.dev/run-now": "true"}
            self.tell(f"run-now {name}")

        self.edited(name, change)

    def _delete(self, name: str) -> None:
        if name in self.world.jobs:
            self.tell(f"delete {name}")
            self.world.delete_job(name)

    def _recreate(self, name: str) -> None:
        self._delete(name)
        self._create(name)

    def _delete_child(self, name: str) -> None:
        child = self.world.children.get(f"{name}-1")
        if child is None:
            return
        self.tell(f"delete Job {name}-1")
        self._without.add(child["metadata"]["ownerReferences"][0]["uid"])
        self.world.delete_child(f"{name}-1")

    async def _kill(self) -> None:
        self.tell("the operator is killed")
        await self.program.kill()
        await asyncio.sleep(self._dice.expovariate(1 / 60))
        self.tell("an operator starts")
        self.program.start()

    async def _for_a_while(self, mean: float, switch: Any, what: str) -> None:
        self.tell(f"{what} fails")
        switch(True)
        await asyncio.sleep(self._dice.expovariate(1 / mean))
        switch(False)
        self.tell(f"{what} works again")

    async def _gap(self) -> None:
        def switch(on: bool) -> None:
            self.program.in_gap = on
            if not on and self.program.is_up:
                self.program.list_anew()

        self.program.disturb(1)
        self._background(300, switch, "the watch")

    async def _outage(self) -> None:
        def switch(on: bool) -> None:
            self._api.is_down = on
            self.program.disturb(1)

        self._background(400, switch, "the API server")

    async def _events_away(self) -> None:
        self._background(1200, lambda on: setattr(self._api, "events_down", on), "Events")

    async def _store_away(self) -> None:
        part = self._dice.choice(("is_away", "hangs"))
        self._background(1800, lambda on: setattr(self.store, part, on), "Prometheus")

    async def _grid_away(self) -> None:
        self._background(1800, lambda on: setattr(self.program.grid, "is_away", on), "the grid")

    async def _prices_away(self) -> None:
        self._background(3600, lambda on: setattr(self.program.grid, "prices_away", on), "prices")

    async def _fill_cluster(self) -> None:
        self._background(900, lambda on: setattr(self.world, "no_room", on), "room")

    def _background(self, mean: float, switch: Any, what: str) -> None:
        self._others = getattr(self, "_others", [])
        self._others.append(asyncio.create_task(self._for_a_while(mean, switch, what)))

    async def _step_clock(self) -> None:
        step = self._dice.uniform(-300, 600)
        self.tell(f"the clock steps by {step:.0f} s")
        self.world.clock_offset += step
        self.program.disturb(5)

    async def _lose_node(self) -> None:
        self.tell("a node is lost")
        self.world.lose_node()

    # What must hold.

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(STEP_SECONDS)
            for uid, count in self.world.started.items():
                if count > 1:
                    raise self.fail(f"{count} Jobs were started for {uid}")
            if self.program.in_gap or self._api.is_down or not self.program.is_up:
                self.program.disturb(1)
                continue
            for name, body in self.world.jobs.items():
                if not self.rests(body):
                    self._check_start(name, body)
                self.check_more(name, body)

    def rests(self, body: Body) -> bool:
        """Return whether a job is kept from running for a reason of this kind of episode."""
        return False

    def check_more(self, name: str, body: Body) -> None:
        """Check what else must hold at every moment; other kinds of episodes promise more."""

    def check_end(self, name: str, body: Body) -> None:
        """Check what else must hold in the calm."""

    def _check_start(self, name: str, body: Body) -> None:
        uid = body["metadata"]["uid"]
        if self.world.started[uid] or uid in self._without or body["spec"].get("suspend"):
            return
        there = self.world.children.get(f"{name}-1")
        if there is not None and there["metadata"]["ownerReferences"][0]["uid"] != uid:
            # The Job of the one before still has the name.
            self.world.changed_at[uid] = self.world.now
            return
        latest = latest_start(body)
        if latest is None:
            return
        due = (latest - EPOCH).total_seconds() - self.world.clock_offset
        known = max(due, self.world.changed_at[uid], self.program.disturbed_until)
        if self.world.now > known + GRACE_SECONDS:
            late = self.world.now - known
            raise self.fail(f"{name} ({uid}) is late by {late:.0f} s: {brief(body.get('status'))}")

    async def _calm(self, watcher: asyncio.Task[None]) -> None:
        for task in getattr(self, "_others", []):
            task.cancel()
        self.tell("calm")
        api, program, world = self._api, self.program, self.world
        api.noise, api.is_down, api.events_down = 0.0, False, False
        self.store.is_away = self.store.hangs = False
        program.grid.is_away = program.grid.prices_away = program.in_gap = world.no_room = False
        program.drops = 0.0
        world.clock_offset = 0.0
        program.disturb(310)
        if not program.is_up:
            program.start()
        program.list_anew()
        calls = api.calls
        began, jobs = world.now, 1 + len(world.jobs)
        while world.now < began + CALM_HOURS * 3600:
            await self._sleep(1800, watcher)
            if all(self.is_settled(name, body) for name, body in world.jobs.items()):
                break
        await self._sleep(SETTLE_SECONDS, watcher)
        hours = (world.now - began) / 3600
        if api.calls - calls > CALLS_PER_JOB_HOUR * hours * jobs:
            raise self.fail(f"{api.calls - calls} calls in {hours:.0f} h for {jobs} jobs")
        writes = api.writes
        await self._sleep(QUIET_SECONDS, watcher)
        # A deadline may come near and pass, energy may become final: two writes, no heartbeat.
        if api.writes - writes > 2 * len(world.jobs):
            states = {name: brief(body.get("status")) for name, body in world.jobs.items()}
            raise self.fail(f"{api.writes - writes} writes while nothing changes: {states}")
        for name, body in world.jobs.items():
            self._check_status(name, body)
            self.check_end(name, body)
        self._check_ghosts()

    def is_settled(self, name: str, body: Body) -> bool:
        """Return whether nothing more will happen to a job by itself."""
        if self.rests(body):
            return True
        child = self.world.children.get(f"{name}-1")
        if child is None:
            status = body.get("status") or {}
            state = (status.get("display") or {}).get("state")
            return bool(body["spec"].get("suspend")) or state in ("Failed", "Complete", "Invalid")
        return bool(endings(child) or body["spec"].get("suspend"))

    async def _sleep(self, seconds: float, watcher: asyncio.Task[None]) -> None:
        """Wait, and raise what the watcher found meanwhile."""
        await asyncio.wait([watcher], timeout=seconds)
        if watcher.done():
            watcher.result()

    def _check_status(self, name: str, body: Body) -> None:
        status = body.get("status") or {}
        held = {c["type"]: c for c in status.get("conditions") or ()}
        uid = body["metadata"]["uid"]
        if status.get("observedGeneration") != body["metadata"]["generation"]:
            raise self.fail(f"{name}: the newest spec was not looked at: {brief(status)}")
        if any(c["reason"] == "HandlingFailed" for c in held.values()):
            raise self.fail(f"{name}: the operator failed at it: {brief(status)}")
        child = self.world.children.get(f"{name}-1")
        if not self.world.started[uid]:
            waits = held["Planned"]["status"] != "True" or held["Running"]["reason"] == "NameTaken"
            rests = body["spec"].get("suspend") or uid in self._without or self.rests(body)
            if not (waits or rests or latest_start(body) is None):
                raise self.fail(f"{name} was never started: {brief(status)}")
            return
        ended = [kind for kind in ("Complete", "Failed") if held[kind]["status"] == "True"]
        wanted = endings(child or {})
        # A Job that was deleted may have ended before; if not, it is lost.
        right = ended == wanted if child is not None else len(ended) == 1
        if not (right or self.rests(body)):
            raise self.fail(f"{name} is {ended}, its Job {wanted}: {brief(status)}")
        if ended:
            self._check_energy(name, uid, status, held["Measured"])

    def _check_energy(self, name: str, uid: str, status: Body, measured: Body) -> None:
        truth = self.world.joules_of(uid)
        stated = (status.get("energy") or {}).get("totalJoules")
        if truth == 0:
            return
        if measured["status"] == "Unknown":
            raise self.fail(f"{name}: {truth:.0f} J were never read: {measured}")
        self._check_bill(name, uid, status)
        if stated is None or abs(stated - truth) > 2 + 1e-6 * truth:
            raise self.fail(
                f"{name}: {stated} J in the status, {truth:.0f} J in the store: "
                f"{brief(status)} {status['attempts']}"
            )

    def _check_bill(self, name: str, uid: str, status: Body) -> None:
        truth = self.world.bill_of(uid, self.program.grid.price_at)
        bill = status.get("electricity") or {}
        doubt = 1e-6 + self.store.bill_in_doubt(uid, self.program.grid.price_at)
        if "paid" not in bill or abs(float(bill["paid"]) - truth) > doubt + 1e-4 * abs(truth):
            raise self.fail(f"{name}: {truth:.7f} EUR were owed, the status says {bill}")
        spec = self.world.jobs[name]["spec"]["schedule"]
        asked = (spec.get("objective") or {}).get("kind", "Carbon")
        plan = status.get("plan") or {}
        if plan.get("objective", asked) != asked and not plan.get("objectiveNote"):
            raise self.fail(f"{name} asks for {asked} and is planned by {plan.get('objective')}")

    def _check_ghosts(self) -> None:
        app = self.program.app
        if app is None:
            raise self.fail("no operator is up")
        known = sorted(key.name for key in app.cache.all_keys())
        if known != sorted(self.world.jobs):
            raise self.fail(f"the cache holds {known}, the cluster {sorted(self.world.jobs)}")
        children = sorted(child.name for child in app.cache.children())
        if children != sorted(self.world.children):
            raise self.fail(f"the cache holds {children}, the cluster {list(self.world.children)}")
        ended = {
            name
            for name, body in self.world.jobs.items()
            if ((body.get("status") or {}).get("display") or {}).get("state")
            in ("Complete", "CompletedLate", "Failed", "Invalid")
        }
        holding = {key.name for key in app.bookings.held_by()}
        if ghosts := holding & ended or holding - set(self.world.jobs):
            raise self.fail(f"GPUs are still reserved for {sorted(ghosts)}")


def brief(status: Body | None) -> str:
    """Return the conditions of a status in one line."""
    held = (status or {}).get("conditions") or ()
    return ", ".join(f"{c['type']}={c['status']}({c['reason']})" for c in held)


def latest_start(body: Body) -> datetime | None:
    """Return when a job starts at the latest by its spec alone, `None` if it never can.

    With a deadline it leaves 1.2 times the expected duration and two minutes (the settings'
    latency and margin); without one it is the longest delay after the creation. No policy and no
    wish to run now promises more: until then a job may wait for room.
    """
    schedule = body["spec"]["schedule"]
    created = parse_timestamp(body["metadata"]["creationTimestamp"])
    asked = schedule.get("startNoEarlierThan")
    earliest = max(created, parse_timestamp(asked)) if asked else created
    if "deadline" in schedule:
        spare = timedelta(seconds=1.2 * schedule["expectedDurationSeconds"] + 120)
        wanted = max(earliest, parse_timestamp(schedule["deadline"]) - spare)
    else:
        wanted = max(earliest, created + timedelta(seconds=schedule["maxDelaySeconds"]))
    if "deadline" in schedule:
        left = (parse_timestamp(schedule["deadline"]) - earliest).total_seconds()
        needs = schedule["expectedDurationSeconds"]
        if left <= 0 or (left < needs and schedule["policy"] == "CarbonOptimal"):
            return None
    return wanted


def gaps_of(seed: int) -> tuple[tuple[float, float], ...]:
    """Return when Prometheus scrapes nothing: some 12 times, up to four minutes each.

    Exporters show a pod for five minutes after its end, so its last sample always comes.
    """
    dice, gaps, at = random.Random(f"gaps {seed}"), [], 0.0
    while at < FAULTY_HOURS * 3600:
        at += dice.expovariate(1 / 1200)
        gaps.append((at, at + dice.uniform(30, 240)))
        at = gaps[-1][1] + SCRAPED_BETWEEN_SECONDS
    return tuple(gaps)


def play(seed: int, *, has_gaps: bool = False, kind: type[Episode] = Episode) -> None:
    """Play the episode of a seed, perhaps with gaps between the samples of Prometheus.

    Raises:
        BrokenPromiseError: a promise was not kept.
    """

    async def main() -> None:
        await kind(seed, has_gaps=has_gaps).run()

    virtual_time.run(main())
