"""Runs the engine: `python -m services.engine --host --port --state-dir`, or `--prepare` to convert weights only."""

import argparse
import asyncio
import logging
import signal
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import structlog
import uvicorn

from services.engine.app import create_app
from services.engine.door.guarded_http import guard
from services.engine.door.guests import Door
from services.engine.settings import SETTING_PREFIX, EngineSettings
from services.engine.state_lock import StateDirInUseError, lock_state_dir
from services.engine.weights.package import WeightsError
from services.engine.weights.prepare import prepare_model

CLOSING_SECONDS = 5
"""How long after the drain connections get to take their last chunk."""


class EngineServer(uvicorn.Server):
    """On SIGTERM lets running texts end for a bounded time, then ends their streams with an error."""

    def __init__(self, settings: EngineSettings) -> None:
        self.failed = False
        self.app = create_app(settings, on_failure=self._give_up)
        self._drain_seconds = settings.drain_seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        door = Door(
            lambda: settings,
            prefix=SETTING_PREFIX,
            trusted_proxies=settings.trusted_proxies,
            count=lambda reason: self.app.state.serving.metrics.refused_connections.labels(reason).inc(),
        )
        super().__init__(
            uvicorn.Config(
                self.app,
                host=settings.host,
                port=settings.port,
                http=guard(door),
                forwarded_allow_ips=settings.trusted_proxies,
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=int(settings.drain_seconds) + CLOSING_SECONDS,
            )
        )

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by the first and every further signal, between any two bytecodes of the main thread."""
        wait = 0.0 if self.should_exit or sig == signal.SIGINT else self._drain_seconds
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.call_later, wait, self.app.state.serving.drain)

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until told to stop."""
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def _give_up(self) -> None:
        self.failed = True
        self.should_exit = True


def main(arguments: list[str] | None = None) -> int:
    """Run until told to stop; the exit status is 1 if the model cannot be served."""
    options = _parse(arguments)
    given = {name: value for name, value in vars(options).items() if value is not None and name != "prepare"}
    settings = EngineSettings(**given)
    _configure_logging()
    if options.prepare:
        return _prepare(settings)
    try:
        with lock_state_dir(settings.state_dir):
            server = EngineServer(settings)
            server.run()
    except StateDirInUseError as error:
        return _refuse(error)
    failure = server.app.state.serving.failure
    return _refuse(failure) if server.failed else 0


def _refuse(reason: Exception) -> int:
    """The last line on stderr, for whoever started the engine by hand or reads the end of its log."""
    sys.stderr.write(f"error: {reason}\n")
    sys.stderr.flush()
    return 1


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services.engine", description=__doc__)
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    parser.add_argument("--state-dir", type=Path)
    parser.add_argument("--model", help="gemma-3-270m, a model folder, or a hub id")
    parser.add_argument("--prepare", action="store_true", help="convert the weights, then exit")
    return parser.parse_args(arguments)


def _prepare(settings: EngineSettings) -> int:
    def report(stage: str) -> None:
        sys.stderr.write(f"{stage}\n")
        sys.stderr.flush()

    try:
        report(f"ready: {prepare_model(settings, report)}")
    except (WeightsError, OSError) as error:
        report(f"error: {error}")
        return 1
    return 0


def _configure_logging() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
    structlog.configure(
        processors=processors,
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )


if __name__ == "__main__":
    sys.exit(main())
