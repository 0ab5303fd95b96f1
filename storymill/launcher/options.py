"""What `storymill up` was asked for."""

from dataclasses import dataclass
from pathlib import Path

DEFAULT_GATEWAY_PORT = 8000
DEFAULT_STREAMING_PORT = 8001


@dataclass(frozen=True)
class UpOptions:
    """Port 0 takes a free one. `workers` is the number of generation workers."""

    state_dir: Path
    gateway_port: int = DEFAULT_GATEWAY_PORT
    streaming_port: int = DEFAULT_STREAMING_PORT
    workers: int = 1
    upstream: str | None = None
    with_engine: bool = True
    # The engine's base for this run: a folder or a hub id. None: the kept one, or the built-in.
    model: str | None = None

    @property
    def needs_engine(self) -> bool:
        """An upstream takes the engine's place."""
        return self.with_engine and self.upstream is None

    def to_arguments(self) -> list[str]:
        """Return the command line that gives these options again."""
        arguments = ["--state-dir", str(self.state_dir)]
        arguments += ["--gateway-port", str(self.gateway_port)]
        arguments += ["--streaming-port", str(self.streaming_port)]
        arguments += ["--workers", str(self.workers)]
        if self.upstream is not None:
            arguments += ["--upstream", self.upstream]
        if self.model is not None:
            arguments += ["--model", self.model]
        return arguments if self.with_engine else [*arguments, "--no-engine"]
