"""One live gateway a module, without workers (`gateway`) or with one (`mill`)."""

from tests.support.gateway_fixtures import client, gateway, mill, stores

__all__ = ["client", "gateway", "mill", "stores"]
