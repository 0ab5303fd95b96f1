"""Settings of fine-tuning, from STORYMILL_ENGINE_TRAINING_* variables: read by the engine and by the trainer."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.engine.processors import count_processors

SETTING_PREFIX = "STORYMILL_ENGINE_TRAINING_"

BASE_LEARNING_RATE = 4e-4
"""At multiplier 1: what the storyteller is tuned with. No sweep over rates is on record."""


class TrainingSettings(BaseSettings):
    """Everything an operator may change about fine-tuning."""

    model_config = SettingsConfigDict(env_prefix=SETTING_PREFIX, extra="ignore")

    threads: int = Field(default_factory=count_processors, ge=1)
    # Added to the trainer's niceness, so that generation goes first.
    niceness: int = Field(default=10, ge=0, le=19)
    device: str = "auto"

    base_learning_rate: float = Field(default=BASE_LEARNING_RATE, gt=0)
    lora_rank: int = Field(default=16, ge=1, le=256)
    lora_alpha: int = Field(default=32, ge=1)
    lora_dropout: float = Field(default=0.0, ge=0, lt=1)
    # Longer examples are cut at the end, with a warning in the job's events.
    max_sequence_tokens: int = Field(default=2048, ge=8)
    # Padded tokens in one forward pass on a GPU; the CPU takes one example at a time, which measured fastest.
    gpu_tokens_per_pass: int = Field(default=8192, ge=1)

    minimum_examples: int = Field(default=1, ge=1)
    maximum_examples: int = Field(default=50_000, ge=1)
    # Of one row: bytes, and lists, objects, members and values of its JSON, as of a request.
    row_bytes: int = Field(default=8 * 1024 * 1024, ge=1024)
    row_nodes: int = Field(default=20_000, ge=100)
    row_values: int = Field(default=500_000, ge=1000)
    # A resume point is written this often, at every epoch's end, and on pause.
    resume_point_seconds: float = Field(default=60.0, ge=0)
    # Starts without a new resume point in between before a job is given up.
    maximum_fruitless_starts: int = Field(default=3, ge=1)
    # Compute each layer twice instead of keeping its values: a third slower, and far less memory. auto: where needed.
    gradient_checkpointing: Literal["auto", "on", "off"] = "auto"
    # 0: what the machine (or its control group) has free.
    memory_limit_bytes: int = Field(default=0, ge=0)
    organization: str = Field(default="storymill", pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    maximum_open_jobs: int = Field(default=100, ge=1)
    # Largest upload; OpenAI documents 512 MB.
    file_bytes: int = Field(default=512 * 1024**2, ge=1)
