"""Planning all waiting jobs together: shared room, no needless passes, no needless looks."""

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standins.episodes import virtual_time
from standins.forecasts import exact_forecast

from lowtide.planning import Plan, PlanReason, Request
from lowtide_operator.decision.observation import ZoneOutlook
from lowtide_operator.objects.key import Key
from lowtide_operator.schedule import joint_plans as desk_module
from lowtide_operator.schedule.bookings import Bookings, Calendars
from lowtide_operator.schedule.joint_plans import Desk
from lowtide_operator.schedule.passes import differs, plan_together
from lowtide_operator.schedule.room import GpuRoom
from lowtide_operator.tally import Tally

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DIRTY_THEN_CLEAN = [400.0] * 4 + [100.0, 200.0, 300.0] + [400.0] * 20


def outlook(values: list[float] = DIRTY_THEN_CLEAN) -> ZoneOutlook:
    """Return an hourly forecast from noon on that is never wrong."""
    forecast = exact_forecast(values, NOON)
    return ZoneOutlook(forecast)


def request(
    name: str, *, hours: float = 1, until: float = 12, resource: str = "nvidia.com/gpu"
) -> Request:
    """Return a job of one GPU that may wait until some hours after noon."""
    return Request(
        key=f"uid-{name}",
        earliest=NOON,
        deadline=NOON + until * HOUR,
        remaining_seconds=3600 * hours,
        remaining_high_seconds=3600 * hours,
        gpu_resource=resource,
        latency_seconds=0,
        margin_seconds=0,
        created=NOON,
    )


class Stand:
    """A desk with a clock that stands still until it is moved."""

    def __init__(self, capacity: int | Mapping[str, int] | None = None) -> None:
        self.clock = NOON
        self.capacity = capacity
        self.changed: list[str] = []
        self.known: ZoneOutlook | None = None
        self.ahead: list[tuple[Key, Request, ZoneOutlook]] = []
        self.bookings, self.tally = Bookings(), Tally()
        self.desk = Desk(bookings=self.bookings, tally=self.tally, around=self)

    def now(self) -> datetime:
        return self.clock

    def room(self) -> GpuRoom:
        if self.capacity is None or isinstance(self.capacity, int):
            return GpuRoom(together=self.capacity)
        return GpuRoom(by_name=self.capacity)

    def running_keys(self) -> tuple[Key, ...]:
        return ()

    def newest_outlook(self, zone: str) -> ZoneOutlook | None:
        return self.known

    def questions_ahead(self) -> list[tuple[Key, Request, ZoneOutlook]]:
        return self.ahead

    def plan_changed(self, key: Key) -> None:
        self.changed.append(key.name)

    async def ask(self, name: str, known: ZoneOutlook, wanted: Request | None = None) -> Plan:
        plan = await self.desk.ask(Key("ml", name), wanted or request(name), known)
        assert plan is not None
        return plan

    async def settle(self) -> None:
        """Return when no pass runs any more."""
        while (task := self.desk._pass) is not None and not task.done():
            await task


@asynccontextmanager
async def standing(
    capacity: int | Mapping[str, int] | None = None,
) -> AsyncIterator[Stand]:
    """Give a desk and close it."""
    stand = Stand(capacity)
    try:
        yield stand
    finally:
        await stand.desk.close()


@pytest.mark.parametrize("order", ["abc", "cba"])
async def test_jobs_that_ask_together_share_the_room_in_the_order_of_their_latest_start(
    order: str,
) -> None:
    """One GPU, three cleanest hours: the most urgent takes the best, in whatever order they ask."""
    known = outlook()
    wanted = {
        "a": request("a", until=8),
        "b": request("b", until=9),
        "c": request("c", until=10),
    }
    async with standing(capacity=1) as stand:
        plans = await asyncio.gather(*(stand.ask(name, known, wanted[name]) for name in order))
    starts = {name: plan.segments[0].start for name, plan in zip(order, plans, strict=True)}
    assert starts == {"a": NOON + 4 * HOUR, "b": NOON + 5 * HOUR, "c": NOON + 6 * HOUR}
    assert stand.tally.planning_passes == 1


async def test_jobs_of_different_resource_names_do_not_wait_for_each_other() -> None:
    """One whole GPU and one slice: both jobs take the cleanest hour, a second slice job the next.

    Counted together, two GPUs would have given the first two by latest start the cleanest hour.
    """
    small, known = "nvidia.com/mig-1g.10gb", outlook()
    wanted = {
        "slice": request("slice", until=8, resource=small),
        "next": request("next", until=9, resource=small),
        "whole": request("whole", until=10),
    }
    async with standing({"nvidia.com/gpu": 1, small: 1}) as stand:
        plans = await asyncio.gather(*(stand.ask(name, known, one) for name, one in wanted.items()))
    starts = {name: plan.segments[0].start for name, plan in zip(wanted, plans, strict=True)}
    assert starts == {"slice": NOON + 4 * HOUR, "next": NOON + 5 * HOUR, "whole": NOON + 4 * HOUR}


async def test_jobs_that_are_looked_at_next_are_planned_in_the_same_pass() -> None:
    """A look that comes to a thousand more finds their plans made for them."""
    known = outlook()
    async with standing() as stand:
        stand.ahead = [(Key("ml", name), request(name), known) for name in "bcd"]
        for name in "abcd":
            await stand.ask(name, known)
    assert stand.tally.planning_passes == 1


async def test_a_job_that_asks_alone_is_planned_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was planned lately, so there is no other job to wait for."""
    monkeypatch.setattr(desk_module, "GATHER_SECONDS", 3600.0)
    async with standing() as stand, asyncio.timeout(240):
        plan = await stand.ask("a", outlook())
    assert plan.segments[0].start == NOON + 4 * HOUR


def test_jobs_that_ask_one_after_the_other_share_a_pass() -> None:
    """While a list of jobs arrives, a pass for each would cost many times as much."""

    async def passes() -> int:
        known = outlook()
        async with standing() as stand:
            await stand.ask("first", known)
            asking = []
            for number in range(50):
                asking.append(asyncio.create_task(stand.ask(f"job-{number}", known)))
                await asyncio.sleep(desk_module.GATHER_SECONDS / 100)
            await asyncio.gather(*asking)
        return stand.tally.planning_passes

    assert virtual_time.run(passes()) == 2


async def test_after_a_large_pass_the_next_one_does_not_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where so many wait already, the next pass is large too."""
    monkeypatch.setattr(desk_module, "GATHER_SECONDS", 3600.0)
    monkeypatch.setattr(desk_module, "SMALL_PASS_JOBS", 3)
    known = outlook()
    async with standing() as stand, asyncio.timeout(240):
        await asyncio.gather(*(stand.ask(name, known) for name in "abc"))
        await stand.ask("d", known)
    assert stand.tally.planning_passes == 2


async def test_a_look_that_saw_an_older_forecast_gets_the_plan_by_the_newest() -> None:
    """Otherwise two looks at a time would plan all jobs to and fro between two forecasts."""
    older, newest = outlook(), outlook([50.0, *DIRTY_THEN_CLEAN[1:]])
    async with standing() as stand:
        stand.known = newest
        late = await stand.ask("late", older)
        await stand.ask("early", newest)
        again = await stand.ask("late", older)
    assert late.run is True
    assert again is late
    assert stand.tally.planning_passes == 2


async def test_a_later_job_takes_only_the_room_that_is_left() -> None:
    """First come, first served: no reservation is moved for a newcomer."""
    known = outlook()
    async with standing(capacity=1) as stand:
        await stand.ask("calm", known, request("calm", until=20))
        late = await stand.ask("urgent", known, request("urgent", until=8))
    assert late.segments[0].start == NOON + 5 * HOUR


async def test_a_plan_that_holds_costs_no_second_pass() -> None:
    """Neither does the next look, for which the job has waited; the next hour does."""
    known = outlook()
    async with standing() as stand:
        first = await stand.ask("a", known)
        again = await stand.ask("a", known, replace(request("a"), waited=True))
        assert (again is first, stand.tally.planning_passes) == (True, 1)
        stand.clock = first.look_again_at
        await stand.ask("a", known)
    assert stand.tally.planning_passes == 2


async def test_at_the_next_hour_one_look_brings_all_plans_up_to_date() -> None:
    """The others find theirs made when they are looked at."""
    known = outlook()
    names = [f"job-{number}" for number in range(20)]
    async with standing() as stand:
        await asyncio.gather(*(stand.ask(name, known) for name in names))
        stand.clock = NOON + HOUR
        for name in names:
            await stand.ask(name, known, replace(request(name), waited=True))
    assert stand.tally.planning_passes == 2


async def test_a_new_forecast_wakes_those_only_whose_plan_it_changes() -> None:
    """The clean hour moves out of reach of one job, and stays where it is for the other."""
    known, newer = outlook(), outlook([400.0, 400.0, 50.0, 400.0, *DIRTY_THEN_CLEAN[4:]])
    short, long = request("short", until=6), request("long", hours=2, until=20)
    async with standing() as stand:
        await stand.ask("short", known, short)
        await stand.ask("long", known, long)
        stand.desk.plan_by(newer)
        await stand.settle()
        found = await stand.ask("short", newer, replace(short, waited=True))
    assert stand.changed == ["short"]
    assert found.segments[0].start == NOON + 2 * HOUR
    assert stand.tally.planning_passes == 3


async def test_the_same_intention_by_a_newer_forecast_wakes_no_job() -> None:
    """A gram more or less everywhere changes no stretch and no saving worth a word."""
    async with standing() as stand:
        await stand.ask("a", outlook())
        stand.desk.plan_by(outlook([value + 1 for value in DIRTY_THEN_CLEAN]))
        await stand.settle()
    assert stand.changed == []
    assert stand.tally.planning_passes == 2


async def test_room_that_is_given_back_is_planned_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job that had to take the second-best hour hears that the best one is free."""
    monkeypatch.setattr(desk_module, "ROOM_SECONDS", 0.01)
    known = outlook()
    async with standing(capacity=1) as stand:
        await stand.ask("first", known)
        await stand.ask("second", known)
        stand.desk.forget(Key("ml", "first"))
        assert stand.bookings.release(Key("ml", "first"))
        stand.desk.room_changed()
        async with asyncio.timeout(240):
            while not stand.changed:
                await asyncio.sleep(0.01)
    assert stand.changed == ["second"]


async def test_news_during_a_pass_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forecast that arrives while a pass runs is planned with right after it."""
    begun, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def held(*arguments: Any) -> dict[str, Plan]:
        loop.call_soon_threadsafe(begun.set)
        assert go_on.wait(240)
        return plan_together(*arguments)

    monkeypatch.setattr(desk_module, "plan_together", held)
    newer = outlook([50.0, *DIRTY_THEN_CLEAN[1:]])
    async with standing() as stand:
        asking = asyncio.create_task(stand.ask("a", outlook()))
        await begun.wait()
        stand.desk.plan_by(newer)
        go_on.set()
        await asking
        await stand.settle()
        found = await stand.ask("a", newer, replace(request("a"), waited=True))
    assert found.run is True
    assert stand.tally.planning_passes == 2


async def test_a_job_that_cannot_be_planned_does_not_harm_the_others() -> None:
    """It gets no plan from here; `decide` asks for it alone and says what is wrong."""
    impossible = replace(request("bad"), remaining_high_seconds=1.0)
    async with standing() as stand:
        bad, good = await asyncio.gather(
            stand.desk.ask(Key("ml", "bad"), impossible, outlook()), stand.ask("good", outlook())
        )
    assert bad is None
    assert good.segments[0].start == NOON + 4 * HOUR


def test_what_counts_as_a_different_plan() -> None:
    """Another stretch, or a saving that moved by two points; not the words, not a second."""
    known = {"uid-a": outlook()}
    plan = plan_together(NOON, [request("a")], known, Calendars(GpuRoom(), ()))["uid-a"]
    assert plan.reason is PlanReason.CLEANEST_WINDOW
    assert not differs(plan, replace(plan, explanation="other words"))
    assert differs(plan, replace(plan, run=True))
    assert differs(plan, replace(plan, saving_ratio=(plan.saving_ratio or 0) + 0.02))
    assert not differs(plan, replace(plan, saving_ratio=(plan.saving_ratio or 0) + 0.019))
    moved = replace(plan.segments[0], end=plan.segments[0].end + timedelta(seconds=2))
    assert differs(plan, replace(plan, segments=(moved,)))
