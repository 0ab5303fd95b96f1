"""Run the gateway: `python -m services.gateway --host 127.0.0.1 --port 8000`."""

from typing import Annotated

import typer
import uvicorn

from services.gateway.app import create_app
from services.gateway.settings import GatewaySettings
from shared.bounds import LiveBounds
from shared.garbage import settle_garbage
from shared.http.open_door import open_door
from shared.observability.logs import configure_logging


def main(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
) -> None:
    """Serve until SIGTERM, then let requests end for a while."""
    settings = GatewaySettings()
    configure_logging(settings.log_level, settings.log_format)
    bounds = LiveBounds(settings, settings.bounds_file)
    app = create_app(settings, bounds)
    settle_garbage()
    uvicorn.run(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=open_door(settings, bounds),
        ws="none",
        access_log=False,
        forwarded_allow_ips=settings.trusted_proxies,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=settings.drain_seconds,
    )


if __name__ == "__main__":
    typer.run(main)
