"""Settings of the engine, from STORYMILL_ENGINE_* variables; the command line overrides a few of them."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.engine.processors import count_processors

BUILT_IN_MODEL = "gemma-3-270m"
STORYTELLER = "storyteller"

DEFAULT_ALIASES = {
    "text-davinci-003": STORYTELLER,
    "gpt-3.5-turbo": STORYTELLER,
    "ada": BUILT_IN_MODEL,
    "babbage": BUILT_IN_MODEL,
    "curie": BUILT_IN_MODEL,
    "davinci": BUILT_IN_MODEL,
}
"""The names that older articles and scripts use. The built-in name means the base that is served, whichever it is."""


SETTING_PREFIX = "STORYMILL_ENGINE_"


class EngineSettings(BaseSettings):
    """Everything an operator may change; each field is read from STORYMILL_ENGINE_<NAME>."""

    model_config = SettingsConfigDict(env_prefix=SETTING_PREFIX, extra="ignore")

    host: str = "127.0.0.1"
    port: int = 8002
    state_dir: Path = Path(".storymill/engine")
    # The built-in model's name, a local model folder, or a hub id.
    model: str = BUILT_IN_MODEL
    # What clients call the base model; empty: the built-in name, or the last part of the folder or hub id.
    model_name: str = ""
    aliases: dict[str, str] = Field(default_factory=lambda: dict(DEFAULT_ALIASES))
    shipped_adapters_dir: Path = Path(__file__).parent / "adapters"

    device: str = "auto"
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    threads: int = Field(default_factory=count_processors, ge=1)

    # Longest prompt + answer in tokens. It bounds the cache: Gemma 3 270M needs 18 kB per token and sequence.
    context_length: int = Field(default=4096, ge=16)
    max_batch_size: int = Field(default=16, ge=1)
    max_queued_sequences: int = Field(default=256, ge=0)
    max_choices_per_request: int = Field(default=128, ge=1)
    # Prompt tokens read between two steps of running streams: their longest extra wait (256: about 0.15 s).
    prefill_chunk_tokens: int = Field(default=256, ge=8)
    adapters_in_memory: int = Field(default=8, ge=1)
    # An adapter added into a copy of the weights: 200 MB each, and no cost per token.
    merged_adapters: int = Field(default=2, ge=0)

    # As in the platform's table of bounds (docs/operators.md), which a test holds equal to these.
    max_body_bytes: int = Field(default=8 * 1024 * 1024, ge=1024)
    max_json_nodes: int = Field(default=20_000, ge=100)
    max_json_values: int = Field(default=500_000, ge=1000)
    max_embedding_inputs: int = Field(default=2048, ge=1)
    # Of a schema, pattern, list of choices or grammar that an answer is held to.
    max_grammar_bytes: int = Field(default=256 * 1024, ge=256)
    door_connections: int = Field(default=20_000, ge=16)
    door_connections_per_address: int = Field(default=2_000, ge=1)
    door_first_byte_seconds: float = Field(default=10.0, gt=0)
    door_header_seconds: float = Field(default=10.0, gt=0)
    door_header_bytes: int = Field(default=32 * 1024, ge=1024)
    door_header_lines: int = Field(default=100, ge=10)
    door_body_seconds: float = Field(default=20.0, gt=0)
    door_body_bytes_per_second: int = Field(default=500, ge=1)
    slow_seconds: float = Field(default=30.0, gt=0)
    # Addresses and networks, by comma, of which each may have any number of connections.
    trusted_proxies: str = "127.0.0.0/8,::1"
    keep_alive_seconds: float = Field(default=15.0, gt=0)
    drain_seconds: float = Field(default=20.0, ge=0)

    @property
    def base_name(self) -> str:
        """The base model's name for clients."""
        return self.model_name or self.model.rstrip("/").rsplit("/", 1)[-1]

    @property
    def adapters_dir(self) -> Path:
        """Where tuned models live, one folder each."""
        return self.state_dir / "adapters"
