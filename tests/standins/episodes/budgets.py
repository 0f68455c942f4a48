"""Episodes whose jobs have budgets, and trainings that tell how far they are.

A budget acts only with evidence: a measured value above the limit, or a predicted interval that
lies above it as a whole. What is measured above a limit is said, and a job that is to stop or rest
there does so. A job that its budget keeps from running past its deadline says that it is late.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from standins.episodes.episode import GRACE_SECONDS, Episode
from standins.episodes.program import ZONE
from standins.episodes.world import EPOCH, SCRAPE_SECONDS, Body, Pod, World

from lowtide.accounts.progress import LiveReport
from lowtide.grid.series import AverageSeries, Point
from lowtide.trainingjob.report import EpochRecord, TrainingOutcome, TrainingReport
from lowtide.units import parse_timestamp
from lowtide_operator.objects.key import Key

WATTS, GRAMS_PER_KWH = 225, 275
"""What pods and the grid of an episode have about."""
PER_HOUR = 2.0
LOOK_SECONDS = 300.0
"""Distance between two looks at a running job."""
NOTICED_SECONDS = LOOK_SECONDS + 2 * SCRAPE_SECONDS + GRACE_SECONDS
"""From a sample above a limit to the request that suspends the Job."""
CLOCK_SECONDS = 60.0
"""By which the operator's clock may have been ahead of what was seen of it."""
ACTS = ("Pause", "Stop")


class Pages:
    """Pages of the running trainings of a world: epochs of unequal length, none of them in vain."""

    def __init__(self, world: World) -> None:
        self._world = world

    def of_job(self, key: Key, uid: str, addresses: Sequence[str]) -> LiveReport | None:
        """Return what the running pod of a job tells; `None` while there is none."""
        running = [pod for pod in self._world.pods.values() if self._is_of(pod, uid)]
        return self._report(running[0]) if running else None

    def _is_of(self, pod: Pod, uid: str) -> bool:
        is_mine = pod.labels.get("lowtide.dev/trainingjob-uid") == uid
        return is_mine and pod.phase == "Running" and pod.began is not None

    def _report(self, pod: Pod) -> LiveReport:
        work, now = self._world.work[pod.job], self._world.now
        began = pod.began or 0.0
        done = work.done_seconds + now - began
        history, ended = [], 0.0
        lengths = epochs_of(pod.job, work.total_seconds)
        for number, seconds in enumerate(lengths, 1):
            ended += seconds
            if ended > done:
                break
            at = EPOCH + timedelta(seconds=began + ended - work.done_seconds)
            history.append(EpochRecord(epoch=number, ended_at=at, duration_seconds=seconds))
        report = TrainingReport(
            outcome=TrainingOutcome.RUNNING,
            epochs=len(history),
            epochs_planned=len(lengths),
            started_at=EPOCH + timedelta(seconds=began - work.done_seconds),
            training_seconds=done,
            history=tuple(history),
        )
        return LiveReport(self._world.wall(), report)


def epochs_of(job: str, seconds: float) -> list[float]:
    """Return the length of each epoch of a Job, which together take so long."""
    dice = random.Random(f"epochs {job}")
    noise = dice.choice((0.0, 0.02, 0.2))
    parts = [max(0.1, dice.gauss(1, noise)) for _ in range(dice.randrange(6, 21))]
    return [seconds * part / sum(parts) for part in parts]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One limit that the status shows to be exceeded, or surely to be."""

    action: str
    is_measured: bool


def evidence(body: Body, now: float) -> Iterator[Evidence]:
    """Yield what the status of a job says against its budget, computed from the API's texts.

    `now` is the latest time that the operator's clock has shown, in seconds from the start.
    """
    status, budget = body.get("status") or {}, body["spec"].get("budget") or {}
    predicted = status.get("prediction") or {}
    carbon, cost = status.get("carbon") or {}, status.get("cost") or {}
    used = {
        "energyJoules": (status.get("energy") or {}).get("totalJoules"),
        "grams": carbon.get("totalGrams") or carbon.get("operationalGrams"),
        "money": cost.get("instance") or cost.get("energy"),
    }
    for name, amount in used.items():
        if name not in budget:
            continue
        limit, action = float(budget[name]["limit"]), budget[name].get("action", "Warn")
        if amount is not None and float(amount) > limit:
            yield Evidence(action, True)
        elif name in predicted and float(predicted[name]["low"]) > limit:
            yield Evidence(action, False)
    if "finish" in budget:
        limit = (parse_timestamp(budget["finish"]["limit"]) - EPOCH).total_seconds()
        action = budget["finish"].get("action", "Warn")
        if now + CLOCK_SECONDS > limit:
            yield Evidence(action, True)
        elif "finish" in predicted:
            earliest = parse_timestamp(predicted["finish"]["earliest"])
            if (earliest - EPOCH).total_seconds() > limit:
                yield Evidence(action, False)


def has_ended(body: Body) -> bool:
    """Return whether a job has ended by its status."""
    held = (body.get("status") or {}).get("conditions") or ()
    return any(one["type"] in ("Complete", "Failed") and one["status"] == "True" for one in held)


class BudgetEpisode(Episode):
    """An episode in which most jobs have a budget, which their users change."""

    def __init__(self, seed: int, *, has_gaps: bool = False) -> None:
        super().__init__(seed, has_gaps=has_gaps)
        self.program.reports = Pages(self.world)
        self.store.tells_of_running = True
        grid = self.program.grid
        hour = timedelta(hours=1)
        points = [Point(EPOCH - hour, EPOCH, grid.values[0])]
        points += [
            Point(EPOCH + k * hour, EPOCH + (k + 1) * hour, value)
            for k, value in enumerate(grid.values)
        ]
        grid.seen = AverageSeries(ZONE, "episode", tuple(points))
        self._over_since: dict[str, float] = {}
        self._judged: set[str] = set()
        self._latest = 0.0
        """The latest time that the operator's clock has shown."""

    def more_of_spec(self, schedule: Body) -> Body:
        """Return a budget about what such a job uses, and a price on an hour."""
        price = {"price": {"perHour": str(PER_HOUR), "currency": "EUR"}}
        budget = self._budget(schedule["expectedDurationSeconds"])
        return {**(price if self.tastes.random() < 0.5 else {}), **budget}

    def _budget(self, seconds: float) -> Body:
        dice = self.tastes
        usual = {
            "energyJoules": WATTS * seconds,
            "grams": WATTS * seconds / 3.6e6 * GRAMS_PER_KWH,
            "money": PER_HOUR * seconds / 3600,
        }
        chosen = dice.sample((*usual, "finish"), dice.choice((0, 1, 1, 2, 4)))
        budget: Body = {}
        for name in chosen:
            limit = self.world.text(self.world.now + dice.uniform(0, 4) * seconds)
            if name in usual:
                limit = f"{usual[name] * dice.uniform(0.2, 2):.6f}"
            budget[name] = {"limit": limit, "action": dice.choice(("Warn", *ACTS))}
        return {"budget": budget} if budget else {}

    async def something(self) -> None:
        """Let a user change a budget, or else what happens in every episode."""
        if self.tastes.random() < 0.15:
            self._change_budget(self.tastes.choice(sorted(self.world.jobs) or ["none"]))
        await super().something()

    def _change_budget(self, name: str) -> None:
        def change(body: Body) -> None:
            spec = {key: part for key, part in body["spec"].items() if key != "budget"}
            body["spec"] = {**spec, **self._budget(spec["schedule"]["expectedDurationSeconds"])}
            self.tell(f"budget of {name} {body['spec'].get('budget')}")

        self.edited(name, change)

    def rests(self, body: Body) -> bool:
        """Return whether the status says that the budget keeps a job from running."""
        return any(
            one["reason"] == "BudgetExceeded"
            for one in (body.get("status") or {}).get("conditions") or ()
            if one["type"] in ("Running", "Paused", "Failed") and one["type"] != "OverBudget"
        )

    def is_settled(self, name: str, body: Body) -> bool:
        """Return whether nothing more will happen; a job may yet be stopped while it rests."""
        finish = (body["spec"].get("budget") or {}).get("finish") or {}
        if finish.get("action") == "Stop" and not has_ended(body):
            limit = (parse_timestamp(finish["limit"]) - EPOCH).total_seconds()
            if self.world.now <= limit:
                return False
        return super().is_settled(name, body)

    def check_more(self, name: str, body: Body) -> None:
        """Check that a budget acts with evidence, and not late."""
        self._latest = max(self._latest, self.world.now + self.world.clock_offset)
        self._check_evidence(name, body)
        self._check_excess(name, body)

    def _check_evidence(self, name: str, body: Body) -> None:
        status, uid = body.get("status") or {}, body["metadata"]["uid"]
        held = {one["type"]: one for one in status.get("conditions") or ()}
        is_current = status.get("observedGeneration") == body["metadata"]["generation"]
        if not is_current or not held or uid in self._judged:
            return
        found = [*evidence(body, self._latest)]
        if held["Failed"]["reason"] == "BudgetExceeded":
            self._judged.add(uid)
            # A budget that was edited since is another one than the one that stopped it.
            is_edited = held["Failed"]["observedGeneration"] != body["metadata"]["generation"]
            if not is_edited and "Stop" not in {one.action for one in found}:
                raise self.fail(f"{name} was stopped without evidence: {status}")
        elif self.rests(body) and not {one.action for one in found} & {*ACTS}:
            raise self.fail(f"{name} rests without evidence: {body['spec']} {status}")
        predicted = (status.get("prediction") or {}).get("energyJoules")
        used = (status.get("energy") or {}).get("totalJoules")
        has_ended = "True" in (held["Complete"]["status"], held["Failed"]["status"])
        if predicted and used and not has_ended and float(predicted["low"]) < 0.99 * used:
            raise self.fail(f"{name} is predicted to use {predicted}, and has used {used} J")

    def _check_excess(self, name: str, body: Body) -> None:
        uid, limit = body["metadata"]["uid"], (body["spec"].get("budget") or {}).get("energyJoules")
        child = self.world.children.get(f"{name}-1")
        if self.store.is_away or self.store.hangs:
            self.program.disturb(1)
        owner = None if child is None else child["metadata"]["ownerReferences"][0]["uid"]
        if child is None or owner != uid or limit is None or limit["action"] not in ACTS:
            self._over_since.pop(uid, None)
            return
        told = self.store.newest_joules()
        joules = sum(
            amount
            for (_, pod), amount in told.items()
            if self.world.pods[pod].job == child["metadata"]["uid"]
        )
        runs = not child["spec"].get("suspend") and not (child.get("status") or {}).get(
            "conditions"
        )
        if joules <= float(limit["limit"]) or not runs:
            self._over_since.pop(uid, None)
            return
        since = self._over_since.setdefault(uid, self.world.now)
        known = max(since, self.world.changed_at[uid], self.program.disturbed_until)
        if self.world.now > known + NOTICED_SECONDS:
            late = self.world.now - known
            raise self.fail(f"{name} has run {late:.0f} s beyond {limit}: {body.get('status')}")

    def check_end(self, name: str, body: Body) -> None:
        """Check that an excess is told, and that a job that rests past its deadline is late."""
        status = body.get("status") or {}
        held = {one["type"]: one for one in status.get("conditions") or ()}
        if not held or held["Valid"]["status"] != "True":
            return
        measured = any(one.is_measured for one in self._certain(body))
        over = held.get("OverBudget", {"status": "False", "reason": ""})
        if measured and (over["status"], over["reason"]) != ("True", "BudgetExceeded"):
            raise self.fail(f"{name} exceeded its budget and does not say so: {body}")
        if not body["spec"].get("budget") and "OverBudget" in held:
            raise self.fail(f"{name} has no budget and speaks of one: {over}")
        ended = "True" in (held["Complete"]["status"], held["Failed"]["status"])
        deadline = (status.get("plan") or {}).get("deadline")
        is_past = bool(deadline) and self.world.wall() > parse_timestamp(deadline or "")
        if is_past and not ended and held["DeadlineAtRisk"]["status"] != "True":
            raise self.fail(f"{name} rests past {deadline} and does not say so: {status}")

    def _certain(self, body: Body) -> Iterator[Evidence]:
        """Yield the evidence of amounts; a limit of the end is judged by the operator's clock."""
        spec = dict(body["spec"])
        spec["budget"] = {k: v for k, v in (spec.get("budget") or {}).items() if k != "finish"}
        yield from evidence({**body, "spec": spec}, self._latest)
