"""The operator's program in an episode: its real parts on a world, and deaths at any moment.

Only kopf, the HTTP clients and the grid's threads are left out. Watches are played here: events
come late, twice or not at all, and a new list follows a gap.
"""

import asyncio
import contextlib
import random
from collections import deque
from datetime import datetime, timedelta
from typing import Any, cast

from standins.episodes.api import Api
from standins.episodes.world import EPOCH, Body, EnergyStore, World

from lowtide import names
from lowtide.grid.series import IntensitySeries, Signal
from lowtide.planning import Forecast, Source
from lowtide.prices.fusion import forecast_prices
from lowtide.prices.series import PricePoint, PriceSeries
from lowtide.trainingjob.conditions import Reason
from lowtide.trainingjob.workload_kinds import WorkloadKind
from lowtide_operator.app import App, lane_of
from lowtide_operator.cluster.adoption import Adoption
from lowtide_operator.cluster.cache import Cache
from lowtide_operator.cluster.census import Census
from lowtide_operator.cluster.event_lane import EventLane
from lowtide_operator.cluster.leadership import Leadership
from lowtide_operator.cluster.workload_watch import WorkloadWatch
from lowtide_operator.decision.observation import ForecastView, ZoneOutlook
from lowtide_operator.handlers import LISTED, take_child, take_training_job
from lowtide_operator.looks_ahead import JobsAround
from lowtide_operator.measuring.foreseer import Foreseer
from lowtide_operator.measuring.measure import KnownOverheads, Measurer
from lowtide_operator.reconcile import work
from lowtide_operator.samples.live import LiveEnergy
from lowtide_operator.schedule.bookings import Bookings
from lowtide_operator.schedule.joint_plans import Desk
from lowtide_operator.schedule.overheads import Overheads
from lowtide_operator.settings import OperatorSettings
from lowtide_operator.tally import Tally
from lowtide_operator.wall_clock import follow_wall_clock
from lowtide_operator.workqueue import Backoff, Lane, WorkQueue

ZONE = "XX"
DAYS = 3
CENSUS_SECONDS = 300.0
CLOCK_SECONDS = 15.0
"""Distance between two looks at the wall clock; two seconds would take most of an episode."""
SETTINGS = OperatorSettings.model_validate(
    {
        "schedule": {"startLatencySeconds": 60, "marginSeconds": 60},
        "zones": {
            ZONE: {"signal": "Average", "providers": [{"kind": "file", "path": "/none.csv"}]}
        },
        "prometheus": {"url": "http://prometheus:9090", "scrapeIntervalSeconds": 60},
        "queue": {"workers": 4, "measuringWorkers": 2},
    }
)


class Grid:
    """The forecasts of one zone: hourly values that are known for three days, or nothing.

    Its prices are published as far; some are negative. Their source may be away too.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.values = [world.dice.uniform(50, 500) for _ in range(24 * DAYS)]
        self._made = -1
        self._forecast: Forecast | None = None
        self._outlook: ZoneOutlook | None = None
        self.is_away = False
        self.prices_away = False
        self.published = published_prices(world)
        self.seen: IntensitySeries | None = None
        """The intensity that was really seen; `None`: nothing is known of it."""

    def newest(self, zone: str) -> Forecast | None:
        if self.is_away:
            return None
        hour = max(0, int((self._world.wall() - EPOCH).total_seconds() // 3600))
        if hour != self._made:
            self._made = hour
            values = tuple(v * self._world.dice.uniform(0.9, 1.1) for v in self.values[hour:])
            self._forecast = Forecast(
                zone=ZONE,
                signal=Signal.AVERAGE,
                start=EPOCH.replace(day=EPOCH.day + hour // 24, hour=hour % 24)
                if hour < 24
                else EPOCH.replace(month=12, day=hour // 24, hour=hour % 24),
                slot_seconds=3600,
                grams_per_kwh=values,
                spread_grams_per_kwh=(5.0,) * len(values),
                sources=(Source.PROVIDER,) * len(values),
                provider="episode",
                generated_at=self._world.wall().replace(minute=0, second=0, microsecond=0),
            )
        return self._forecast

    def outlook(self, zone: str | None) -> ZoneOutlook | None:
        """Return the newest forecast with the prices as far as they are published."""
        forecast = self.newest(ZONE)
        if forecast is None:
            return None
        before = self._outlook
        if (
            before is None
            or before.forecast is not forecast
            or (before.prices is None) is not self.prices_away
        ):
            prices = None
            if not self.prices_away:
                prices = forecast_prices(
                    forecast.start, self.published, horizon_slots=len(forecast.grams_per_kwh)
                )
            self._outlook = ZoneOutlook(forecast, prices)
        return self._outlook

    def paid_between(self, zone: str, start: datetime, end: datetime) -> PriceSeries:
        """Return the prices that were published; they are known whatever is away now."""
        return self.published.between(start, end)

    def price_at(self, seconds: float) -> float:
        """Return the price of a kilowatt-hour so many true seconds after the start."""
        return self.published.points[int(seconds // 3600)].per_kwh or 0.0

    def view(self, grid: Any) -> ForecastView:
        outlook = self.outlook(ZONE)
        if outlook is None:
            return ForecastView(
                zone=ZONE, signal=Signal.AVERAGE, status="False", reason=Reason.NO_PROVIDER
            )
        return ForecastView(
            forecast=outlook.forecast,
            prices=outlook.prices,
            price_trouble="the prices are away" if outlook.prices is None else None,
            zone=ZONE,
            signal=Signal.AVERAGE,
            status="True",
            reason=Reason.FORECAST_IN_USE,
        )

    async def seen_between(self, zone: str, start: Any, end: Any) -> IntensitySeries | None:
        await asyncio.sleep(0.01)
        return self.seen


def published_prices(world: World) -> PriceSeries:
    """Return hourly prices for three days, drawn beside the dice of the story."""
    dice = random.Random(world.dice.getstate()[1][0])
    hour = timedelta(hours=1)
    points = tuple(
        PricePoint(EPOCH + k * hour, EPOCH + (k + 1) * hour, dice.uniform(-0.1, 0.4))
        for k in range(24 * DAYS)
    )
    return PriceSeries(ZONE, "episode", points, "EUR")


class Program:
    """One operator after another on the same world."""

    def __init__(
        self,
        world: World,
        api: Api,
        store: EnergyStore,
        capacity: int | None,
        kinds: tuple[WorkloadKind, ...] = (),
    ) -> None:
        self._world, self._api, self._store = world, api, store
        self._kinds = kinds
        self._settings = SETTINGS.model_copy(update={"capacity_gpus": capacity})
        self.overheads: KnownOverheads = Overheads()
        self.reports: Any = None
        """Pages of the running trainings; with them, jobs are predicted."""
        self.grid = Grid(world)
        self.app: App | None = None
        self.in_gap = False
        self.drops = 0.0
        """Share of the events that never arrive."""
        self.disturbed_until = 0.0
        """The operator is not expected to know everything before then."""
        self._tasks: list[asyncio.Task[Any]] = []
        self._feed: deque[tuple[str | None, str, Body]] = deque()
        self._news = asyncio.Event()
        world.tell = self._tell

    @property
    def is_up(self) -> bool:
        """Whether an operator runs."""
        return self.app is not None

    def start(self) -> None:
        """Start an operator, which knows nothing yet."""
        world, loop = self._world, asyncio.get_running_loop()
        cache, bookings, tally = Cache(), Bookings(), Tally()
        queue = WorkQueue(
            clock=loop.time,
            random=world.dice.random,
            backoff=Backoff(1.0, 300.0),
            lane_of=lambda key: lane_of(key, cache),
        )
        desk = Desk(bookings=bookings, tally=tally, around=JobsAround(lambda: app))
        samples = None if self.reports is None else cast("Any", self._store)
        live, foreseer = LiveEnergy(samples, world.wall), None
        if self.reports is not None:
            foreseer = Foreseer(live, self.reports, cast("Any", self.grid), self.overheads)
        adoption = Adoption(
            cast("Any", self._api), cache, self._kinds, (), on_change=queue.add, clock=world.wall
        )
        app = App(
            settings=self._settings,
            cluster=cast("Any", self._api),
            leadership=Leadership(),
            cache=cache,
            queue=queue,
            forecasts=cast("Any", self.grid),
            measurer=Measurer(cast("Any", self._store), cast("Any", self.grid), self.overheads),
            exporters=None,
            live=live,
            foreseer=foreseer,
            bookings=bookings,
            desk=desk,
            tally=tally,
            events=EventLane(self._api, tally),
            census=Census(
                self._api,
                cache,
                tally,
                namespaces=(),
                period_seconds=CENSUS_SECONDS,
                on_change=queue.add,
            ),
            adoption=adoption,
            workloads=WorkloadWatch(cast("Any", self._api), (), (), adoption.workload_changed),
            kinds=self._kinds,
            instance="episode",
            clock=world.wall,
            random=world.dice.random,
        )
        self.app = app
        lanes = [Lane.JOBS] * self._settings.queue.workers
        lanes += [Lane.MEASURING] * self._settings.queue.measuring_workers
        parts = [work(app, lane) for lane in lanes]
        parts += [queue.run_timer(), app.events.run(), app.census.run(), self._deliver(app)]
        parts += [follow_wall_clock(queue, world.wall, CLOCK_SECONDS), self._refresh(app)]
        if self._kinds:
            parts.append(adoption.run(lambda: True))
        if foreseer is not None:
            parts.append(live.run(self._settings.prediction.period_seconds))
        self._tasks = [asyncio.create_task(part) for part in parts]
        self.list_anew()

    async def kill(self) -> None:
        """Let the operator die at whatever it awaits; nothing that it knew is left."""
        app, self.app = self.app, None
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        self._feed.clear()
        if app is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await app.desk.close()
            if app.foreseer is not None:
                await app.foreseer.close()
        faults = [one for one in ended if isinstance(one, Exception)]
        if faults:
            raise faults[0]

    def list_anew(self) -> None:
        """Let the watch list all objects, as it does at its start and after a gap."""
        self._feed.clear()
        for body in self._world.jobs.values():
            self._feed.append((LISTED, "jobs", body))
        for body in self._world.children.values():
            self._feed.append((LISTED, "children", body))
        self.disturb(5)
        self._news.set()

    def disturb(self, seconds: float) -> None:
        """Expect nothing of the operator for some time."""
        self.disturbed_until = max(self.disturbed_until, self._world.now + seconds)

    def _tell(self, change: str, kind: str, body: Body) -> None:
        if self.app is None:
            return
        if self.in_gap:
            return
        if self._world.dice.random() < self.drops:
            self.disturb(CENSUS_SECONDS + 15)
            return
        self._feed.append((change, kind, body))
        if self.drops and self._world.dice.random() < 0.05:
            self._feed.append((change, kind, body))
        self._news.set()

    async def _deliver(self, app: App) -> None:
        while True:
            while not self._feed:
                self._news.clear()
                await self._news.wait()
            await asyncio.sleep(self._world.dice.uniform(0.0, 0.2))
            if not self._feed:
                continue
            change, kind, body = self._feed.popleft()
            if kind == "children" and self._kinds:
                labels = body["metadata"]["labels"]
                is_asking = labels.get(names.LABEL_SCHEDULE) == "true"
                # A watch with a selector tells of an object that left it as of a deletion.
                what = (change or "LISTED") if is_asking else "DELETED"
                app.adoption.workload_changed(self._kinds[0], what, body)
                continue
            (take_training_job if kind == "jobs" else take_child)(app, change, body)

    async def _refresh(self, app: App) -> None:
        while True:
            app.plan_again(ZONE)
            await asyncio.sleep(900)
