"""The door of gateway and streaming service: settings in, refusals counted."""

from prometheus_client import Counter
from starlette.types import Scope

from shared.bounds import SETTING_PREFIX, LiveBounds
from shared.http.door.guarded_http import GuardedHttp, guard
from shared.http.door.guests import Door
from shared.http.door.proxies import TrustedProxies
from shared.settings import Settings

REFUSED = Counter(
    "storymill_connections_refused_total", "Connections closed or refused at the door, and why", ["reason"]
)


def open_door(settings: Settings, bounds: LiveBounds) -> type[GuardedHttp]:
    """Return what a `uvicorn.Config` takes as `http`."""
    door = Door(
        lambda: bounds.now,
        prefix=SETTING_PREFIX,
        trusted_proxies=settings.trusted_proxies,
        count=lambda reason: REFUSED.labels(reason).inc(),
    )
    return guard(door)


def find_counted_address(proxies: TrustedProxies, scope: Scope) -> str | None:
    """Return the address of who asks, as uvicorn has found it behind trusted proxies; None for a proxy itself."""
    client = scope.get("client")
    return client[0] if client and client[0] not in proxies else None
