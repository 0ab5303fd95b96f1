"""Builds the encoder that belongs to a base's folder, without its weights."""

from pathlib import Path
from typing import Any

from transformers import AutoConfig

from services.engine.model.load import read_end_tokens
from services.engine.model.positions import find_longest_positions
from services.engine.training.encoding import ExampleEncoder
from services.engine.training.settings import TrainingSettings


def build_encoder(folder: Path, tokenizer: Any, settings: TrainingSettings) -> ExampleEncoder:
    """Return an encoder that ends texts where serving ends them, and refuses rows that the base cannot count to."""
    config = AutoConfig.from_pretrained(str(folder), trust_remote_code=False)
    return ExampleEncoder(
        tokenizer,
        settings.max_sequence_tokens,
        end_tokens=read_end_tokens(folder),
        longest=find_longest_positions(config),
    )
