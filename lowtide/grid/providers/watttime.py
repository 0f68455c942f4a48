"""WattTime v3: marginal emission rates (co2_moer), or average ones (co2_aoer), in five minutes.

Routes and shapes: https://docs.watttime.org. Values are pounds of CO2 per MWh and are converted
here. A login gives a token for 30 minutes; it is renewed early, and once more where the service
refuses it sooner. A free account sees the region CAISO_NORTH alone.
"""

import threading
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Final

from pydantic import BaseModel, Field

from lowtide.grid.credentials import Credential
from lowtide.grid.errors import BadAnswer, Unauthorized
from lowtide.grid.providers.answers import JSON, joined, parse_time, parsed, spans
from lowtide.grid.providers.base import checked_actuals, checked_forecast
from lowtide.grid.providers.http import HttpClient
from lowtide.grid.providers.service import ServiceProvider
from lowtide.grid.raw_values import RawValue, usable
from lowtide.grid.series import IntensitySeries, Signal
from lowtide.units import format_timestamp, lb_per_mwh_to_grams_per_kwh

TOKEN_SECONDS: Final = 25 * 60.0
"""A token lives for 30 minutes; five are left for a request on its way."""
RANGE_MAX: Final = timedelta(days=30)
UNITS: Final = "lbs_co2_per_mwh"
SIGNAL_TYPES: Final[Mapping[Signal, str]] = {
    Signal.MARGINAL: "co2_moer",
    Signal.AVERAGE: "co2_aoer",
}


class _Login(BaseModel):
    token: str = Field(min_length=1)


class _Value(BaseModel):
    point_time: object
    value: object = None


class _Meta(BaseModel):
    units: str
    signal_type: str | None = None
    data_point_period_seconds: int | None = Field(default=None, gt=0, le=86400)
    generated_at: object = None


class _Answer(BaseModel):
    data: list[_Value]
    meta: _Meta


@dataclass(slots=True)
class Session:
    """The present token, shared by threads; forgotten when it is old or refused."""

    client: HttpClient
    username: str
    password: Credential
    clock: Callable[[], float] = monotonic
    _token: str | None = field(default=None, repr=False)
    _renew_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def headers(self, zone: str) -> dict[str, str]:
        """Return the headers of an authorised request, after a login where one is due.

        Raises:
            GridError: the login failed; `Unauthorized` where user name or password are wrong.
        """
        with self._lock:
            if self._token is None or self.clock() >= self._renew_at:
                self._token = self._login(zone)
                self._renew_at = self.clock() + TOKEN_SECONDS
            return {"Authorization": f"Bearer {self._token}", "Accept": JSON}

    def forget(self) -> None:
        """Drop a token that the service refused."""
        with self._lock:
            self._token = None

    def _login(self, zone: str) -> str:
        pair = b64encode(f"{self.username}:{self.password.read()}".encode()).decode()
        content, _ = self.client.get_json(
            "/login", headers={"Authorization": f"Basic {pair}"}, zone=zone
        )
        return parsed(_Login, content, source=self.client.name, zone=zone).token


@dataclass(frozen=True, slots=True, kw_only=True)
class WattTime(ServiceProvider):
    """Provider for WattTime v3; a code is a region such as `CAISO_NORTH`."""

    session: Session
    horizon_hours: int = 72

    def forecast(self, zone: str, now: datetime) -> IntensitySeries:
        """Return up to 72 hours of expected emission rates."""
        answer = self._ask("/v3/forecast", zone, {"horizon_hours": str(self.horizon_hours)})
        made = answer.meta.generated_at
        series = self._series(
            zone,
            self._readings(answer),
            answer.meta,
            fetched_at=now,
            generated_at=None if made is None else parse_time(made, source=self.client.name),
        )
        return checked_forecast(series, now)

    def actuals(self, zone: str, start: datetime, end: datetime) -> IntensitySeries:
        """Return past emission rates."""
        answers = [
            self._ask(
                "/v3/historical",
                zone,
                {"start": format_timestamp(first), "end": format_timestamp(last)},
            )
            for first, last in spans(start, end, RANGE_MAX)
        ]
        readings = joined(self._readings(answer) for answer in answers)
        series = self._series(zone, readings, answers[0].meta)
        return checked_actuals(series, start, end)

    def _ask(self, path: str, zone: str, params: Mapping[str, str]) -> _Answer:
        region = self.code_of(zone)
        query = {"region": region, "signal_type": SIGNAL_TYPES[self.signal], **params}
        headers = self.session.headers(zone)
        try:
            content, _ = self.client.get_json(path, params=query, headers=headers, zone=zone)
        except Unauthorized as error:
            if error.status == 403:
                raise Unauthorized(
                    f"{error}: the account may not cover region {region} (a free one covers "
                    "CAISO_NORTH only)",
                    status=403,
                ) from None
            # The token ended early; a fresh one is asked for once, with the same password.
            self.session.forget()
            content, _ = self.client.get_json(
                path, params=query, headers=self.session.headers(zone), zone=zone
            )
        answer = parsed(_Answer, content, source=self.client.name, zone=zone)
        self._check_meta(answer.meta, zone)
        return answer

    def _check_meta(self, meta: _Meta, zone: str) -> None:
        if meta.units != UNITS:
            raise BadAnswer(
                f"{self.client.name} sent units {meta.units[:40]!r} for zone {zone}, not {UNITS}"
            )
        if meta.signal_type not in (None, SIGNAL_TYPES[self.signal]):
            raise BadAnswer(
                f"{self.client.name} sent a signal other than {SIGNAL_TYPES[self.signal]} for "
                f"zone {zone}: average and marginal intensity are never mixed"
            )

    def _readings(self, answer: _Answer) -> list[RawValue]:
        return [
            RawValue(parse_time(one.point_time, source=self.client.name), self._grams(one.value))
            for one in answer.data
        ]

    def _grams(self, pounds: object) -> float | None:
        number = usable(pounds, zero_possible=self.origin.zero_possible)
        return None if number is None else lb_per_mwh_to_grams_per_kwh(number)

    def _series(
        self,
        zone: str,
        readings: list[RawValue],
        meta: _Meta,
        *,
        fetched_at: datetime | None = None,
        generated_at: datetime | None = None,
    ) -> IntensitySeries:
        period = meta.data_point_period_seconds
        return self.origin.series(
            zone,
            readings,
            step=None if period is None else timedelta(seconds=period),
            fetched_at=fetched_at,
            generated_at=generated_at,
        )
