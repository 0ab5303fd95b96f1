"""`python -m services.streaming --host H --port P`."""

import argparse

from services.streaming.app import StreamingApp
from services.streaming.server import StreamingServer
from services.streaming.settings import StreamingSettings
from services.streaming.wiring import Streaming
from shared.garbage import settle_garbage
from shared.observability.logs import configure_logging


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description="Serve token streams over WebSocket and server-sent events.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001)
    options = parser.parse_args()
    settings = StreamingSettings()  # pyright: ignore[reportCallIssue]
    configure_logging(settings.log_level, settings.log_format)
    server = StreamingServer(StreamingApp(Streaming.build(settings)), options.host, options.port)
    settle_garbage()
    server.run()


if __name__ == "__main__":
    main()
