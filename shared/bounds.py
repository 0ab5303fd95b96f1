"""What a client, a file or a connection may cost: every bound with its default, its setting and what it is for.

Each is a `STORYMILL_*` variable, read at start, or a line of the bounds file (`STORYMILL_BOUNDS_FILE`), which is read
again when it changes: no restart is needed. The engine knows nothing of ours and states its own; a test holds the two
equal."""

import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

SETTING_PREFIX: Final = "STORYMILL_"
LOOK_SECONDS: Final = 1.0
"""How often the bounds file is looked at, while somebody asks."""
SHOWN: Final[dict[str, Any]] = {"shown": True}
"""Marks a bound that a client can meet: `GET /v1/limits` lists it."""

log = structlog.get_logger(__name__)


class Bounds(BaseSettings):
    """Every bound. The description says what is bounded, and in what unit."""

    model_config = SettingsConfigDict(env_prefix=SETTING_PREFIX, extra="ignore")

    max_body_bytes: int = Field(
        8 * 1024 * 1024, ge=1024, description="bytes of a request's body", json_schema_extra=SHOWN
    )
    max_file_bytes: int = Field(
        512 * 1024 * 1024, ge=1024, description="bytes of an uploaded file, its form included", json_schema_extra=SHOWN
    )
    max_json_nodes: int = Field(
        20_000, ge=100, description="lists, objects and members in a JSON body", json_schema_extra=SHOWN
    )
    max_json_values: int = Field(
        500_000, ge=1000, description="values in the lists and objects of a JSON body", json_schema_extra=SHOWN
    )
    max_recipe_nodes: int = Field(
        350_000, ge=100, description="the same as max_json_nodes, where a recipe is sent", json_schema_extra=SHOWN
    )
    max_choices: int = Field(
        128, ge=1, description="texts of one completion request: prompts × n", json_schema_extra=SHOWN
    )
    max_embedding_inputs: int = Field(
        2048, ge=1, description="texts of one request for embeddings", json_schema_extra=SHOWN
    )
    max_open_completions: int = Field(
        512, ge=1, description="interactive texts of a project, queued or running", json_schema_extra=SHOWN
    )
    max_generation_rows: int = Field(2_000_000, ge=1, description="stories of one generation", json_schema_extra=SHOWN)

    max_values_file_bytes: int = Field(
        64 * 1024 * 1024,
        ge=1024,
        description="bytes of a file that a recipe takes values from",
        json_schema_extra=SHOWN,
    )

    max_batch_lines: int = Field(50_000, ge=1, description="requests of one batch", json_schema_extra=SHOWN)
    max_batch_bytes: int = Field(
        200 * 1024 * 1024, ge=1024, description="bytes of a batch's file", json_schema_extra=SHOWN
    )

    max_requests_per_minute: int = Field(
        30_000, ge=1, description="requests a minute with one key, at each gateway process", json_schema_extra=SHOWN
    )
    max_stored_bytes: int = Field(
        200 * 1024**3, ge=0, description="bytes of a project's files", json_schema_extra=SHOWN
    )
    max_row_bytes: int = Field(
        8 * 1024 * 1024, ge=1024, description="bytes of a row in a file to train on", json_schema_extra=SHOWN
    )
    max_files: int = Field(100_000, ge=0, description="files of a project", json_schema_extra=SHOWN)
    max_open_uploads: int = Field(
        1_000, ge=0, description="uploads in parts of a project that are not complete", json_schema_extra=SHOWN
    )
    max_recipe_versions: int = Field(
        50_000, ge=0, description="versions of a project's recipes", json_schema_extra=SHOWN
    )
    max_open_generations: int = Field(
        1_000, ge=0, description="generations of a project that are not over", json_schema_extra=SHOWN
    )
    max_open_rows: int = Field(
        20_000_000,
        ge=0,
        description="stories to be written of a project's generations",
        json_schema_extra=SHOWN,
    )
    max_open_batches: int = Field(
        1_000, ge=0, description="batches of a project that are not over", json_schema_extra=SHOWN
    )
    max_open_datasets: int = Field(
        1_000, ge=0, description="datasets of a project that are not over", json_schema_extra=SHOWN
    )
    max_open_fine_tuning_jobs: int = Field(
        1_000, ge=0, description="fine-tuning jobs of a project that are not over", json_schema_extra=SHOWN
    )

    door_connections: int = Field(20_000, ge=16, description="connections of a process, by its open files fewer")
    door_connections_per_address: int = Field(
        2_000, ge=1, description="connections of one address that is no trusted proxy", json_schema_extra=SHOWN
    )
    door_first_byte_seconds: float = Field(
        10.0, gt=0, description="seconds from a connection to its first byte", json_schema_extra=SHOWN
    )
    door_header_seconds: float = Field(
        10.0, gt=0, description="seconds for a request's address and header lines", json_schema_extra=SHOWN
    )
    door_header_bytes: int = Field(
        32 * 1024, ge=1024, description="bytes of a request's address and header lines", json_schema_extra=SHOWN
    )
    door_header_lines: int = Field(100, ge=10, description="header lines of a request", json_schema_extra=SHOWN)
    door_body_seconds: float = Field(
        20.0, gt=0, description="seconds that a body may come slower than the next line says", json_schema_extra=SHOWN
    )
    door_body_bytes_per_second: int = Field(
        500, ge=1, description="bytes a second, of a body, at least", json_schema_extra=SHOWN
    )
    slow_seconds: float = Field(
        30.0,
        gt=0,
        description="seconds for which a client may not read what it is sent",
        json_schema_extra=SHOWN,
    )

    prepare_children: int = Field(
        0, ge=0, description="datasets that a worker prepares at once; 0: as many as it has processors"
    )
    prepare_spare_children: int = Field(
        4, ge=0, description="datasets beyond those, of projects that have none under way"
    )
    prepare_memory_bytes: int = Field(
        4 * 1024**3, ge=128 * 1024**2, description="bytes of a preparation's memory", json_schema_extra=SHOWN
    )
    prepare_cpu_seconds: float = Field(
        3600.0, ge=1, description="seconds of a processor for a preparation", json_schema_extra=SHOWN
    )
    prepare_seconds: float = Field(7200.0, gt=0, description="seconds for a preparation", json_schema_extra=SHOWN)
    prepare_disk_bytes: int = Field(
        4 * 1024**3, ge=1024**2, description="bytes that a preparation writes, beside the next line"
    )
    prepare_disk_times: int = Field(20, ge=0, description="times its sources' size that a preparation writes")
    prepare_free_disk_bytes: int = Field(
        1024**3, ge=0, description="bytes that stay free on the disk of the worker's temporary files"
    )


def setting_of(name: str) -> str:
    """Return the variable that sets a bound."""
    return f"{SETTING_PREFIX}{name.upper()}"


class LiveBounds:
    """The bounds as they are now: what was set at start, under what the bounds file says. One per process."""

    def __init__(
        self, at_start: Bounds, file: Path | None = None, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._at_start = Bounds.model_construct(**{name: getattr(at_start, name) for name in Bounds.model_fields})
        self._file = file
        self._monotonic = monotonic
        self._now = self._at_start
        self._seen: tuple[int, int] | None = None
        self._look_at = 0.0

    @property
    def now(self) -> Bounds:
        """Return the bounds. A file that cannot be used is told in the log, and what was before stays."""
        if self._file is not None and self._monotonic() >= self._look_at:
            self._look_at = self._monotonic() + LOOK_SECONDS
            self._look(self._file)
        return self._now

    def _look(self, file: Path) -> None:
        try:
            status = file.stat()
        except OSError:
            self._seen, self._now = None, self._at_start
            return
        if (status.st_mtime_ns, status.st_size) == self._seen:
            return
        self._seen = (status.st_mtime_ns, status.st_size)
        try:
            given = tomllib.loads(file.read_text(encoding="utf-8"))
            unknown = sorted(given.keys() - Bounds.model_fields.keys())
            if unknown:
                raise ValueError(f"there is no bound {', '.join(unknown)}")
            self._now = Bounds(**{**self._at_start.model_dump(), **given})
        except (OSError, ValueError, ValidationError) as error:
            log.error("bounds_file_unusable", file=str(file), error=str(error))
        else:
            log.info("bounds_changed", file=str(file), **given)
