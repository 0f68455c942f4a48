"""Base of the providers that are asked over HTTP: client, origin and zone codes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lowtide.grid.providers.answers import Origin
from lowtide.grid.providers.http import HttpClient
from lowtide.grid.series import Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceProvider:
    """Base of the providers that ask a service; the factory makes the origin from the settings."""

    client: HttpClient
    origin: Origin
    """What is true of every value: kind of provider, signal, emission factor."""
    zone_codes: Mapping[str, str] = field(default_factory=dict)
    """The service's own codes of Lowtide's zones, where they differ."""

    @property
    def name(self) -> str:
        """The provider's kind in settings and metrics."""
        return self.origin.name

    @property
    def signal(self) -> Signal:
        """What the provider's values describe."""
        return self.origin.signal

    def code_of(self, zone: str) -> str:
        """Return the service's code of a zone."""
        return self.zone_codes.get(zone, zone)
