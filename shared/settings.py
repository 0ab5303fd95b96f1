"""Settings that several services share, read from `STORYMILL_*` variables. A service adds its own in its folder."""

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from shared.secret_files import read_secret

Tracker = Literal["wandb", "mlflow", "trackio", "tensorboard"]


SECRETS: Final = {
    "database_url": "STORYMILL_DATABASE_URL",
    "redis_url": "STORYMILL_REDIS_URL",
    "OPENAI_API_KEY": "OPENAI_API_KEY",
}
"""The settings that may come from a file, and their variables."""


class FileSecrets(PydanticBaseSettingsSource):
    """What stands in files and not in the environment."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return nothing: all are read at once."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the secrets that are given. Raises: SecretFileError for a file that cannot be read."""
        found = {name: read_secret(variable) for name, variable in SECRETS.items()}
        return {name: value for name, value in found.items() if value is not None}


class Settings(BaseSettings):
    """What a process needs to find its stores, its providers and its neighbours."""

    model_config = SettingsConfigDict(env_prefix="STORYMILL_", extra="ignore")

    database_url: str = "postgresql://storymill:storymill@127.0.0.1:5432/storymill"
    redis_url: str = "redis://127.0.0.1:6379/0"
    database_pool_size: int = Field(10, ge=1, le=200)
    database_pooler: Literal["none", "transaction"] = "none"
    """`transaction` when a pooler such as PgBouncer gives every transaction another connection of the server: nothing
    is prepared then, and what we set of the server travels with each transaction."""
    database_idle_in_transaction_seconds: float = Field(5.0, ge=0)
    """Postgres ends a transaction whose process has said nothing for so long, and frees its locks: below the leases of
    10 s, so that nobody loses rows to a frozen neighbour. 0: never."""
    database_lock_timeout_seconds: float = Field(8.0, ge=0)
    """Longest wait for a lock; longer than `database_idle_in_transaction_seconds`, so that waiting usually succeeds.
    0: for ever."""
    database_statement_timeout_seconds: float = Field(60.0, ge=0)
    """Longest statement of an ordinary transaction. Migrations, exports and bulk work have no such limit. 0: none."""

    engine_url: str | None = "http://127.0.0.1:8002/v1"
    """Base URL of the embedded engine, the default provider; empty when there is none."""
    upstream_url: str | None = None
    """Base URL of an OpenAI-compatible server that takes the engine's place as default provider."""
    providers_file: Path | None = None
    """A `providers.toml` that adds to or replaces the built-in providers."""
    prices_dir: Path | None = None
    """A folder of price files (`*.toml`, as in `data/prices`) that go before the built-in ones."""
    openai_api_key: SecretStr | None = Field(None, validation_alias="OPENAI_API_KEY")

    trusted_proxies: str = "127.0.0.0/8,::1"
    """Addresses and networks, by comma, that many clients come through: each may have any number of connections."""
    bounds_file: Path | None = None
    """A TOML file of bounds (`shared/bounds.py`), read again when it changes."""

    object_store_dir: str = ".storymill/objects"
    """Where the bytes of files lie: a folder, or a URL that fsspec knows. Gateway and workers must share it."""

    webhook_allow_private: bool = False
    """Whether webhooks may go to private, loopback and link-local addresses, and over plain http."""
    webhook_proxy_guards: bool = False
    """Whether the proxy refuses private addresses by itself: names of webhooks behind it are not looked up then."""
    trackers: Annotated[tuple[Tracker, ...], NoDecode] = ()
    """Experiment trackers that every fine-tuning job is told to, by name and comma: `wandb,tensorboard`."""

    streaming_url: str = "http://127.0.0.1:8001"
    """Public base URL of the streaming service, handed to clients in `ws_url` and `sse_url`."""
    allowed_origins: str = ""
    """Comma-separated browser origins whose pages may call gateway and streaming service, `*` for all, beside those on
    the host that serves them."""
    log_level: str = "INFO"
    log_format: str = "json"
    """`json` for machines, `console` for people."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read secrets from files too: a variable goes before its file, unless it is empty."""
        return init_settings, FileSecrets(settings_cls), env_settings

    @field_validator("engine_url", "upstream_url", "providers_file", "prices_dir", "bounds_file", mode="before")
    @classmethod
    def _blank_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("trackers", mode="before")
    @classmethod
    def _split_trackers(cls, value: object) -> object:
        return tuple(filter(None, (name.strip() for name in value.split(",")))) if isinstance(value, str) else value

    @property
    def origin_list(self) -> frozenset[str]:
        """The allow-list as a set. Browsers send no slash behind an origin."""
        origins = (origin.strip().rstrip("/") for origin in self.allowed_origins.split(","))
        return frozenset(origin for origin in origins if origin)

    @property
    def sqlalchemy_url(self) -> str:
        """The database URL with psycopg named as driver."""
        return name_driver(self.database_url)


def name_driver(database_url: str) -> str:
    """Return a database URL with psycopg named as driver."""
    scheme, _, rest = database_url.partition("://")
    return f"postgresql+psycopg://{rest}" if scheme in {"postgres", "postgresql"} else database_url


@lru_cache
def load_settings() -> Settings:
    """Read the settings once per process. Raises pydantic's ValidationError that names each bad variable."""
    return Settings()  # pyright: ignore[reportCallIssue]
