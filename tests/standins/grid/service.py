"""Answers of the stand-in: routes, shapes and deliberate faults; everything but HTTP."""

import threading
import time
from collections import Counter
from datetime import timedelta

from replay import Replay, parse_time, timestamp

NOTICE = "stand-in: replayed trace, not a live grid"
STATUS_MODES = ("401", "403", "429", "500", "503")
MODES = (
    "ok",
    "down",  # closes the connection without an answer
    *STATUS_MODES,
    "empty",
    "nulls",  # null, or -1 where the real service sends that
    "zeros",
    "garbage",  # JSON that stops in the middle
    "html",  # a web page with status 200
    "slow",  # answers after --slow-seconds
    "stale",  # forecasts made 25 hours ago
    "shuffled",
)
GRANULARITY_SLOTS_PER_HOUR = {"hourly": 1, "15_minutes": 4, "5_minutes": 12}


class RefusalError(Exception):
    """An answer other than 200, with its JSON body."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


class Service:
    """Answers of the routes, without HTTP."""

    def __init__(self, replay: Replay, zone: str, token: str | None) -> None:
        self.replay = replay
        self.zone = zone
        self.token = token
        self.mode = "ok"
        self.asked: Counter[str] = Counter()
        self.lock = threading.Lock()

    def route(self, path: str, query: dict[str, str], token: str | None) -> object:
        """Return the JSON content of a GET; raise RefusalError for anything but 200."""
        with self.lock:
            self.asked[path] += 1
        if path in ("/", "/health", "/v4/health"):
            return {"status": "ok", "notice": NOTICE, "mode": self.mode, "zone": self.zone}
        if path == "/v4/zones":
            return {self.zone: {"zoneName": f"{self.zone} ({NOTICE})"}}
        if path == "/locations":
            return {self.zone: {"name": self.zone, "latitude": None, "longitude": None}}
        maps = {
            "/v4/carbon-intensity/forecast": self.maps_forecast,
            "/v4/carbon-intensity/latest": self.maps_latest,
            "/v4/carbon-intensity/history": self.maps_history,
            "/v4/carbon-intensity/past-range": self.maps_past_range,
        }
        if path in maps:
            if self.token is not None and token != self.token:
                raise RefusalError(401, {"status": "error", "message": "Invalid auth-token"})
            self.require_zone(query.get("zone"), "zone")
            return maps[path](query)
        sdk = {
            "/emissions/forecasts/current": self.sdk_forecast,
            "/emissions/bylocation": self.sdk_emissions,
            "/emissions/bylocations": self.sdk_emissions,
        }
        if path in sdk:
            self.require_zone(query.get("location") or query.get("locations"), "location")
            return sdk[path](query)
        raise RefusalError(404, {"message": f"no route {path}", "notice": NOTICE})

    def require_zone(self, zone: str | None, parameter: str) -> None:
        if zone != self.zone:
            raise RefusalError(
                404 if zone else 400,
                {"status": "error", "message": f"{parameter} must be {self.zone}"},
            )

    def intensity(self, value: float | None) -> float | None:
        """Return a value as the present mode distorts it."""
        return {"nulls": None, "zeros": 0}.get(self.mode, value)

    def listed(self, points: list[dict[str, object]]) -> list[dict[str, object]]:
        """Return a list as the present mode distorts it; reversed in halves when shuffled."""
        if self.mode == "empty":
            return []
        if self.mode == "shuffled":
            return points[len(points) // 2 :] + points[: len(points) // 2]
        return points

    def maps_forecast(self, query: dict[str, str]) -> object:
        per_hour = GRANULARITY_SLOTS_PER_HOUR.get(query.get("temporalGranularity", "hourly"), 1)
        slots = int(query.get("horizonHours", "24")) * per_hour
        now = self.replay.current(time.time())
        age = timedelta(hours=25) if self.mode == "stale" else timedelta(0)
        points = [
            {
                "carbonIntensity": self.intensity(self.replay.slots[i].forecast),
                "datetime": timestamp(self.replay.begins(i)),
            }
            for i in self.replay.range(now, now + slots + 1)
        ]
        return {
            "zone": self.zone,
            "forecast": self.listed(points),
            "updatedAt": timestamp(self.replay.begins(now) - age),
            "temporalGranularity": query.get("temporalGranularity", "hourly"),
            "_notice": NOTICE,
        }

    def maps_point(self, index: int) -> dict[str, object]:
        return {
            "zone": self.zone,
            "carbonIntensity": self.intensity(self.replay.slots[index].actual),
            "datetime": timestamp(self.replay.begins(index)),
            "updatedAt": timestamp(self.replay.begins(index + 1)),
            "createdAt": timestamp(self.replay.begins(index + 1)),
            "emissionFactorType": "direct",
            "isEstimated": False,
            "estimationMethod": None,
        }

    def finished(self, low: int, high: int) -> list[int]:
        """Return the slots in `[low, high)` that are over."""
        return self.replay.range(low, min(high, self.replay.current(time.time())))

    def maps_latest(self, query: dict[str, str]) -> object:
        now = self.replay.current(time.time())
        known = self.finished(now - 1, now)
        if not known:
            raise RefusalError(404, {"status": "error", "message": "no recent data"})
        return self.maps_point(known[0])

    def maps_history(self, query: dict[str, str]) -> object:
        now = self.replay.current(time.time())
        points = [self.maps_point(i) for i in self.finished(now - 24, now)]
        return {"zone": self.zone, "history": self.listed(points), "_notice": NOTICE}

    def maps_past_range(self, query: dict[str, str]) -> object:
        low, high = self.asked_range(query, "start", "end")
        points = [self.maps_point(i) for i in self.finished(low, high)]
        return {"zone": self.zone, "data": self.listed(points), "_notice": NOTICE}

    def asked_range(self, query: dict[str, str], start: str, end: str) -> tuple[int, int]:
        try:
            low = self.replay.index_at(parse_time(query[start]))
            last = parse_time(query[end])
        except (KeyError, ValueError):
            raise RefusalError(
                400, {"message": f"{start} and {end} must be ISO 8601 times"}
            ) from None
        high = self.replay.index_at(last)
        return low, high if self.replay.begins(high) == last else high + 1

    def sdk_value(self, value: float | None) -> float:
        shown = self.intensity(value)
        return -1 if shown is None else shown

    def sdk_forecast(self, query: dict[str, str]) -> object:
        now = self.replay.current(time.time())
        low, high = now, now + 72
        if "dataStartAt" in query and "dataEndAt" in query:
            first, last = self.asked_range(query, "dataStartAt", "dataEndAt")
            if first < low or last > high:
                raise RefusalError(400, {"title": "dataStartAt/dataEndAt outside the forecast"})
            low, high = first, last
        age = timedelta(hours=25) if self.mode == "stale" else timedelta(0)
        indices = self.replay.range(low, high)
        points = [
            {
                "location": self.zone,
                "timestamp": timestamp(self.replay.begins(i)),
                "duration": self.replay.slot_seconds / 60,
                "value": self.sdk_value(self.replay.slots[i].forecast),
            }
            for i in indices
        ]
        return [
            {
                "generatedAt": timestamp(self.replay.begins(now) - age),
                "location": self.zone,
                "dataStartAt": timestamp(self.replay.begins(low)),
                "dataEndAt": timestamp(self.replay.begins(low + len(indices))),
                "windowSize": self.replay.slot_seconds / 60,
                "optimalDataPoints": [],
                "forecastData": self.listed(points),
            }
        ]

    def sdk_emissions(self, query: dict[str, str]) -> object:
        # The real service knows time and toTime here and silently ignores startTime and endTime.
        now = self.replay.current(time.time())
        low, high = now - 1, now
        if "time" in query and "toTime" in query:
            low, high = self.asked_range(query, "time", "toTime")
        points = [
            {
                "location": self.zone,
                "time": timestamp(self.replay.begins(i)),
                "rating": self.sdk_value(self.replay.slots[i].actual),
                "duration": str(timedelta(seconds=self.replay.slot_seconds)),
            }
            for i in self.finished(low, high)
        ]
        if not (listed := self.listed(points)):
            raise RefusalError(204, None)
        return listed
